//! The state that all connections share: the mounts, the password's guard, the clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;

use super::auth::Guard;
use super::fault::InjectedFault;
use super::player::Reel;
use crate::camera::Codec;
use crate::frame::Size;
use crate::time::Clock;

/// The state that all connections share.
pub(super) struct Shared {
    pub(super) mounts: BTreeMap<String, Loaded>,
    pub(super) guard: Option<Guard>,
    pub(super) session_timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
    /// Each connection's generator is seeded from this one, in the order of arrival.
    pub(super) rng: Mutex<StdRng>,
    pub(super) playing: AtomicUsize,
}

/// A mount with its clips in memory.
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) reels: Vec<Arc<Reel>>,
    pub(super) size: Size,
    pub(super) offset: Duration,
    /// A connection keeps the one that it found.
    pub(super) fault: Mutex<Arc<InjectedFault>>,
}

impl Loaded {
    pub(super) fn describe(&self, address: SocketAddr) -> ServedMount {
        let Self { name, size, .. } = self;
        let Reel { codec, frame_rate, .. } = *self.reels[0];
        let url = format!("rtsp://{address}/{name}");
        ServedMount { name: name.clone(), url, codec, size: *size, frame_rate }
    }

    pub(super) fn fault(&self) -> Arc<InjectedFault> {
        Arc::clone(&self.fault.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A mount that is being served.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedMount {
    /// The mount's name.
    pub name: String,
    /// `rtsp://address/name`.
    pub url: String,
    /// The first clip's codec.
    pub codec: Codec,
    /// The first clip's size.
    pub size: Size,
    /// The first clip's access units a second.
    pub frame_rate: f64,
}
