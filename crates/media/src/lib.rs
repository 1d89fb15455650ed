//! From a camera's socket to boxes: RTSP sessions, decoding, the detector; and clips served as
//! cameras, for the demo, the tests and the load rig.
//!
//! **Invariant:** the types of FFmpeg, ONNX Runtime and retina never leave this crate.

use keng_core::attention;
use keng_core::detection;
use keng_core::geometry;
use keng_core::time;
use keng_core::ward;
use keng_runtime::clock;
use keng_runtime::metrics;

pub mod camera;
pub mod frame;
pub mod detector;
pub mod rtsp_server;
