//! A camera and its RTSP session: URL in, packets out.
//!
//! Belongs here: the session, its supervision (connect, stream, wait, stall), backoff, the
//! bounded queue to the decoder. Does not belong here: anything that looks into a picture.
//!
//! **Invariant:** one camera's failure, slowness or lies end in its own supervisor.

pub mod backoff;
pub mod config;
pub mod error;
pub mod nal;
pub mod queue;
pub mod rtsp;
pub mod supervisor;

use std::future::Future;
use std::sync::Arc;

pub use config::{Config, Transport};
pub use error::Error;

use crate::time::Stamp;

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

impl Codec {
    /// As people and FFmpeg name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }
}

/// One encoded access unit.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The codec that it is encoded with.
    pub codec: Codec,
    /// Annex B byte stream; parameter sets stand before each key frame.
    pub data: Arc<[u8]>,
    /// True if decoding can start here: IDR, and for H.265 also CRA and BLA.
    pub key: bool,
    /// The stream's own time in microseconds from its start, as the camera tells it; may lie.
    pub media_time_us: i64,
    /// The time at which its last byte arrived here.
    pub received: Stamp,
    /// RTP packets known to be lost just before it.
    pub lost: u32,
}

/// Opens sessions: RTSP in the daemon, a script in tests.
pub trait Source: Send + Sync {
    /// The type of the sessions that it opens.
    type Session: Session;

    /// Begins a session. Ends in bounded time; may be dropped at any await.
    ///
    /// # Errors
    /// [`Error`] says why there is no session, and what to do about it.
    fn open(&self, config: &Config) -> impl Future<Output = Result<Self::Session, Error>> + Send;
}

/// A session that plays.
pub trait Session: Send {
    /// The next access unit, key frame or not. Waits for as long as none comes: the caller
    /// bounds that. May be dropped at any await without losing one.
    ///
    /// # Errors
    /// [`Error`] says why the session ended; there is nothing more to be had from it.
    fn next(&mut self) -> impl Future<Output = Result<Packet, Error>> + Send;

    /// Returns the seconds by which the camera's wall clock is ahead of ours, negative where it is
    /// behind; `None` where it has not told its time.
    fn clock_ahead_s(&self) -> Option<i64> {
        None
    }

    /// Says goodbye to the camera; ends in bounded time, 2 s.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The state of a camera's supervisor.
#[derive(Clone, Debug, PartialEq)]
pub enum CameraState {
    /// Describing, setting up, waiting for the first packet.
    Connecting {
        /// The time at which this state began.
        since: Stamp,
    },
    /// Packets arrive.
    Streaming {
        /// The time at which this state began.
        since: Stamp,
        /// The codec that they are encoded with.
        codec: Codec,
        /// As [`Session::clock_ahead_s`] says, to a few seconds.
        clock_ahead_s: Option<i64>,
    },
    /// It failed and will be tried again.
    Waiting {
        /// The time at which this state began.
        since: Stamp,
        /// The failure in words for people; it holds no secret.
        reason: String,
    },
}
