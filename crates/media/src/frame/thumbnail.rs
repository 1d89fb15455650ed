//! A picture small enough to be kept of every camera all the time, for the case that something
//! happens in front of it. Pure.
//!
//! It is the detector's own picture once more, masks and all: nothing is decoded or scaled for it.
//! It is not encoded before somebody wants it: a JPEG a camera every few seconds would cost the
//! machine more than the memory does.
//!
//! | detector's input | picture of 16:9 | bytes |
//! | --- | --- | --- |
//! | 512 × 288, the shipped model's | 512 × 288 | 221 184 |
//! | 640 × 640 | 320 × 180 | 86 400 |
//! | at most | 512 × 512 | 393 216 |

use std::fmt;

use jpeg_encoder::ColorType;

use super::jpeg::Error;
use super::people_note::PeopleNote;
use super::{Letterbox, Size, jpeg};

/// No side is longer, in pixels.
const SIDE_MAX: u32 = 512;

/// Luminance of each pixel, and colour of each four (JFIF's Y, Cb and Cr, 4:2:0).
#[derive(Clone, PartialEq, Eq)]
pub struct Thumbnail {
    size: Size,
    luminance: Box<[u8]>,
    /// Cb and Cr of two by two pixels, one after the other.
    colour: Box<[[u8; 2]]>,
}

impl Thumbnail {
    /// Of the part of a detector's input (planar red, green, blue) that shows the picture. `None`
    /// where there is none, or `pixels` is not what `letterbox` says.
    pub fn of(pixels: &[u8], letterbox: &Letterbox) -> Option<Self> {
        let Letterbox { content, input, x, y, .. } = *letterbox;
        let plane = input.width as usize * input.height as usize;
        let fits = x + content.width <= input.width && y + content.height <= input.height;
        if pixels.len() != 3 * plane || !fits || content.width < 2 || content.height < 2 {
            return None;
        }
        let start = y as usize * input.width as usize + x as usize;
        let by = content.width.max(content.height).div_ceil(SIDE_MAX) as usize;
        let (width, height) = (content.width as usize / by, content.height as usize / by);
        let [red, green, blue] = [0, 1, 2].map(|channel| {
            let from = &pixels[channel * plane + start..(channel + 1) * plane];
            let rows = from.chunks(input.width as usize).take(height * by);
            let mut made = Vec::with_capacity(width * height);
            reduce(rows.map(|row| &row[..width * by]), by, &mut made);
            made
        });
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(SIDE_MAX);
        let lights = red.iter().zip(&green).zip(&blue);
        Some(Self {
            size: Size { width: side(width), height: side(height) },
            luminance: lights.map(|((red, green), blue)| light([*red, *green, *blue])).collect(),
            colour: tints([&red, &green, &blue], width),
        })
    }

    /// As a JPEG with a note of where people are.
    ///
    /// # Errors
    /// Where the JPEG encoder refuses.
    pub fn jpeg_with_people(&self, note: &PeopleNote) -> Result<Vec<u8>, Error> {
        let width = self.size.width as usize;
        let across = width.div_ceil(2);
        let pixels = self.luminance.iter().enumerate().flat_map(|(index, light)| {
            let [blue, red] = self.colour[index / width / 2 * across + index % width / 2];
            [*light, blue, red]
        });
        let pixels: Vec<u8> = pixels.collect();
        jpeg::encode_as(&pixels, self.size, ColorType::Ycbcr, Some(note))
    }

    /// Returns its size in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns the bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.luminance.len() + 2 * self.colour.len()
    }
}

impl fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thumbnail").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Appends each square of `by` times `by` values as their mean.
fn reduce<'a>(rows: impl Iterator<Item = &'a [u8]>, by: usize, made: &mut Vec<u8>) {
    if by == 1 {
        rows.for_each(|row| made.extend_from_slice(row));
        return;
    }
    let mut sums = Vec::<u32>::new();
    let count = u32::try_from(by * by).unwrap_or(u32::MAX);
    for (index, row) in rows.enumerate() {
        sums.resize(row.len() / by, 0);
        for (sum, values) in sums.iter_mut().zip(row.chunks_exact(by)) {
            *sum += values.iter().map(|value| u32::from(*value)).sum::<u32>();
        }
        if index % by == by - 1 {
            made.extend(sums.drain(..).map(|sum| u8::try_from(sum / count).unwrap_or(u8::MAX)));
        }
    }
}

/// Luminance by BT.601, as JFIF has it, in 256ths.
fn light(colours: [u8; 3]) -> u8 {
    let [red, green, blue] = colours.map(u16::from);
    ((77 * red + 150 * green + 29 * blue) >> 8).to_le_bytes()[0]
}

/// Cb and Cr by the same, of each two by two pixels; an odd edge counts twice.
fn tints(planes: [&[u8]; 3], width: usize) -> Box<[[u8; 2]]> {
    let height = planes[0].len() / width;
    let mut made = Vec::with_capacity(width.div_ceil(2) * height.div_ceil(2));
    let [red, green, blue] = planes.map(|plane| plane.chunks(2 * width));
    for ((red, green), blue) in red.zip(green).zip(blue) {
        let mean = |two: &[u8], x: usize| {
            let (right, below) = ((x + 1).min(width - 1), two.len() - width);
            let four = [two[x], two[right], two[below + x], two[below + right]];
            four.map(u32::from).iter().sum::<u32>() / 4
        };
        let tint = |x| tint([mean(red, x), mean(green, x), mean(blue, x)]);
        made.extend((0..width).step_by(2).map(tint));
    }
    made.into_boxed_slice()
}

fn tint([red, green, blue]: [u32; 3]) -> [u8; 2] {
    // 128 is no colour; the offset keeps the sums from going below zero.
    let blueness = (32_768 + 128 * blue - 43 * red - 85 * green) >> 8;
    let redness = (32_768 + 128 * red - 107 * green - 21 * blue) >> 8;
    [blueness, redness].map(|value| u8::try_from(value).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::{InputFormat, Placement, redaction};
    use super::*;
    use crate::ward::Id;

    /// Bars of red, green and blue in a picture of that size, and in the padding white.
    fn bars(width: u32, height: u32, input: u32) -> (Vec<u8>, Letterbox) {
        let size = Size { width: input, height: input };
        let format = InputFormat { size, placement: Placement::Center, pad: 255 };
        let letterbox = Letterbox::fit(Size { width, height }, &format);
        let Letterbox { content, x: left, y: top, .. } = letterbox;
        let plane = (input * input) as usize;
        let mut pixels = vec![255; 3 * plane];
        let (across, down) = (content.width as usize, content.height as usize);
        for (x, y) in (0..across * down).map(|at| (at % across, at / across)) {
            let at = (top as usize + y) * input as usize + left as usize + x;
            let bar = x * 3 / content.width as usize;
            (0..3).for_each(|channel| {
                pixels[channel * plane + at] = if channel == bar { 220 } else { 10 }
            });
        }
        (pixels, letterbox)
    }

    #[test]
    fn thumbnail_has_no_padding_and_the_stated_bytes() {
        for (from, input, size, bytes) in [
            ((1920, 1080), 512, (512, 288), 221_184),
            ((1280, 720), 640, (320, 180), 86_400),
            ((641, 480), 640, (320, 239), 114_880),
        ] {
            let (pixels, letterbox) = bars(from.0, from.1, input);
            let small = Thumbnail::of(&pixels, &letterbox).unwrap();
            assert_eq!((small.size().width, small.size().height), size);
            assert_eq!(small.bytes(), bytes, "{from:?}");
            let at = |x: u32| {
                let (x, y) = ((size.0 * x / 6) as usize, (size.1 / 2) as usize);
                let across = (size.0 as usize).div_ceil(2);
                (small.luminance[y * size.0 as usize + x], small.colour[y / 2 * across + x / 2])
            };
            let (red, green, blue) = (at(1), at(3), at(5));
            assert!(red.1[1] > 200 && blue.1[0] > 200, "{red:?} {blue:?}");
            assert!(green.0 > red.0 && red.0 > blue.0 && green.1.iter().all(|tint| *tint < 90));
            assert!(small.luminance.iter().all(|light| *light < 200), "no padding");
        }
    }

    #[test]
    fn thumbnail_jpeg_carries_its_note() {
        let (pixels, letterbox) = bars(1920, 1080, 416);
        let small = Thumbnail::of(&pixels, &letterbox).unwrap();
        let note = PeopleNote { camera: Id::new("hem-42").unwrap(), people: Vec::new() };
        let jpeg = small.jpeg_with_people(&note).unwrap();
        assert_eq!(PeopleNote::read(&jpeg), Some(note));
        assert!(redaction::redact_jpeg(&jpeg).is_ok());
    }

    #[test]
    fn wrong_pixel_counts_give_no_thumbnail() {
        let (pixels, letterbox) = bars(1920, 1080, 416);
        assert_eq!(Thumbnail::of(&pixels[1..], &letterbox), None);
        assert_eq!(Thumbnail::of(&[], &letterbox), None);
    }
}
