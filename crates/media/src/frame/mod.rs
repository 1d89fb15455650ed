//! Packets in, pictures out: decoding, scaling, privacy masks, mailboxes, snapshots.
//!
//! Belongs here: everything that touches FFmpeg's video types. None of them leaves this module.
//! Does not belong here: what a picture shows.
//!
//! **Invariant:** privacy masks are painted before a picture can be had from here, as tensor or
//! as snapshot.

pub mod backlog;
pub mod clip;
pub mod decode;
pub mod redaction;
mod ffmpeg_log;
mod jpeg;
pub mod mailbox;
pub mod mask;
pub mod decode_rate;
mod people_note;
pub mod pixels;
mod key_frames;
pub mod scale;
pub mod thumbnail;
pub mod snapshot;
pub mod worker;

use crate::time::Stamp;
use crate::ward::Id;

pub use keng_core::picture::{
    FrameStatistics, InputFormat, Letterbox, Placement, Size, statistics,
};

pub use mask::Masks;
pub use people_note::PeopleNote;
pub use pixels::Pixels;
pub use snapshot::Picture;
pub use thumbnail::Thumbnail;

/// One decoded picture that will be analysed.
#[derive(Debug)]
pub struct Frame {
    /// The camera that it is of.
    pub camera: Id,
    /// Counts up per camera over everything that was scaled for analysis.
    pub sequence: u64,
    /// The time at which its last packet arrived; never before that of the camera's frame before.
    pub at: Stamp,
    /// Planar 8-bit R, G, B at the detector's input size, letterboxed: `3 * height * width` bytes.
    pub pixels: Pixels,
    /// The place of the camera's picture in `pixels`.
    pub letterbox: Letterbox,
    /// The camera's whole picture, for a snapshot; masked whenever it is looked at.
    pub picture: Picture,
    /// Statistics of the whole picture, about once a second; none in between.
    pub statistics: Option<Box<FrameStatistics>>,
    /// A small copy to be kept for a while; every few seconds, none in between.
    pub thumbnail: Option<Thumbnail>,
    /// From the packet's arrival to the end of scaling, in microseconds.
    pub decode_us: u64,
}
