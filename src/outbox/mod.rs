//! The durable, ordered log of alerts. MQTT and the feed only read from it.
//!
//! It stores bytes and knows no incident.

pub mod sled;

/// An alert's place in the log; starts at 1, has no gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub sequence: Sequence,
    /// The alert's bytes, the same for ever.
    pub payload: std::sync::Arc<[u8]>,
    /// A JPEG that belongs to it.
    pub snapshot: Option<std::sync::Arc<[u8]>>,
}
