//! An event that goes on: what it rests upon, when it was last seen and last told.

use std::time::Duration;

use crate::rule::event::{Evidence, Phase, UnattributedEvent};
use crate::rule::kind::RuleKind;
use crate::time::Stamp;

/// One rule's finding that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct OngoingEvent {
    rule: RuleKind,
    since: Stamp,
    last_seen: Stamp,
    last_told: Stamp,
    /// The confidence that was told then.
    told: f32,
    /// Of the newest sight.
    evidence: Evidence,
}

impl OngoingEvent {
    /// Found at `at`; the thing itself began at `since`. Answers with the event's start too.
    pub(crate) fn new(
        rule: RuleKind,
        since: Stamp,
        at: Stamp,
        evidence: Evidence,
    ) -> (Self, UnattributedEvent) {
        let told = evidence.confidence;
        let found = Self { rule, since, last_seen: at, last_told: at, told, evidence };
        let draft = found.draft(Phase::Started, at);
        (found, draft)
    }

    /// Seen again; told again where `every` has passed since it last was, or where it has doubled
    /// in confidence. The longest dwell stays: whoever is seen last need not be who stayed longest.
    pub(crate) fn see(
        &mut self,
        evidence: Evidence,
        every: Duration,
        at: Stamp,
    ) -> Option<UnattributedEvent> {
        self.last_seen = at;
        let doubled = evidence.confidence >= self.told * 2.0;
        let dwell = evidence.dwell.max(self.evidence.dwell);
        self.evidence = Evidence { dwell, ..evidence };
        if !doubled && at.mono.since(self.last_told.mono) < every {
            return None;
        }
        self.last_told = at;
        self.told = self.evidence.confidence;
        Some(self.draft(Phase::Ongoing, at))
    }

    /// Tells whether it has not been seen for `quiet`.
    pub(crate) fn is_quiet(&self, quiet: Duration, at: Stamp) -> bool {
        at.mono.since(self.last_seen.mono) >= quiet
    }

    /// Its end.
    pub(crate) fn end(self, at: Stamp) -> UnattributedEvent {
        self.draft(Phase::Ended, at)
    }

    fn draft(&self, phase: Phase, at: Stamp) -> UnattributedEvent {
        let (rule, since, evidence) = (self.rule, self.since, self.evidence.clone());
        UnattributedEvent { rule, phase, at, since, evidence }
    }
}
