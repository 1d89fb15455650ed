//! Pictures in, boxes out: the ONNX session and what its tensors mean.
//!
//! Belongs here: everything that touches ONNX Runtime's types; none of them leaves this module.
//! Does not belong here: memory from one frame to the next (that is `track`'s).

pub mod classes;
pub mod family;
pub mod nms;
pub mod onnx;
pub mod preprocess;

use crate::frame::{Frame, Size};
use crate::geometry::BoundingBox;

/// What the daemon looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Flames.
    Fire,
    /// Smoke.
    Smoke,
    /// A human being.
    Person,
}

impl Class {
    /// Every class, in the order of the shipped model's outputs.
    pub const ALL: [Self; 3] = [Self::Fire, Self::Smoke, Self::Person];

    /// As models and config name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fire => "fire",
            Self::Smoke => "smoke",
            Self::Person => "person",
        }
    }
}

/// One box of one class in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// What was seen.
    pub class: Class,
    /// 0..1.
    pub confidence: f32,
    /// Where, in the camera's picture.
    pub bbox: BoundingBox,
}

/// Which model found something; stands in every alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelIdentity {
    /// The file's name without its ending.
    pub name: String,
    /// Of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// Finds things in pictures. Owned by one thread.
pub trait Detector: Send {
    /// The size that frames must be scaled and letterboxed to.
    fn input_size(&self) -> Size;

    /// What it finds: one list a frame, in the order of `frames`, best first.
    ///
    /// # Errors
    /// [`onnx::Error`] where the runtime refuses; the frames are lost, the detector goes on.
    fn detect(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, onnx::Error>;
}
