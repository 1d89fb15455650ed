//! From a decoded picture to pixels: scaling, colour conversion, privacy masks.

use ffmpeg_next::format::Pixel as Format;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling;

use super::Size;
use super::letterbox::InputFormat;
use super::letterbox::Letterbox;
use super::mask::Masks;
use super::mask::Raster;
use super::pixels::Pixels;
use super::pixels::Pool;

/// What swscale can't do, in FFmpeg's words.
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
