//! Events: what a rule tells of one camera's view.

use std::time::Duration;

use crate::geometry::BoundingBox;
use crate::rule::kind::RuleKind;
use crate::time::Stamp;
use crate::ward::Id;

/// The phase of an event in its life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The rule has found something.
    Started,
    /// It is still there, or more of it.
    Ongoing,
    /// It is gone.
    Ended,
}

/// One rule's finding on one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The camera in whose view it is.
    pub camera: Id,
    /// The rule that found it.
    pub rule: RuleKind,
    /// The phase in its life cycle.
    pub phase: Phase,
    /// The time at which this was found.
    pub at: Stamp,
    /// The time at which the thing itself began, as far as was seen.
    pub since: Stamp,
    /// The evidence for it.
    pub evidence: Evidence,
}

/// The evidence that an event rests upon.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Evidence {
    /// Of the best detection just now, 0..1; 0 where no detection is involved.
    pub confidence: f32,
    /// The box in the view.
    pub bbox: Option<BoundingBox>,
    /// The zone's name.
    pub zone: Option<String>,
    /// The time for which a person has been there.
    pub dwell: Option<Duration>,
}

/// An event before it is known whose it is: a rule does not know its camera.
#[derive(Clone, Debug)]
pub(crate) struct UnattributedEvent {
    pub(super) rule: RuleKind,
    pub(super) phase: Phase,
    pub(super) at: Stamp,
    pub(super) since: Stamp,
    pub(super) evidence: Evidence,
}

impl UnattributedEvent {
    /// Says on which camera it was found.
    pub(super) fn on(self, camera: &Id) -> Event {
        let Self { rule, phase, at, since, evidence } = self;
        Event { camera: camera.clone(), rule, phase, at, since, evidence }
    }
}
