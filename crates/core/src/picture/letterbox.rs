//! The way in which a picture lies in the detector's input, and back from there. Pure.

use super::Size;
use crate::geometry::BoundingBox;

/// The input that a detector takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputFormat {
    /// Of the whole input, padding included.
    pub size: Size,
    /// The place where the picture lies in it.
    pub placement: Placement,
    /// Value of the padding in all three channels, 0..=255.
    pub pad: u8,
}

/// The place where the picture lies in an input of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Placement {
    /// Padding on both sides alike (YOLOv5 and later).
    #[default]
    Center,
    /// Padding to the right or below (YOLOX).
    TopLeft,
}

/// The way in which one picture lies in the detector's input, in pixels of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letterbox {
    /// Of the input.
    pub input: Size,
    /// Left edge of the picture.
    pub x: u32,
    /// Top edge of the picture.
    pub y: u32,
    /// The size that the picture was scaled to; each side at least 1 pixel.
    pub content: Size,
}

impl Letterbox {
    /// Fits a picture of `source` pixels into `format`, its shape kept.
    pub fn fit(source: Size, format: &InputFormat) -> Self {
        let input = Size { width: format.size.width.max(1), height: format.size.height.max(1) };
        let (source_w, source_h) =
            (u64::from(source.width.max(1)), u64::from(source.height.max(1)));
        let (input_w, input_h) = (u64::from(input.width), u64::from(input.height));
        let wide = source_w * input_h >= source_h * input_w;
        let content = if wide {
            Size { width: input.width, height: side(source_h * input_w, source_w, input.height) }
        } else {
            Size { width: side(source_w * input_h, source_h, input.width), height: input.height }
        };
        let (x, y) = match format.placement {
            Placement::Center => {
                ((input.width - content.width) / 2, (input.height - content.height) / 2)
            }
            Placement::TopLeft => (0, 0),
        };
        Self { input, x, y, content }
    }

    /// The whole picture, unscaled and without padding.
    pub fn none(size: Size) -> Self {
        Self { input: size, x: 0, y: 0, content: size }
    }

    /// A box by two corners in pixels of the input as a box of the picture, clamped into it.
    #[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
    pub fn to_picture(&self, corners: [f32; 4]) -> BoundingBox {
        let [x0, y0, x1, y1] = corners;
        let (left, top) = (self.x as f32, self.y as f32);
        let (width, height) = (self.content.width as f32, self.content.height as f32);
        BoundingBox::new(
            (x0 - left) / width,
            (y0 - top) / height,
            (x1 - left) / width,
            (y1 - top) / height,
        )
    }

    /// The corners in pixels of the input of a box of the picture: back from
    /// [`Letterbox::to_picture`].
    #[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
    pub fn to_input(&self, bbox: &BoundingBox) -> [f32; 4] {
        let (left, top) = (self.x as f32, self.y as f32);
        let (width, height) = (self.content.width as f32, self.content.height as f32);
        [
            left + bbox.x0 * width,
            top + bbox.y0 * height,
            left + bbox.x1 * width,
            top + bbox.y1 * height,
        ]
    }
}

/// `numerator / denominator`, rounded, within `1..=most`.
fn side(numerator: u64, denominator: u64, most: u32) -> u32 {
    let rounded = (numerator + denominator / 2) / denominator;
    u32::try_from(rounded).unwrap_or(most).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(width: u32, height: u32, placement: Placement) -> InputFormat {
        InputFormat { size: Size { width, height }, placement, pad: 114 }
    }

    #[test]
    fn a_wide_picture_is_padded_above_and_below() {
        let fit =
            Letterbox::fit(Size { width: 1280, height: 720 }, &format(416, 416, Placement::Center));
        assert_eq!((fit.x, fit.y), (0, 91));
        assert_eq!(fit.content, Size { width: 416, height: 234 });
    }

    #[test]
    fn a_tall_picture_at_the_top_left_is_padded_to_the_right() {
        let fit =
            Letterbox::fit(Size { width: 406, height: 720 }, &format(512, 288, Placement::TopLeft));
        assert_eq!((fit.x, fit.y), (0, 0));
        assert_eq!(fit.content, Size { width: 162, height: 288 });
    }

    #[test]
    fn a_degenerate_picture_still_has_a_pixel() {
        let fit =
            Letterbox::fit(Size { width: 10_000, height: 1 }, &format(64, 64, Placement::Center));
        assert_eq!(fit.content, Size { width: 64, height: 1 });
    }

    proptest! {
        #[test]
        fn a_box_comes_back_from_the_input(
            width in 16u32..4000, height in 16u32..3000,
            a in 0f32..1.0, b in 0f32..1.0, c in 0f32..1.0, d in 0f32..1.0, center: bool,
        ) {
            let placement = if center { Placement::Center } else { Placement::TopLeft };
            let fit = Letterbox::fit(Size { width, height }, &format(512, 288, placement));
            prop_assert!(fit.x + fit.content.width <= 512 && fit.y + fit.content.height <= 288);
            let there = BoundingBox::new(a, b, c, d);
            let back = fit.to_picture(fit.to_input(&there));
            prop_assert!((back.x0 - there.x0).abs() < 1e-4 && (back.y1 - there.y1).abs() < 1e-4);
        }
    }
}
