//! Pictures in, boxes out: the ONNX session and what its tensors mean.
//!
//! Belongs here: everything that touches ONNX Runtime's types; none of them leaves this module.
//! Does not belong here: memory from one frame to the next (that is `track`'s), but for what
//! `flicker` knows of a suspicious place's pixels.

pub mod appearance;
pub mod classes;
pub mod nms;
pub mod preprocess;
pub mod family;
pub mod layout;
pub mod library;
pub mod error;
pub mod onnx;
pub mod scripted;
pub mod flicker;
pub mod worker;

use crate::frame::{Frame, FrameStatistics, InputFormat, Picture, Thumbnail};
use crate::time::Stamp;
use crate::ward::Id;

use crate::detection::Detection;

/// Finds things in pictures. Owned by one thread.
pub trait Detector: Send {
    /// Returns the format that frames must be scaled and letterboxed to.
    fn input(&self) -> InputFormat;

    /// Detects things: returns one list for each frame, in the order of `frames`, best first.
    ///
    /// # Errors
    /// [`error::Error`] where the runtime refuses; the frames are lost, the detector goes on.
    fn detect(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, error::Error>;
}

/// An analysed frame on its way to the core.
#[derive(Debug)]
pub struct AnalysedFrame {
    /// The camera that the frame is of.
    pub camera: Id,
    /// The frame's stamp: when its last packet arrived.
    pub at: Stamp,
    /// The frame's number, per camera.
    pub sequence: u64,
    /// Best first.
    pub detections: Vec<Detection>,
    /// For a snapshot, should it come to an alert.
    pub picture: Picture,
    /// Statistics of the whole frame, where they were taken.
    pub statistics: Option<Box<FrameStatistics>>,
    /// A small copy of it to be kept for a while, where it is time for one.
    pub thumbnail: Option<Thumbnail>,
    /// The time that it spent in the stages so far.
    pub timing: Timing,
}

/// The time that a frame spent in each stage, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timing {
    /// From the last packet's arrival to the end of scaling.
    pub decode_us: u64,
    /// In the mailbox.
    pub queue_us: u64,
    /// Preprocessing, the network, postprocessing.
    pub inference_us: u64,
}
