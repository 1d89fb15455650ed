//! Calling louder where nobody answers: the ward first, then the siren.
//!
//! The siren's orders are parts of the incident's revisions, so that they are as durable and as
//! well ordered as alerts. Once an incident at most; never two in one khu phố at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::incident::entry::{Moment, OpenIncident};
use crate::incident::{
    AnswerError, Incident, IncidentId, IncidentState, Register, Severity, Silence, Siren,
    SirenPolicy,
};
use crate::time::Stamp;
use crate::ward::Id;

/// Evidence that is older than this when the siren could first sound is no reason to wake a street:
/// the daemon may have been away for hours.
const SEEN_WITHIN: Duration = Duration::from_secs(120);

/// Whoever switches the siren off again within as long has only been delivered twice.
const SAID_AGAIN: Duration = Duration::from_secs(10);

impl Register {
    /// Returns how long it takes at most until everybody has been called, the siren included, and
    /// what was seen then may still sound it.
    pub(super) fn time_to_call(&self) -> Duration {
        let siren = self.policy.siren.as_ref().map_or(Duration::ZERO, |siren| siren.after);
        self.policy.escalate_after.map_or(Duration::ZERO, |after| after + siren + SEEN_WITHIN)
    }

    /// Tells the ward of incidents that nobody has taken charge of for too long.
    pub(super) fn escalate(&mut self, at: Stamp) -> Vec<Incident> {
        let Some(after) = self.policy.escalate_after else { return Vec::new() };
        let due = |entry: &&mut OpenIncident| {
            let Incident { state, severity, kind, escalated_at, .. } = &entry.incident;
            let matters = *severity >= Severity::Warning && !kind.facts().is_technical;
            let silent = *state == IncidentState::Open && escalated_at.is_none() && entry.is_told();
            matters && silent && entry.opened.age(at.mono) >= after
        };
        let escalate = |entry: &mut OpenIncident| {
            entry.incident.escalated_at = Some(at.wall);
            entry.escalated = Some(Moment::now(at.mono));
            entry.revise(at)
        };
        self.open.values_mut().filter(due).map(escalate).collect()
    }

    /// Switches sirens off whose time is over, and on where the rules allow it.
    pub(super) fn sound(&mut self, at: Stamp) -> Vec<Incident> {
        let mut revisions = Vec::new();
        let patience = self.time_to_call();
        let policy = self.policy.siren.as_ref();
        let mut busy: BTreeSet<Id> = BTreeSet::new();
        // Off first: one's end may be another's turn.
        for entry in self.open.values_mut().filter(|entry| entry.sounds()) {
            let khu_pho = &entry.incident.khu_pho;
            if entry.siren_is_over(at) || !policy.is_some_and(|p| p.khu_pho.contains(khu_pho)) {
                entry.order(false, None, at);
                revisions.push(entry.revise(at));
            } else {
                busy.insert(khu_pho.clone());
            }
        }
        let Some(policy) = policy else { return revisions };
        let quiet = policy.quiet.is_some_and(|quiet| quiet.holds(at.wall, &self.timezone));
        for entry in self.open.values_mut().filter(|_| !quiet) {
            if entry.may_sound(policy, patience, at) && busy.insert(entry.incident.khu_pho.clone())
            {
                entry.order(true, Some(policy.seconds_max), at);
                revisions.push(entry.revise(at));
            }
        }
        revisions
    }

    /// Takes in that somebody switches the siren off. It never sounds for this incident again.
    /// `Ok(None)`: that was said a moment ago. Said later, it is ordered again: the siren may not
    /// have heard.
    ///
    /// # Errors
    /// [`AnswerError`] where it isn't open in that khu phố.
    pub fn on_silence(
        &mut self,
        khu_pho: &Id,
        id: &IncidentId,
        silence: Silence,
        at: Stamp,
    ) -> Result<Option<Incident>, AnswerError> {
        let Some((_, entry)) = self.asked(khu_pho, id) else {
            return self.lately.answer(khu_pho, id, None).map(|()| None);
        };
        let silenced = entry.incident.siren.as_ref().is_some_and(|siren| siren.by.is_some());
        if silenced && entry.siren.is_some_and(|since| since.age(at.mono) < SAID_AGAIN) {
            return Ok(None);
        }
        entry.order(false, None, at);
        if let Some(siren) = &mut entry.incident.siren {
            siren.by = Some(silence.by);
        }
        Ok(Some(entry.revise(at)))
    }
}

impl OpenIncident {
    /// Tells whether the siren was ordered on and not yet off.
    pub(super) fn sounds(&self) -> bool {
        self.incident.siren.as_ref().is_some_and(|siren| siren.on)
    }

    fn siren_is_over(&self, at: Stamp) -> bool {
        let longest = self.incident.siren.as_ref().map_or(0, |siren| siren.seconds_max);
        let ordered = self.siren.map_or(Duration::MAX, |since| since.age(at.mono));
        ordered >= Duration::from_secs(u64::from(longest))
    }

    fn may_sound(&self, policy: &SirenPolicy, patience: Duration, at: Stamp) -> bool {
        let Incident { khu_pho, kind, state, severity, cameras, reports, .. } = &self.incident;
        let Some(escalated) = self.escalated.map(|since| since.age(at.mono)) else { return false };
        let burns = kind.facts().burns && *severity == Severity::Critical;
        let vouched = cameras.len() > 1 || !reports.is_empty();
        let asked = !self.incident.exercise || policy.exercise && self.siren_asked;
        let seen = !self.active.is_empty() || self.evidence.age(at.mono) <= patience;
        self.incident.siren.is_none()
            && *state == IncidentState::Open
            && escalated >= policy.after
            && policy.khu_pho.contains(khu_pho)
            && burns
            && vouched
            && asked
            && seen
    }

    /// Makes the next revision order the siren on or off. `seconds_max`: none keeps what it was.
    pub(super) fn order(&mut self, on: bool, seconds_max: Option<u32>, at: Stamp) {
        let before = self.incident.siren.as_ref().map_or(0, |siren| siren.seconds_max);
        self.siren = Some(Moment::now(at.mono));
        self.incident.siren = Some(Siren {
            on,
            at: at.wall,
            seconds_max: seconds_max.unwrap_or(before),
            revision: self.incident.revision + 1,
            by: None,
        });
    }
}
