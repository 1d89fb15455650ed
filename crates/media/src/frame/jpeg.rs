//! Encodes a picture as a JPEG, with a note of people where there is one.

use jpeg_encoder::ColorType;

use super::people_note::PeopleNote;
use super::scale;
use super::{Size, people_note};

/// Of snapshots: faces must be recognisable, and a phone on a bad network must get them.
const JPEG_QUALITY: u8 = 80;

/// A reason for which there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The picture is a test's stand-in without content.
    #[error("the picture is empty")]
    Empty,
    /// Scaling failed.
    #[error(transparent)]
    Scale(#[from] scale::ScaleError),
    /// The bytes are no JPEG.
    #[error("it is no JPEG that can be read")]
    Decode(#[source] ffmpeg_next::Error),
    /// Encoding failed.
    #[error("snapshot can't be encoded as JPEG")]
    Encode(#[source] jpeg_encoder::EncodingError),
}

/// Encodes interleaved R, G, B.
pub(super) fn encode(rgb: &[u8], size: Size, note: Option<&PeopleNote>) -> Result<Vec<u8>, Error> {
    encode_as(rgb, size, ColorType::Rgb, note)
}

/// The same of interleaved pixels in other colours.
pub(super) fn encode_as(
    pixels: &[u8],
    size: Size,
    colours: ColorType,
    note: Option<&PeopleNote>,
) -> Result<Vec<u8>, Error> {
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    let mut jpeg = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, JPEG_QUALITY);
    if let Some(note) = note {
        encoder.add_app_segment(people_note::NOTE_SEGMENT, note.render()).map_err(Error::Encode)?;
    }
    encoder.encode(pixels, side(size.width), side(size.height), colours).map_err(Error::Encode)?;
    Ok(jpeg)
}
