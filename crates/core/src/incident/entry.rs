//! One open incident: what is told of it, and what is known beside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::incident::severity::{Signs, is_night};
use crate::incident::{Incident, IncidentId, IncidentState, Severity, Sighting};
use crate::rule::health::Fault;
use crate::rule::{Event, Phase, RuleKind};
use crate::time::Mono;
use crate::time::Stamp;
use crate::time::Wall;
use crate::ward::Id;

/// An event joins an incident of its kind there whose evidence is no older than this.
pub(super) const JOIN_WITHIN: Duration = Duration::from_secs(120);
/// Without evidence for as long, an incident that nobody took charge of expires.
const EXPIRE_OPEN: Duration = Duration::from_secs(300);
/// Whoever took charge has longer to say how it ended.
const EXPIRE_TAKEN: Duration = Duration::from_secs(3_600);

/// One rule's event on one camera.
pub(super) type EventSource = (Id, RuleKind);

/// A moment that may lie before the daemon's start, where monotonic time does not reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    at: Mono,
    /// The age that it had then.
    before: Duration,
}

impl Moment {
    pub(super) fn now(at: Mono) -> Self {
        Self { at, before: Duration::ZERO }
    }

    /// The moment when the wall's clock showed `then`; now where that has yet to come.
    fn wall(now: Stamp, then: Wall) -> Self {
        let before_us = u64::try_from(now.wall.0.saturating_sub(then.0)).unwrap_or(0);
        Self { at: now.mono, before: Duration::from_micros(before_us) }
    }

    pub(super) fn age(self, now: Mono) -> Duration {
        self.before.saturating_add(now.since(self.at))
    }
}

#[derive(Clone, Debug)]
pub(super) struct OpenIncident {
    pub(super) incident: Incident,
    /// The incidents that were merged into it, with their khu phố: people may still answer there.
    pub(super) formerly: Vec<(IncidentId, Id)>,
    /// Events that go on just now.
    pub(super) active: BTreeSet<EventSource>,
    pub(super) last_evidence: Mono,
    /// The same, where it may have come before the daemon's start.
    pub(super) evidence: Moment,
    pub(super) opened: Moment,
    pub(super) escalated: Option<Moment>,
    /// The time at which the siren was last ordered on or off.
    pub(super) siren: Option<Moment>,
    /// Tells whether a drill asks for the siren. Not remembered over a start: then it stays silent.
    pub(super) siren_asked: bool,
    /// Since when each camera has seen what it sees.
    pub(super) since: BTreeMap<Id, Mono>,
    /// The share of each camera's view that it covered at first.
    first_sizes: BTreeMap<Id, f32>,
    pub(super) size: f32,
    pub(super) growth: f32,
    pub(super) at_night: bool,
    /// There is news that waits to be told.
    pub(super) pending: bool,
    pub(super) told: Mono,
    /// It was over before it could be told.
    pub(super) settled: bool,
}

impl OpenIncident {
    pub(super) fn new(incident: Incident, at: Stamp, zone: &jiff::tz::TimeZone) -> Self {
        Self {
            at_night: is_night(incident.opened_at, zone),
            incident,
            formerly: Vec::new(),
            active: BTreeSet::new(),
            last_evidence: at.mono,
            evidence: Moment::now(at.mono),
            opened: Moment::now(at.mono),
            escalated: None,
            siren: None,
            siren_asked: false,
            since: BTreeMap::new(),
            first_sizes: BTreeMap::new(),
            size: 0.0,
            growth: 1.0,
            pending: false,
            told: at.mono,
            settled: false,
        }
    }

    pub(super) fn restored(incident: Incident, now: Stamp, zone: &jiff::tz::TimeZone) -> Self {
        let mut entry = Self::new(incident, now, zone);
        let incident = &entry.incident;
        let cameras = incident.cameras.iter();
        // What failed before the start is still gone: the cut goes on.
        entry.since = cameras.map(|seen| (seen.camera.clone(), now.mono)).collect();
        entry.opened = Moment::wall(now, incident.opened_at);
        entry.escalated = incident.escalated_at.map(|at| Moment::wall(now, at));
        entry.siren = incident.siren.as_ref().map(|siren| Moment::wall(now, siren.at));
        // When a camera saw it last is not in the log; it will see it again if it is still there.
        let seen = incident.cameras.iter().map(|seen| seen.since);
        let heard = seen.chain(incident.reports.iter().map(|report| report.at)).max();
        entry.evidence = match heard {
            Some(heard) if heard <= now.wall => Moment::wall(now, heard),
            _ => Moment { at: now.mono, before: Duration::MAX },
        };
        entry
    }

    /// Tells whether people know of it.
    pub(super) fn is_told(&self) -> bool {
        self.incident.revision > 0
    }

    /// Returns how it has ended by `at`, if it has. What was not told yet is told first; what a
    /// person has reported waits until everybody has been `called`.
    pub(super) fn over(&self, called: Duration, at: Stamp) -> Option<IncidentState> {
        let patience = match self.incident.state {
            IncidentState::Open if self.incident.reports.is_empty() => EXPIRE_OPEN,
            IncidentState::Open => EXPIRE_OPEN.max(called),
            _ => EXPIRE_TAKEN,
        };
        let silent = self.active.is_empty() && self.is_told();
        if silent && self.settled {
            return Some(IncidentState::Resolved);
        }
        (silent && at.mono.since(self.last_evidence) >= patience).then_some(IncidentState::Expired)
    }

    /// Tells whether something that a person sees now may be this: what somebody took charge of
    /// long ago, and nothing was seen of since, is not. It would be lost in there.
    pub(super) fn may_gain(&self, at: Mono) -> bool {
        let fresh = !self.active.is_empty() || at.since(self.last_evidence) <= JOIN_WITHIN;
        fresh || self.incident.state == IncidentState::Open
    }

    pub(super) fn has_evidence(&mut self, at: Mono) {
        self.last_evidence = at;
        self.evidence = Moment::now(at);
    }

    /// Takes in an event that started or goes on. `None`: people needn't know. `Some`: of a new
    /// camera, a rise in kind or severity, or what the rule found worth telling; true where that
    /// is urgent.
    pub(super) fn take_in(&mut self, event: &Event, source: EventSource) -> Option<bool> {
        let kind = self.incident.kind.max(event.rule.into());
        let risen = kind > self.incident.kind;
        let stale = self.active.is_empty() && event.at.mono.since(self.last_evidence) > JOIN_WITHIN;
        let begun = self.active.insert(source);
        // What flares up again is news to whoever took charge of it before.
        let again = begun && stale;
        self.has_evidence(event.at.mono);
        self.settled = false;
        self.incident.kind = kind;
        self.incident.dwell = self.incident.dwell.max(event.evidence.dwell);
        self.measure(event);
        let seen = sighting(event);
        let known = self.incident.cameras.iter_mut().find(|s| s.camera == seen.camera);
        let joined = known.is_none();
        match known {
            None => self.incident.cameras.push(seen),
            // The first sight's time stays; smoke does not hide flames already shown.
            Some(old) if kind == event.rule.into() => *old = Sighting { since: old.since, ..seen },
            Some(_) => {}
        }
        let risen = risen || self.is_told() && self.severity() > self.incident.severity;
        let told = event.phase == Phase::Ongoing;
        let news =
            risen || joined || told || again || begun && self.incident.state == IncidentState::Open;
        let burns = kind.facts().burns;
        news.then_some(burns && (risen || joined || again || !self.is_told()))
    }

    /// Notes how large it is, and since when it is seen.
    fn measure(&mut self, event: &Event) {
        self.since.entry(event.camera.clone()).or_insert(event.since.mono);
        let Some(bbox) = event.evidence.bbox else { return };
        let size = bbox.area();
        let first = *self.first_sizes.entry(event.camera.clone()).or_insert(size);
        self.size = self.size.max(size);
        if first > 0.0 {
            self.growth = self.growth.max(size / first);
        }
    }

    /// It never falls: what was urgent once is not taken back by a smaller flame.
    fn severity(&self) -> Severity {
        let facts = self.incident.kind.facts();
        let signs = Signs {
            cameras: self.incident.cameras.len(),
            size: self.size,
            growth: self.growth,
            at_night: self.at_night,
            escalated: self.escalated.is_some(),
        };
        let now = Severity::of(facts.severity, facts.aggravated_by, &signs);
        if self.is_told() { now.max(self.incident.severity) } else { now }
    }

    pub(super) fn close(&mut self, state: IncidentState, at: Stamp) -> Incident {
        self.incident.state = state;
        self.incident.closed_at = Some(at.wall);
        if self.sounds() {
            self.order(false, None, at);
        }
        self.revise(at)
    }

    pub(super) fn revise(&mut self, at: Stamp) -> Incident {
        self.incident.severity = self.severity();
        self.incident.revision += 1;
        self.incident.updated_at = at.wall;
        self.pending = false;
        self.told = at.mono;
        let revision = self.incident.clone();
        self.incident.held_back = 0;
        revision
    }
}

/// Makes of an event what the incident keeps of its camera.
pub(super) fn sighting(event: &Event) -> Sighting {
    Sighting {
        camera: event.camera.clone(),
        confidence: event.evidence.bbox.map(|_| event.evidence.confidence),
        zone: event.evidence.zone.clone(),
        bbox: event.evidence.bbox,
        since: event.since.wall,
        fault: Fault::of(event.rule),
    }
}
