//! The facts of the past that figures are counted from: one case an incident, and when the daemon
//! and each camera worked. Plain data; `keng-store` keeps it, `report` counts it.

use std::time::Duration;

use crate::incident::Incident;
use crate::incident::IncidentId;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::rule::health::Fault;
use crate::time::Wall;
use crate::ward::Id;

/// The daemon says as often that it lives.
pub const SIGN_EVERY: Duration = Duration::from_secs(300);

/// The record that is kept of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRecord {
    /// The same over all revisions.
    pub id: IncidentId,
    /// The newest that was seen.
    pub revision: u32,
    /// The khu phố whose team was notified.
    pub khu_pho: Id,
    /// The kind of it.
    pub kind: Kind,
    /// The last state of its life cycle.
    pub state: IncidentState,
    /// The time at which its first event began to count.
    pub opened_at: Wall,
    /// The time at which somebody took charge.
    pub acknowledged_at: Option<Wall>,
    /// The time at which somebody was there.
    pub on_scene_at: Option<Wall>,
    /// The time at which it was escalated.
    pub escalated_at: Option<Wall>,
    /// The time at which it was closed.
    pub closed_at: Option<Wall>,
    /// The cameras that saw it.
    pub cameras: Vec<Id>,
    /// The fault of the first camera, where that is the incident.
    pub fault: Option<Fault>,
    /// The incident that goes on in its place.
    pub merged_into: Option<IncidentId>,
    /// A drill.
    pub exercise: bool,
}

impl IncidentRecord {
    /// Of this revision.
    pub fn of(incident: &Incident) -> Self {
        Self {
            id: incident.id.clone(),
            revision: incident.revision,
            khu_pho: incident.khu_pho.clone(),
            kind: incident.kind,
            state: incident.state,
            opened_at: incident.opened_at,
            acknowledged_at: incident.acknowledged.as_ref().map(|taken| taken.at),
            on_scene_at: incident.on_scene_at,
            escalated_at: incident.escalated_at,
            closed_at: incident.closed_at,
            cameras: incident.cameras.iter().map(|seen| seen.camera.clone()).collect(),
            fault: incident.cameras.first().and_then(|seen| seen.fault),
            merged_into: incident.merged_into.clone(),
            exercise: incident.exercise,
        }
    }

    /// Tells whether `later` says more than that there was another revision.
    pub fn differs(&self, later: &Self) -> bool {
        Self { revision: later.revision, ..self.clone() } != *later
    }
}

/// Tells whether a camera can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Availability {
    /// It gives pictures of its street.
    Up,
    /// It gives none.
    Offline,
    /// It gives the same picture again and again.
    Frozen,
    /// Its pictures don't show its street.
    Blinded,
    /// Its pictures are not asked for: its owner's consent is over, or it has left the
    /// configuration.
    Unwatched,
}

impl Availability {
    /// Every state, for whoever reads the word back.
    pub const ALL: [Self; 5] =
        [Self::Up, Self::Offline, Self::Frozen, Self::Blinded, Self::Unwatched];

    /// As the ledger writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Offline => "offline",
            Self::Frozen => "frozen",
            Self::Blinded => "blinded",
            Self::Unwatched => "unwatched",
        }
    }
}

/// Something that was noted beside the incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UptimeRecord {
    /// The time of it.
    pub at: Wall,
    /// The kind of it.
    pub what: UptimeEvent,
}

/// The event that an [`UptimeRecord`] states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UptimeEvent {
    /// The daemon has begun; how cameras are is not known yet.
    Started,
    /// The daemon is at work.
    Alive,
    /// The daemon ends.
    Stopped,
    /// From here on a camera is so.
    Camera {
        /// The one concerned.
        id: Id,
        /// The neighbourhood that it watches.
        khu_pho: Id,
        /// Its availability.
        health: Availability,
    },
}

/// The records that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Each incident once, by its newest revision, oldest first.
    pub cases: Vec<IncidentRecord>,
    /// In the order in which they were written.
    pub notes: Vec<UptimeRecord>,
    /// The earliest that the whole ledger knows of; what came before is not zero but unknown.
    pub begun: Option<Wall>,
    /// Lines that could not be read.
    pub damaged: u64,
}
