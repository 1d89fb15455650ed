//! Boxes in, identities out: one tracker a camera, in real seconds.
//!
//! Belongs here: motion ([`motion`]), who is who ([`assignment`]), the life of a track
//! ([`tracker`]). Does not belong here: what a track means (that is `rule`'s), other cameras.
//!
//! **Invariant:** a track's age and gaps are differences of stamps; no frame is ever counted, so
//! that a camera that lies about its rate changes nothing.

pub mod assignment;
pub mod motion;
pub mod tracker;

use crate::detection::Appearance;
use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::time::Stamp;

pub use tracker::Tracker;

/// Counts up over one camera's tracks; never used twice in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

/// The certainty that a track is one real thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackState {
    /// Seen once; may be a flicker of the detector.
    Tentative,
    /// Seen again; in view.
    Confirmed,
    /// Was confirmed and isn't seen just now; may come back as the same track.
    Lost,
}

/// One thing followed over frames of one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its name.
    pub id: TrackId,
    /// The class of the thing.
    pub class: Class,
    /// The box where it is, or where it was last seen.
    pub bbox: BoundingBox,
    /// Of the newest detection, 0..1.
    pub confidence: f32,
    /// The certainty that this is one real thing.
    pub state: TrackState,
    /// The appearance of a person over the last detections, where any of them was large enough.
    pub appearance: Option<Appearance>,
    /// Its first detection.
    pub first_seen: Stamp,
    /// The place where that was.
    pub origin: BoundingBox,
    /// The detection that confirmed it; the first one until then.
    pub confirmed: Stamp,
    /// Its newest detection.
    pub last_seen: Stamp,
}

impl Track {
    /// Tells whether the newest frame, taken at `at`, showed it.
    pub fn seen_at(&self, at: Stamp) -> bool {
        self.last_seen == at
    }
}
