//! A camera's whole picture, kept for the case that it is wanted, and its JPEG.

use std::fmt;
use std::sync::Arc;

use ffmpeg_next::frame::Video;

use super::Size;
use super::jpeg::encode;
use super::mask::Masks;
use super::people_note::PeopleNote;
use super::{redaction, scale};
use crate::geometry::BoundingBox;

pub use super::jpeg::Error;

/// Boxes are drawn in this colour: it stands out of night, flames and concrete.
const BOX_COLOR: [u8; 3] = [255, 64, 255];

/// A camera's whole picture as it was decoded. Holding it costs the decoder's buffer and nothing
/// else; nothing is converted before [`Picture::jpeg`]. Privacy masks can't be taken off.
#[derive(Clone, Default)]
pub struct Picture {
    decoded: Option<Arc<Decoded>>,
}

struct Decoded {
    video: Video,
    masks: Arc<Masks>,
}

impl Picture {
    pub(super) fn new(video: Video, masks: Arc<Masks>) -> Self {
        Self { decoded: Some(Arc::new(Decoded { video, masks })) }
    }

    /// A picture that shows nothing, for tests of what comes after.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns whether it was taken under these masks, and not under others, be they alike.
    pub fn is_under(&self, masks: &Arc<Masks>) -> bool {
        self.decoded.as_ref().is_some_and(|decoded| Arc::ptr_eq(&decoded.masks, masks))
    }

    /// As the stream means it to be seen; `None` for the empty picture.
    pub fn size(&self) -> Option<Size> {
        self.decoded.as_ref().map(|decoded| scale::display_size(&decoded.video))
    }

    /// The masked picture as a JPEG at most `width_max` pixels wide (and never enlarged), with a
    /// thin rectangle around each of `boxes`.
    ///
    /// # Errors
    /// [`Error`] for the empty picture, or where FFmpeg or the JPEG encoder refuses.
    pub fn jpeg(&self, width_max: u32, boxes: &[BoundingBox]) -> Result<Vec<u8>, Error> {
        let (rgb, size) = self.drawn(width_max, boxes)?;
        encode(&rgb, size, None)
    }

    /// The same with a note of where people are, by which
    /// [`redact_jpeg`](super::redaction::redact_jpeg) finds their heads.
    ///
    /// # Errors
    /// As [`Picture::jpeg`].
    pub fn jpeg_with_people(
        &self,
        width_max: u32,
        boxes: &[BoundingBox],
        note: &PeopleNote,
    ) -> Result<Vec<u8>, Error> {
        let (rgb, size) = self.drawn(width_max, boxes)?;
        encode(&rgb, size, Some(note))
    }

    /// The masked picture without boxes, and without the heads of `people`.
    ///
    /// # Errors
    /// As [`Picture::jpeg`].
    pub fn redacted_jpeg(&self, width_max: u32, people: &[BoundingBox]) -> Result<Vec<u8>, Error> {
        let (mut rgb, size) = self.rgb(width_max)?;
        people.iter().for_each(|person| redaction::redact_head(&mut rgb, size, person));
        encode(&rgb, size, None)
    }

    fn drawn(&self, width_max: u32, boxes: &[BoundingBox]) -> Result<(Vec<u8>, Size), Error> {
        let (mut rgb, size) = self.rgb(width_max)?;
        boxes.iter().for_each(|bounding_box| draw(&mut rgb, size, bounding_box));
        Ok((rgb, size))
    }

    /// The masked picture as interleaved R, G, B, at most `width_max` pixels wide.
    ///
    /// # Errors
    /// [`Error`] for the empty picture, or where FFmpeg refuses.
    pub fn rgb(&self, width_max: u32) -> Result<(Vec<u8>, Size), Error> {
        let decoded = self.decoded.as_ref().ok_or(Error::Empty)?;
        Ok(scale::to_rgb(&decoded.video, &decoded.masks, width_max)?)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture").field("size", &self.size()).finish()
    }
}

/// Draws a rectangle of 2 pixels' width just inside the box.
#[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
#[expect(clippy::cast_possible_truncation, reason = "a box lies within 0..1")]
#[expect(clippy::cast_sign_loss, reason = "a box lies within 0..1")]
fn draw(rgb: &mut [u8], size: Size, bounding_box: &BoundingBox) {
    let (width, height) = (size.width as usize, size.height as usize);
    let at = |share: f32, side: usize| ((share * side as f32) as usize).min(side - 1);
    let (x0, x1) = (at(bounding_box.x0, width), at(bounding_box.x1, width));
    let (y0, y1) = (at(bounding_box.y0, height), at(bounding_box.y1, height));
    let mut dot = |x: usize, y: usize| {
        let start = (y * width + x) * 3;
        rgb[start..start + 3].copy_from_slice(&BOX_COLOR);
    };
    for inset in 0..2 {
        for x in x0..=x1 {
            dot(x, (y0 + inset).min(y1));
            dot(x, y1.saturating_sub(inset).max(y0));
        }
        for y in y0..=y1 {
            dot((x0 + inset).min(x1), y);
            dot(x1.saturating_sub(inset).max(x0), y);
        }
    }
}
