//! Hides heads from those who may not see faces: their places are noted in the snapshot itself, and
//! they are painted over when it is served to somebody who may not see faces.
//!
//! | a snapshot | what is left of it |
//! | --- | --- |
//! | with a note of people | each head as a few squares |
//! | without, or with a damaged one | all of it as squares: nobody knows where heads are |
//!
//! A square is one mean of many pixels; what it was a mean of is nowhere in what is served.
//! The detector finds people, not faces: a face that it takes for nobody stays.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;
use ffmpeg_next::frame::Video;

use super::jpeg::Error;
use super::mask::Masks;
pub use super::people_note::PeopleNote;
use super::scale;
use super::{Size, ffmpeg_log, jpeg};
use crate::geometry::BoundingBox;

/// Of a standing person, the head and the neck, with room for what a box is off by.
const HEAD_SHARE: f32 = 0.3;
/// A box is grown by so much of its width to each side, and of its head's height upwards.
const MARGIN: f32 = 0.15;
/// Squares across a head: nobody is known by four.
const HEAD_SQUARES: usize = 4;
/// Squares across a picture where nobody knows where heads are.
const PICTURE_SQUARES: usize = 32;
/// A square has a side of so many pixels at least: heads that are far away.
const SQUARE_SIDE_MIN: usize = 6;

/// The snapshot `jpeg` as whoever may not see faces gets it; without its note.
///
/// # Errors
/// [`Error`] where it is no JPEG, or can't be encoded again.
pub fn redact_jpeg(jpeg: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut rgb, size) = scale::to_rgb(&decode_jpeg(jpeg)?, &Masks::default(), u32::MAX)?;
    match PeopleNote::read(jpeg) {
        Some(note) => note.people.iter().for_each(|person| redact_head(&mut rgb, size, person)),
        None => {
            let whole = BoundingBox::new(0.0, 0.0, 1.0, 1.0);
            pixelate(&mut rgb, size, &whole, PICTURE_SQUARES);
        }
    }
    jpeg::encode(&rgb, size, None)
}

fn decode_jpeg(jpeg: &[u8]) -> Result<Video, Error> {
    ffmpeg_log::silence();
    let decode = || {
        let found = codec::decoder::find(codec::Id::MJPEG);
        let found = found.ok_or(ffmpeg::Error::DecoderNotFound)?;
        let mut context = codec::Context::new_with_codec(found);
        context.set_threading(codec::threading::Config::count(1));
        let mut decoder = context.decoder().open_as(found)?.video()?;
        decoder.send_packet(&ffmpeg::Packet::copy(jpeg))?;
        decoder.send_eof()?;
        let mut video = Video::empty();
        decoder.receive_frame(&mut video)?;
        Ok(video)
    };
    decode().map_err(Error::Decode)
}

/// Paints over the head of `person`; of one who lies, all of them: the head may be at either end.
pub(super) fn redact_head(rgb: &mut [u8], size: Size, person: &BoundingBox) {
    pixelate(rgb, size, &head(person, size), HEAD_SQUARES);
}

#[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
fn head(person: &BoundingBox, size: Size) -> BoundingBox {
    let (width, height) = (person.width(), person.height());
    let stands = height * size.height as f32 > width * size.width as f32;
    let share = if stands { height * HEAD_SHARE } else { height };
    let (aside, above) = (width * MARGIN, share * MARGIN);
    BoundingBox::new(person.x0 - aside, person.y0 - above, person.x1 + aside, person.y0 + share)
}

/// Replaces what lies in `area` by squares of one colour, `across` of them in its longer side.
#[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
#[expect(clippy::cast_possible_truncation, reason = "a box lies within 0..1")]
#[expect(clippy::cast_sign_loss, reason = "a box lies within 0..1")]
fn pixelate(rgb: &mut [u8], size: Size, area: &BoundingBox, across: usize) {
    let (width, height) = (size.width as usize, size.height as usize);
    let down = |share: f32, side: usize| ((share * side as f32).floor() as usize).min(side);
    let up = |share: f32, side: usize| ((share * side as f32).ceil() as usize).min(side);
    let (left, right) = (down(area.x0, width), up(area.x1, width));
    let (top, bottom) = (down(area.y0, height), up(area.y1, height));
    let longer = right.saturating_sub(left).max(bottom.saturating_sub(top));
    let side = longer.div_ceil(across).max(SQUARE_SIDE_MIN);
    for y in (top..bottom).step_by(side) {
        for x in (left..right).step_by(side) {
            pixelate_square(rgb, width, (x, (x + side).min(right)), (y, (y + side).min(bottom)));
        }
    }
}

/// One square: every pixel gets the mean of all.
fn pixelate_square(
    rgb: &mut [u8],
    width: usize,
    (left, right): (usize, usize),
    rows: (usize, usize),
) {
    let mut sums = [0_usize; 3];
    for y in rows.0..rows.1 {
        for pixel in rgb[(y * width + left) * 3..(y * width + right) * 3].chunks_exact(3) {
            sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += usize::from(*value));
        }
    }
    let count = ((right - left) * (rows.1 - rows.0)).max(1);
    let mean = sums.map(|sum| u8::try_from(sum / count).unwrap_or(u8::MAX));
    for y in rows.0..rows.1 {
        for pixel in rgb[(y * width + left) * 3..(y * width + right) * 3].chunks_exact_mut(3) {
            pixel.copy_from_slice(&mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ward::Id;

    const SIZE: Size = Size { width: 160, height: 120 };

    fn person() -> BoundingBox {
        BoundingBox::new(0.4, 0.2, 0.6, 0.9)
    }

    /// Noise; `seed` decides what the face of [`person`] looks like, and nothing else.
    fn street(seed: usize) -> Vec<u8> {
        let face = BoundingBox::new(0.42, 0.21, 0.58, 0.35);
        let mut rgb = vec![0; 160 * 120 * 3];
        for (index, value) in rgb.iter_mut().enumerate() {
            let (x, y) = (index / 3 % 160, index / 3 / 160);
            let (x, y) = (x as f32 / 160.0, y as f32 / 120.0);
            let inside = (face.x0..face.x1).contains(&x) && (face.y0..face.y1).contains(&y);
            let mixed = (index * 7_919 + if inside { seed * 104_729 } else { 0 }) % 251;
            *value = u8::try_from(mixed).unwrap();
        }
        rgb
    }

    fn snapshot_of(rgb: &[u8], people: Vec<BoundingBox>) -> Vec<u8> {
        let note = PeopleNote { camera: Id::new("hem-42").unwrap(), people };
        jpeg::encode(rgb, SIZE, Some(&note)).unwrap()
    }

    fn pixels(jpeg: &[u8]) -> Vec<u8> {
        scale::to_rgb(&decode_jpeg(jpeg).unwrap(), &Masks::default(), u32::MAX).unwrap().0
    }

    /// Differing values of a part of the picture: how much of what was there is left.
    fn colours(rgb: &[u8], area: &BoundingBox) -> usize {
        let mut seen = std::collections::BTreeSet::new();
        for (index, pixel) in rgb.chunks_exact(3).enumerate() {
            let (x, y) = (index % 160, index / 160);
            let (x, y) = (x as f32 / 160.0, y as f32 / 120.0);
            if (area.x0..area.x1).contains(&x) && (area.y0..area.y1).contains(&y) {
                seen.insert(<[u8; 3]>::try_from(pixel).unwrap());
            }
        }
        seen.len()
    }

    #[test]
    fn note_is_read_back_and_damaged_note_is_ignored() {
        let jpeg = snapshot_of(&street(1), vec![person()]);
        let note = PeopleNote::read(&jpeg).unwrap();
        assert_eq!((note.camera.as_str(), note.people), ("hem-42", vec![person()]));
        for end in 0..jpeg.len().min(400) {
            // Cut anywhere it is a note or none, and never a panic.
            PeopleNote::read(&jpeg[..end]);
        }
        for damaged in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xeb\x00\x00", b"\xff\xd8\xff\xeb\xff"]
        {
            assert_eq!(PeopleNote::read(damaged), None);
            assert!(redact_jpeg(damaged).is_err());
        }
    }

    #[test]
    fn head_is_pixelated_and_the_rest_stays() {
        let mut rgb = street(1);
        let before = rgb.clone();
        redact_head(&mut rgb, SIZE, &person());
        assert!(colours(&rgb, &BoundingBox::new(0.4, 0.2, 0.6, 0.4)) <= 20);
        let below = BoundingBox::new(0.4, 0.45, 0.6, 0.9);
        assert_eq!(colours(&rgb, &below), colours(&before, &below));
        // Lying, nobody knows at which end the head is.
        let lies = BoundingBox::new(0.2, 0.6, 0.8, 0.8);
        redact_head(&mut rgb, SIZE, &lies);
        assert!(colours(&rgb, &lies) <= 20);
        // At the edge, and outside of it, nothing is out of bounds.
        redact_head(&mut rgb, SIZE, &BoundingBox::new(0.9, 0.0, 1.0, 1.0));
        redact_head(&mut rgb, SIZE, &BoundingBox::default());
    }

    /// Two snapshots whose faces hold the same colours at other places come out the same.
    #[test]
    fn redacted_pictures_of_different_faces_are_equal() {
        let served = |seed: usize| {
            let mut rgb = street(1);
            // The face's pixels, shifted within each row of a square.
            let face = &mut rgb[..];
            for y in 22..46 {
                for pixelate_square in [(59, 70), (70, 81), (81, 92), (92, 101)] {
                    let row = &mut face
                        [(y * 160 + pixelate_square.0) * 3..(y * 160 + pixelate_square.1) * 3];
                    row.rotate_left(3 * (seed % 9));
                }
            }
            redact_head(&mut rgb, SIZE, &person());
            rgb
        };
        let one = served(0);
        assert!((1..9).all(|seed| served(seed) == one));
    }

    #[test]
    fn picture_without_note_is_pixelated_whole() {
        let jpeg = jpeg::encode(&street(1), SIZE, None).unwrap();
        let left = pixels(&redact_jpeg(&jpeg).unwrap());
        // Flat squares, but for what JPEG itself adds at their edges.
        let flat = left.chunks_exact(3).zip(left.chunks_exact(3).skip(1));
        let same = flat.filter(|(a, b)| a.iter().zip(*b).all(|(a, b)| a.abs_diff(*b) < 8)).count();
        assert!(same > 160 * 120 / 2, "{same}");
        let jpeg_with_people = snapshot_of(&street(1), vec![person()]);
        let (told, all) = (redact_jpeg(&jpeg_with_people).unwrap(), pixels(&jpeg_with_people));
        assert_eq!(PeopleNote::read(&told), None, "who is where is not told either");
        let head = BoundingBox::new(0.42, 0.21, 0.58, 0.38);
        assert!(colours(&pixels(&told), &head) < colours(&all, &head) / 2);
    }
}
