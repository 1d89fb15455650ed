//! A picture's size, how it lies in a detector's input, and a few numbers that describe it. Pure.
//!
//! Does not belong here: decoding, scaling and anything that knows FFmpeg.

pub mod letterbox;
pub mod statistics;

pub use letterbox::InputFormat;
pub use letterbox::Letterbox;
pub use letterbox::Placement;
pub use statistics::FrameStatistics;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels to the right.
    pub width: u32,
    /// Pixels downwards.
    pub height: u32,
}
