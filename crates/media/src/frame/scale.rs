//! From a decoded picture to pixels: scaling, colour conversion, privacy masks.

use ffmpeg_next::format::Pixel as Format;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling;

use super::InputFormat;
use super::Letterbox;
use super::Size;
use super::mask::Masks;
use super::mask::Raster;
use super::pixels::Pixels;
use super::pixels::Pool;

/// A failure of swscale, in FFmpeg's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("picture of {format:?} {width}x{height} can't be scaled: {reason}")]
pub struct ScaleError {
    format: Format,
    width: u32,
    height: u32,
    reason: ffmpeg_next::Error,
}

/// The size at which a picture is seen: pixels that are not square (analogue cameras, recorders
/// that halve the width) are stretched as the stream says.
pub(super) fn display_size(picture: &Video) -> Size {
    let (width, height) = (picture.width(), picture.height());
    let aspect = picture.aspect_ratio();
    let (num, den) = (i64::from(aspect.numerator()), i64::from(aspect.denominator()));
    // Nonsense is not followed: no camera's pixels are more than four times as wide as high.
    if num <= 0 || den <= 0 || num > 4 * den || den > 4 * num {
        return Size { width, height };
    }
    let stretched = i64::from(width) * num / den;
    Size { width: u32::try_from(stretched).unwrap_or(width).max(1), height }
}

/// Scales pictures of one camera into the detector's input. Keeps its context as long as the
/// pictures' size and format stay.
pub(super) struct Scaler {
    format: InputFormat,
    masks: std::sync::Arc<Masks>,
    pool: Pool,
    fitted: Option<Fitted>,
}

/// Everything that depends on the source's size and format.
struct Fitted {
    context: scaling::Context,
    target: Video,
    source: (Format, Size, Size),
    letterbox: Letterbox,
    raster: Raster,
}

impl Scaler {
    pub(super) fn new(format: InputFormat, masks: std::sync::Arc<Masks>) -> Self {
        Self { format, masks, pool: Pool::default(), fitted: None }
    }

    /// The picture as planar R, G, B, letterboxed and masked.
    pub(super) fn scale(&mut self, picture: &Video) -> Result<(Pixels, Letterbox), ScaleError> {
        let source = source_of(picture);
        if self.fitted.as_ref().is_none_or(|fitted| fitted.source != source) {
            self.fitted = Some(Fitted::new(source, &self.format, &self.masks)?);
        }
        let fitted = self.fitted.as_mut().expect("it was fitted just above");
        let fail = |reason| error_of(source, reason);
        fitted.context.run(picture, &mut fitted.target).map_err(fail)?;
        let letterbox = fitted.letterbox;
        let plane = letterbox.input.width as usize * letterbox.input.height as usize;
        let mut pixels = self.pool.take(3 * plane, self.format.pad);
        let stride = letterbox.input.width as usize;
        let start = letterbox.y as usize * stride + letterbox.x as usize;
        // FFmpeg's planes of GBRP are green, blue, red.
        for (channel, from) in [2usize, 0, 1].into_iter().enumerate() {
            let to = &mut pixels[channel * plane..(channel + 1) * plane];
            copy_rows(&fitted.target, from, &mut to[start..], stride);
            fitted.raster.paint(to, start, stride, 1);
        }
        Ok((pixels, letterbox))
    }
}

impl Fitted {
    fn new(
        source: (Format, Size, Size),
        format: &InputFormat,
        masks: &Masks,
    ) -> Result<Self, ScaleError> {
        let (_, stored, display) = source;
        let letterbox = Letterbox::fit(display, format);
        let context = context(source, Format::GBRP, letterbox.content)?;
        let target = Video::new(Format::GBRP, letterbox.content.width, letterbox.content.height);
        let raster = masks.raster(stored, letterbox.content);
        Ok(Self { context, target, source, letterbox, raster })
    }
}

/// The picture as interleaved R, G, B without padding between rows, masked; at most `width_max`
/// pixels wide, never larger than it is.
pub(super) fn to_rgb(
    picture: &Video,
    masks: &Masks,
    width_max: u32,
) -> Result<(Vec<u8>, Size), ScaleError> {
    let source = source_of(picture);
    let (_, stored, display) = source;
    let width = display.width.min(width_max.max(16)).min(u32::from(u16::MAX));
    let height = u64::from(display.height) * u64::from(width) / u64::from(display.width.max(1));
    let height = u32::try_from(height).unwrap_or(1).clamp(1, u32::from(u16::MAX));
    let size = Size { width, height };
    let mut context = context(source, Format::RGB24, size)?;
    let mut target = Video::new(Format::RGB24, width, height);
    context.run(picture, &mut target).map_err(|reason| error_of(source, reason))?;
    let stride = width as usize * 3;
    let mut rgb = vec![0; stride * height as usize];
    copy_rows(&target, 0, &mut rgb, stride);
    masks.raster(stored, size).paint(&mut rgb, 0, stride, 3);
    Ok((rgb, size))
}

fn source_of(picture: &Video) -> (Format, Size, Size) {
    let stored = Size { width: picture.width(), height: picture.height() };
    (picture.format(), stored, display_size(picture))
}

fn context(
    (from, stored, _): (Format, Size, Size),
    to: Format,
    size: Size,
) -> Result<scaling::Context, ScaleError> {
    // Averaging over the area neither aliases at the usual 3x downscale nor costs more than
    // bilinear does.
    let (width, height) = (size.width, size.height);
    let flags = scaling::Flags::AREA;
    scaling::Context::get(from, stored.width, stored.height, to, width, height, flags)
        .map_err(|reason| error_of((from, stored, size), reason))
}

fn error_of((format, size, _): (Format, Size, Size), reason: ffmpeg_next::Error) -> ScaleError {
    ScaleError { format, width: size.width, height: size.height, reason }
}

/// Copies one plane's rows, each of at most `stride` bytes, to rows `stride` bytes apart.
fn copy_rows(from: &Video, plane: usize, to: &mut [u8], stride: usize) {
    let bytes_a_pixel = if from.planes() == 1 { 3 } else { 1 };
    let width = from.width() as usize * bytes_a_pixel;
    let rows = from.data(plane).chunks(from.stride(plane));
    for (target, row) in to.chunks_mut(stride).zip(rows).take(from.height() as usize) {
        let run = width.min(target.len()).min(row.len());
        target[..run].copy_from_slice(&row[..run]);
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "noise has no wrong values")]
mod tests {
    use super::super::Placement;
    use super::super::snapshot::Picture;
    use super::*;
    use crate::geometry::BoundingBox;
    use crate::geometry::Point;
    use crate::geometry::Polygon;
    use std::sync::Arc;

    const SOURCE: Size = Size { width: 322, height: 242 };

    fn format() -> InputFormat {
        let size = Size { width: 160, height: 160 };
        InputFormat { size, placement: Placement::Center, pad: 114 }
    }

    /// A hexagon, and a triangle that reaches out of the picture's corner.
    fn masks() -> Arc<Masks> {
        let polygon = |corners: &[(f32, f32)]| {
            Polygon::new(corners.iter().map(|&(x, y)| Point { x, y }).collect()).unwrap()
        };
        Arc::new(Masks::new(vec![
            polygon(&[(0.3, 0.2), (0.5, 0.1), (0.7, 0.2), (0.7, 0.6), (0.5, 0.7), (0.3, 0.6)]),
            polygon(&[(0.0, 1.0), (0.0, 0.8), (0.3, 1.0)]),
        ]))
    }

    /// A picture of noise; `inside` of the masks it is another noise.
    fn noise(masks: Option<(&Masks, u32)>) -> Video {
        let mut video = Video::new(Format::YUV420P, SOURCE.width, SOURCE.height);
        // Exactly what the polygons cover, pixel by pixel of each plane.
        for plane in 0..3 {
            let stride = video.stride(plane);
            let (width, height) = (video.plane_width(plane), video.plane_height(plane));
            let size = Size { width, height };
            let data = video.data_mut(plane);
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let masked = masks.filter(|(masks, _)| covers_any_corner(masks, x, y, size));
                let seed = masked.map_or(1, |(_, seed)| seed);
                data[y as usize * stride + x as usize] = random(x, y, plane as u32, seed);
            }
        }
        video
    }

    fn covers_any_corner(masks: &Masks, x: u32, y: u32, size: Size) -> bool {
        let at = |dx: f32, dy: f32| Point {
            x: (x as f32 + dx) / size.width as f32,
            y: (y as f32 + dy) / size.height as f32,
        };
        let corners = [at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0), at(1.0, 1.0), at(0.5, 0.5)];
        masks.polygons().iter().any(|polygon| corners.iter().any(|c| polygon.contains(*c)))
    }

    fn random(x: u32, y: u32, plane: u32, seed: u32) -> u8 {
        let mut n = (x * 7919) ^ (y * 104_729) ^ (plane * 1_299_709) ^ (seed * 15_485_863);
        n = (n ^ (n >> 13)).wrapping_mul(0x5bd1_e995);
        (n >> 16) as u8
    }

    /// Nothing behind a mask can be told from what comes out: two pictures that differ only there
    /// come out the same, at every size.
    #[test]
    fn masked_pixels_never_reach_any_output() {
        let masks = masks();
        let (one, other) = (noise(Some((&masks, 2))), noise(Some((&masks, 3))));
        for side in [64, 160, 300, 900] {
            let format = InputFormat { size: Size { width: side, height: side }, ..format() };
            let mut scaler = Scaler::new(format, Arc::clone(&masks));
            let (a, letterbox) = scaler.scale(&one).unwrap();
            let (b, _) = scaler.scale(&other).unwrap();
            assert!(a[..] == b[..], "the tensor of {side} shows it");
            let middle = letterbox.y + letterbox.content.height * 4 / 10;
            let black = (middle * side + letterbox.x + letterbox.content.width / 2) as usize;
            assert_eq!(a[black], 0);
        }
        let (a, b) = (Picture::new(one, masks.clone()), Picture::new(other, masks));
        for width in [50, 160, 322, 1000] {
            assert!(a.rgb(width).unwrap() == b.rgb(width).unwrap(), "{width} shows it");
            assert!(a.jpeg(width, &[]).unwrap() == b.jpeg(width, &[]).unwrap());
        }
    }

    #[test]
    fn unmasked_pixels_reach_the_output() {
        let masks = masks();
        let mut scaler = Scaler::new(format(), Arc::clone(&masks));
        let mut bare = Scaler::new(format(), Arc::default());
        let (masked, letterbox) = scaler.scale(&noise(None)).unwrap();
        let (whole, _) = bare.scale(&noise(None)).unwrap();
        let raster = masks.raster(SOURCE, letterbox.content);
        let mut same = 0;
        for (index, (a, b)) in masked.iter().zip(whole.iter()).enumerate() {
            let (x, y) = (index % 160, index / 160 % 160);
            let inside = y >= letterbox.y as usize
                && raster.covers(x - letterbox.x as usize, y - letterbox.y as usize);
            assert_eq!(*a, if inside { 0 } else { *b });
            same += usize::from(a == b);
        }
        assert!(same > masked.len() / 2, "most of the picture is not masked");
    }

    #[test]
    fn the_planes_are_red_green_blue_and_padded() {
        let mut video = Video::new(Format::RGB24, 320, 160);
        let stride = video.stride(0);
        for row in video.data_mut(0).chunks_mut(stride) {
            row[..960].as_chunks_mut::<3>().0.fill([200, 100, 50]);
        }
        let (pixels, letterbox) = Scaler::new(format(), Arc::default()).scale(&video).unwrap();
        assert_eq!((letterbox.y, letterbox.content), (40, Size { width: 160, height: 80 }));
        for (channel, value) in [200u8, 100, 50].into_iter().enumerate() {
            let plane = &pixels[channel * 160 * 160..(channel + 1) * 160 * 160];
            assert_eq!((plane[0], plane[160 * 160 - 1]), (114, 114));
            assert!(plane[40 * 160..120 * 160].iter().all(|byte| byte.abs_diff(value) <= 1));
        }
    }

    #[test]
    fn a_snapshot_is_shrunk_never_enlarged_and_shows_its_boxes() {
        let picture = Picture::new(noise(None), Arc::default());
        assert_eq!(picture.rgb(10_000).unwrap().1, SOURCE);
        assert_eq!(picture.rgb(161).unwrap().1, Size { width: 161, height: 121 });
        let plain = picture.jpeg(200, &[]).unwrap();
        assert_eq!(plain[..3], [0xff, 0xd8, 0xff]);
        let whole = BoundingBox::new(0.0, 0.0, 1.0, 1.0);
        assert_ne!(picture.jpeg(200, &[whole, BoundingBox::default()]).unwrap(), plain);
        assert!(Picture::empty().jpeg(200, &[]).is_err());
    }
}
