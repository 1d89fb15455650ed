//! Events in, incidents out: what really happens in the street, and what people do about it.
//!
//! Belongs here: joining events of several cameras ([`join`]), the life of an incident
//! ([`register`]), people's commands, reports and patrols ([`answer`]), whom to call when nobody
//! answers ([`policy`]), everything that is said of a kind of incident ([`kind`]).
//! Does not belong here: the public form of an incident (that is `alert`'s), the log (`outbox`'s).
//!
//! **Invariants:** an incident is never split; its revisions count up by one; a closed one never
//! changes again; ids follow from what happened, so that a replay gives the same. Which cameras
//! share an incident does not depend on the order in which they saw it: whoever links two
//! incidents merges them.

pub mod answer;
mod budget;
mod closed;
mod entry;
mod escalation;
pub mod join;
pub mod kind;
mod link;
pub mod policy;
pub mod register;
mod severity;

use std::fmt;
use std::time::Duration;

use crate::geometry::BoundingBox;
use crate::rule::health::Fault;
use crate::time::Wall;
use crate::ward::Id;

pub use answer::{Answer, AnswerError, Patrol, Report, Silence};
pub use join::Sites;
pub use kind::Kind;
pub use policy::{Policy, SirenPolicy};
pub use register::Register;
pub use severity::Aggravation;
pub use severity::Severity;

/// Identifies an incident for ever; a level of topics, and so no longer than a [`ward::Id`].
///
/// [`ward::Id`]: crate::ward::Id
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(String);

impl IncidentId {
    /// Of an incident that `origin` (a camera or khu phố) opened at `at`.
    fn new(at: Wall, origin: &Id) -> Self {
        let time = at.to_jiff().strftime("%Y%m%dt%H%M%S%3fz");
        // 19 and 1 and 40 characters, and a suffix where two share them: an `Id` has 64.
        Self(format!("{time}-{:.40}", origin.as_str()))
    }

    /// An id that came from outside; `None` where it can't be one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ((1..=64).contains(&text.len()) && text.chars().all(fits)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of an incident in its life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IncidentState {
    /// It is not taken charge of yet.
    Open,
    /// A person has taken charge.
    Acknowledged,
    /// A responder is there.
    OnScene,
    /// Settled.
    Resolved,
    /// There was nothing.
    FalseAlarm,
    /// It went away by itself.
    Expired,
}

impl IncidentState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::Acknowledged,
        Self::OnScene,
        Self::Resolved,
        Self::FalseAlarm,
        Self::Expired,
    ];

    /// As alerts write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::OnScene => "on_scene",
            Self::Resolved => "resolved",
            Self::FalseAlarm => "false_alarm",
            Self::Expired => "expired",
        }
    }

    /// Reads a state's word; none where no state has it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Tells whether nothing comes after it.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Resolved | Self::FalseAlarm | Self::Expired)
    }
}

/// The view that one camera has of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The camera.
    pub camera: Id,
    /// Of its best detection, 0..1; none where the camera itself is the trouble.
    pub confidence: Option<f32>,
    /// The zone's name.
    pub zone: Option<String>,
    /// The box in its view.
    pub bbox: Option<BoundingBox>,
    /// Since when.
    pub since: Wall,
    /// The fault of the camera, where that is the incident.
    pub fault: Option<Fault>,
}

/// A step that a person did: took charge, was there, closed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The time of it.
    pub at: Wall,
    /// The name of the sender, as they give it.
    pub by: String,
    /// Their remark.
    pub note: Option<String>,
}

/// An order to the siren of the incident's khu phố.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Siren {
    /// Tells whether it shall sound.
    pub on: bool,
    /// The time at which this was ordered.
    pub at: Wall,
    /// It sounds no longer.
    pub seconds_max: u32,
    /// The revision that ordered it; later ones only remember it.
    pub revision: u32,
    /// The person who switched it off, as they call themselves; none where nobody did.
    pub by: Option<String>,
}

/// The report of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The time at which it came in.
    pub at: Wall,
    /// The name of the sender, as they give it.
    pub by: String,
    /// The place, in their words.
    pub place: Option<String>,
    /// Their remark.
    pub note: Option<String>,
}

/// One revision of what happens in the street.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// The same over all revisions.
    pub id: IncidentId,
    /// Counts up by one from 1.
    pub revision: u32,
    /// The neighbourhood whose team is told.
    pub khu_pho: Id,
    /// The kind of it.
    pub kind: Kind,
    /// The degree to which it matters.
    pub severity: Severity,
    /// The state in its life cycle.
    pub state: IncidentState,
    /// The time at which its first event began to count.
    pub opened_at: Wall,
    /// The time at which this revision was made.
    pub updated_at: Wall,
    /// The time at which it was closed.
    pub closed_at: Option<Wall>,
    /// The cameras' sightings, in the order in which they joined.
    pub cameras: Vec<Sighting>,
    /// The people's reports, the newest [`answer::REPORTS_MAX`], oldest first.
    pub reports: Vec<Witness>,
    /// The time for which the person has stayed.
    pub dwell: Option<Duration>,
    /// The person who took charge.
    pub acknowledged: Option<Acknowledgement>,
    /// The time at which somebody was there.
    pub on_scene_at: Option<Wall>,
    /// The person who was there; none in alerts from before this was noted.
    pub on_scene: Option<Acknowledgement>,
    /// The person who closed it; none where it expired, or a camera came back by itself.
    pub closed: Option<Acknowledgement>,
    /// The time at which it was escalated, since nobody had taken charge.
    pub escalated_at: Option<Wall>,
    /// The newest order to the siren.
    pub siren: Option<Siren>,
    /// So much news was not told since the revision before: the camera had used up its share.
    pub held_back: u32,
    /// The incident that goes on in its place, since both were one.
    pub merged_into: Option<IncidentId>,
    /// A drill.
    pub exercise: bool,
}
