//! The configuration of one camera's stream.

use crate::ward::{Id, Secret};

/// The configuration by which one camera's stream is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The camera.
    pub id: Id,
    /// `rtsp://host[:port]/path`, without credentials.
    pub url: url::Url,
    /// Asked for by Basic or Digest.
    pub username: Option<String>,
    /// Asked for by Basic or Digest.
    pub password: Option<Secret>,
    /// The transport that carries the RTP packets.
    pub transport: Transport,
}

/// The transport that carries the RTP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transport {
    /// Interleaved with RTSP on its TCP connection: passes firewalls, loses nothing.
    #[default]
    Tcp,
    /// UDP: for cameras whose TCP is broken; what the network loses is lost.
    Udp,
}
