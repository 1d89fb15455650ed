//! All open incidents, and how events, answers and time change them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::incident::answer::REPORTS_MAX;
use crate::incident::budget::Budget;
use crate::incident::closed::RecentlyClosed;
use crate::incident::entry::{EventSource, OpenIncident};
use crate::incident::{
    Acknowledgement, Answer, AnswerError, Incident, IncidentId, IncidentState, Kind, Patrol,
    Policy, Report, Severity, Sites, Witness,
};
use crate::rule::health::Fault;
use crate::rule::{Event, Phase, RuleKind};
use crate::time::Mono;
use crate::time::Stamp;
use crate::ward::Id;

/// The same report again within as long is a redelivery.
const SAME_REPORT: Duration = Duration::from_secs(600);
/// Cameras that fail one after another are told together, as often as this.
const CUT_TOLD_EVERY: Duration = Duration::from_secs(10);
/// For as long, what people closed and a camera goes on to see is not told again.
const SETTLED_MAX: Duration = Duration::from_secs(1_800);
/// Patrols of one khu phố at a time; the one that was announced first gives way.
const PATROLS_MAX: usize = 32;
/// More incidents open at once are an attack or a broken model; the oldest of them expires.
const OPEN_MAX: usize = 10_000;

/// Counts incidents in the order in which they were opened: their ids carry the wall's time, which
/// may jump.
pub(super) type Serial = u64;

/// News of an incident: what is not held back.
#[derive(Clone, Debug)]
struct News {
    at: Stamp,
    /// To be told whatever the cameras' shares are.
    urgent: bool,
    cameras: BTreeSet<Id>,
}

/// All open incidents.
#[derive(Clone, Debug)]
pub struct Register {
    pub(super) open: BTreeMap<Serial, OpenIncident>,
    opened: Serial,
    /// Events whose incident people closed while they went on, and when: mute until they end, or
    /// for [`SETTLED_MAX`]; a camera's own fault until it ends.
    settled: BTreeMap<EventSource, Mono>,
    patrols: Vec<(Id, Patrol, Mono)>,
    pub(super) policy: Policy,
    /// The ward's.
    pub(super) timezone: jiff::tz::TimeZone,
    budget: Budget,
    held_back: u64,
    pub(super) lately: RecentlyClosed,
}

impl Default for Register {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            opened: 0,
            settled: BTreeMap::new(),
            patrols: Vec::new(),
            policy: Policy::default(),
            timezone: jiff::tz::TimeZone::UTC,
            budget: Budget::default(),
            held_back: 0,
            lately: RecentlyClosed::default(),
        }
    }
}

impl Register {
    /// Goes by this policy from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Night and quiet hours are in this zone, the ward's, from now on.
    pub fn set_timezone(&mut self, timezone: jiff::tz::TimeZone) {
        self.timezone = timezone;
    }

    /// Returns how much news was held back since this was last asked.
    pub fn take_held_back(&mut self) -> u64 {
        std::mem::take(&mut self.held_back)
    }

    /// Takes back what was open when the daemon stopped. Evidence counts as of `now` for how long
    /// an incident stays open, and as of its last revision for the siren. Those that are closed
    /// are remembered for who answers them late.
    pub fn restore(&mut self, incidents: impl IntoIterator<Item = Incident>, now: Stamp) {
        let (closed, mut open): (Vec<_>, Vec<_>) =
            incidents.into_iter().partition(|incident| incident.state.is_closed());
        open.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
        for incident in open {
            let entry = OpenIncident::restored(incident, now, &self.timezone);
            self.insert(entry);
        }
        for incident in closed {
            let into = incident.merged_into.as_ref();
            let goes_on = |entry: &&mut OpenIncident| Some(&entry.incident.id) == into;
            match self.open.values_mut().find(goes_on) {
                Some(entry) => entry.formerly.push((incident.id, incident.khu_pho)),
                None => self.lately.remember(&incident, Vec::new()),
            }
        }
    }

    /// All open incidents that people know of, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values().filter(|entry| entry.is_told()).map(|entry| &entry.incident)
    }

    /// Takes in what happened at one moment, in any order of cameras; answers with one revision
    /// for each incident that people should know more of: a power cut of a whole street is told
    /// once.
    pub fn on_events(&mut self, events: &[Event], sites: &Sites) -> Vec<Incident> {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by(|a, b| a.camera.cmp(&b.camera));
        let mut news: BTreeMap<Serial, News> = BTreeMap::new();
        let mut closed = Vec::new();
        for event in events {
            if event.phase == Phase::Ended {
                closed.extend(self.on_end(event));
            } else {
                self.take_in(event, sites, &mut news, &mut closed);
            }
        }
        let told = |(serial, news): (Serial, News)| self.tell(serial, &news);
        let mut revisions: Vec<Incident> = news.into_iter().filter_map(told).collect();
        revisions.append(&mut closed);
        revisions
    }

    /// Finds the incident that the event belongs to, and notes where it makes news of it.
    fn take_in(
        &mut self,
        event: &Event,
        sites: &Sites,
        news: &mut BTreeMap<Serial, News>,
        closed: &mut Vec<Incident>,
    ) {
        let source = (event.camera.clone(), event.rule);
        if self.is_settled(&source, event.at.mono) || self.is_patrolled(event, sites) {
            return;
        }
        let mut linked = self.linked(event, sites);
        let merged = self.merge(&mut linked, event.at);
        for serial in linked.iter().skip(1) {
            news.remove(serial);
        }
        let urgent = match linked.first() {
            Some(serial) => {
                let Some(entry) = self.open.get_mut(serial) else { return };
                match (entry.take_in(event, source), merged.is_empty()) {
                    (None, true) => return,
                    (told, no_merger) => told.unwrap_or_default() || !no_merger,
                }
            }
            None => {
                let Some(site) = sites.get(&event.camera) else { return };
                let id = self.free_id(event.at, &event.camera);
                let incident = blank(id, site.khu_pho.clone(), event.rule.into(), event.at);
                let mut entry = OpenIncident::new(incident, event.at, &self.timezone);
                let urgent = entry.take_in(event, source);
                linked.push(self.insert(entry));
                urgent.unwrap_or_default()
            }
        };
        closed.extend(merged);
        let fresh = News { at: event.at, urgent: false, cameras: BTreeSet::new() };
        let piece = news.entry(linked[0]).or_insert(fresh);
        piece.at = event.at;
        piece.urgent |= urgent;
        piece.cameras.insert(event.camera.clone());
    }

    /// Tells the news where the cameras' shares allow it; else it waits.
    fn tell(&mut self, serial: Serial, news: &News) -> Option<Incident> {
        let entry = self.open.get_mut(&serial)?;
        let at = news.at.mono;
        let gathers = entry.incident.kind == Kind::Camera && entry.is_told();
        if gathers && !news.urgent && at.since(entry.told) < CUT_TOLD_EVERY {
            entry.pending = true;
            return None;
        }
        if let Some(per_hour_max) = self.policy.alerts_per_hour_max {
            if news.urgent {
                for camera in &news.cameras {
                    self.budget.spend(per_hour_max, camera, at);
                }
            } else if !self.budget.take(per_hour_max, &news.cameras, at) {
                entry.pending = true;
                entry.incident.held_back = entry.incident.held_back.saturating_add(1);
                self.held_back += 1;
                return None;
            }
        }
        Some(entry.revise(news.at))
    }

    /// Tells what has waited long enough.
    fn tell_pending(&mut self, at: Stamp) -> Vec<Incident> {
        let per_hour_max = self.policy.alerts_per_hour_max;
        let mut revisions = Vec::new();
        for entry in self.open.values_mut().filter(|entry| entry.pending) {
            let gathers = entry.incident.kind == Kind::Camera && entry.is_told();
            if gathers && at.mono.since(entry.told) < CUT_TOLD_EVERY {
                continue;
            }
            let cameras = entry.incident.cameras.iter().map(|seen| &seen.camera);
            if per_hour_max.is_none_or(|most| self.budget.take(most, cameras, at.mono)) {
                revisions.push(entry.revise(at));
            }
        }
        revisions
    }

    fn insert(&mut self, entry: OpenIncident) -> Serial {
        self.opened += 1;
        self.open.insert(self.opened, entry);
        self.opened
    }

    /// Takes in that time has passed: what waited is told, incidents without evidence expire,
    /// those that nobody answers are escalated, sirens end.
    pub fn on_tick(&mut self, at: Stamp) -> Vec<Incident> {
        self.patrols.retain(|(_, _, until)| at.mono < *until);
        self.budget.forget(at.mono);
        let mut revisions = self.tell_pending(at);
        let surplus = self.open.len().saturating_sub(OPEN_MAX);
        let called = self.time_to_call();
        let over: Vec<(Serial, IncidentState)> = self
            .open
            .iter()
            .enumerate()
            .filter_map(|(index, (serial, entry))| {
                let state = if index < surplus {
                    Some(IncidentState::Expired)
                } else {
                    entry.over(called, at)
                };
                Some((*serial, state?))
            })
            .collect();
        for (serial, state) in over {
            revisions.extend(self.close(serial, state, at));
        }
        revisions.extend(self.escalate(at));
        revisions.extend(self.sound(at));
        revisions
    }

    /// Takes in what somebody did about an incident. `Ok(None)`: it was so already, whoever said
    /// so first.
    ///
    /// # Errors
    /// [`AnswerError`] where it isn't known in that khu phố, or can't go that way any more.
    pub fn on_answer(
        &mut self,
        khu_pho: &Id,
        id: &IncidentId,
        answer: Answer,
        at: Stamp,
    ) -> Result<Option<Incident>, AnswerError> {
        let Answer { state, by, note } = answer;
        let Some((serial, entry)) = self.asked(khu_pho, id) else {
            return self.lately.answer(khu_pho, id, Some(state)).map(|()| None);
        };
        let incident = &mut entry.incident;
        let now = incident.state;
        if state == now {
            return Ok(None);
        }
        if state < now {
            let step = incident.on_scene.as_ref().or(incident.acknowledged.as_ref());
            let by = step.map(|step| step.by.clone());
            return Err(AnswerError::WrongOrder { now, by, wanted: state });
        }
        let step = Acknowledgement { at: at.wall, by, note };
        // Who took charge first stays.
        incident.acknowledged.get_or_insert_with(|| step.clone());
        if state.is_closed() {
            incident.closed = Some(step);
            return Ok(self.close(serial, state, at));
        }
        incident.state = state;
        if state == IncidentState::OnScene {
            incident.on_scene_at = Some(at.wall);
            incident.on_scene = Some(step);
        }
        Ok(Some(entry.revise(at)))
    }

    /// The open incident that somebody of `khu_pho` speaks of, by its own id or by that of one
    /// that was merged into it.
    pub(super) fn asked(
        &mut self,
        khu_pho: &Id,
        id: &IncidentId,
    ) -> Option<(Serial, &mut OpenIncident)> {
        let meant = |entry: &OpenIncident| {
            let own = entry.incident.id == *id && entry.incident.khu_pho == *khu_pho;
            let mut formerly = entry.formerly.iter();
            entry.is_told() && (own || formerly.any(|(its, of)| its == id && of == khu_pho))
        };
        let found = self.open.iter_mut().find(|(_, entry)| meant(entry));
        found.map(|(serial, entry)| (*serial, entry))
    }

    /// Takes in what a person saw: joins the newest open incident of that kind in the khu phố, or
    /// opens one. `None`: it was said already.
    pub fn on_report(&mut self, khu_pho: &Id, report: Report, at: Stamp) -> Option<Incident> {
        let Report { kind, witness, exercise, siren } = report;
        let fits = |entry: &&mut OpenIncident| {
            let Incident { khu_pho: its, kind: known, exercise: drill, .. } = &entry.incident;
            its == khu_pho && known.joins(kind) && *drill == exercise && entry.may_gain(at.mono)
        };
        if let Some(entry) = self.open.values_mut().rev().find(fits) {
            let repeats = |old: &Witness| {
                let same = (&old.by, &old.place, &old.note)
                    == (&witness.by, &witness.place, &witness.note);
                let apart_us = witness.at.0.saturating_sub(old.at.0).unsigned_abs();
                same && Duration::from_micros(apart_us) < SAME_REPORT
            };
            // Whoever saw smoke and now sees flames says something new.
            let rises = kind > entry.incident.kind || siren && !entry.siren_asked;
            if !rises && entry.incident.reports.iter().any(repeats) {
                return None;
            }
            entry.incident.kind = entry.incident.kind.max(kind);
            entry.incident.reports.push(witness);
            let surplus = entry.incident.reports.len().saturating_sub(REPORTS_MAX);
            entry.incident.reports.drain(..surplus);
            entry.siren_asked |= siren;
            entry.has_evidence(at.mono);
            return Some(entry.revise(at));
        }
        let id = self.free_id(at, khu_pho);
        let mut incident = blank(id, khu_pho.clone(), kind, at);
        incident.exercise = exercise;
        incident.reports.push(witness);
        let mut entry = OpenIncident::new(incident, at, &self.timezone);
        entry.siren_asked = siren;
        let revision = entry.revise(at);
        self.insert(entry);
        Some(revision)
    }

    /// Takes in that a patrol is there.
    pub fn on_patrol(&mut self, khu_pho: &Id, patrol: Patrol, at: Stamp) {
        let until = at.mono + patrol.lasts;
        let same = |(k, p, _): &(Id, Patrol, Mono)| {
            k == khu_pho && (&p.team, &p.zone) == (&patrol.team, &patrol.zone)
        };
        self.patrols.retain(|known| !same(known));
        let mut of_khu_pho = self.patrols.iter().enumerate().filter(|(_, (k, ..))| k == khu_pho);
        let first = of_khu_pho.next().map(|(index, _)| index);
        if let Some(first) = first.filter(|_| of_khu_pho.count() + 1 >= PATROLS_MAX) {
            self.patrols.remove(first);
        }
        self.patrols.push((khu_pho.clone(), patrol, until));
    }

    fn on_end(&mut self, event: &Event) -> Option<Incident> {
        let source = (event.camera.clone(), event.rule);
        let at = event.at;
        self.settled.remove(&source);
        let going_on = |entry: &OpenIncident| entry.active.contains(&source);
        let (&serial, entry) = self.open.iter_mut().find(|(_, entry)| going_on(entry))?;
        entry.active.remove(&source);
        entry.has_evidence(at.mono);
        entry.incident.dwell = entry.incident.dwell.max(event.evidence.dwell);
        // A camera that is back needs nobody any more; a fire that is out of sight does.
        if entry.incident.kind != Kind::Camera || !entry.active.is_empty() {
            return None;
        }
        if !entry.is_told() {
            entry.settled = true;
            return None;
        }
        if let Some(per_hour_max) = self.policy.alerts_per_hour_max {
            self.budget.spend(per_hour_max, &event.camera, at.mono);
        }
        self.close(serial, IncidentState::Resolved, at)
    }

    /// None: nobody had been told of it.
    pub(super) fn close(
        &mut self,
        serial: Serial,
        state: IncidentState,
        at: Stamp,
    ) -> Option<Incident> {
        let mut entry = self.open.remove(&serial)?;
        self.settled.extend(entry.active.iter().map(|source| (source.clone(), at.mono)));
        entry.active.clear();
        let closed = entry.is_told().then(|| entry.close(state, at))?;
        self.lately.remember(&closed, entry.formerly);
        Some(closed)
    }

    /// Tells whether people closed an incident of what `source` still sees. The rule of a camera
    /// sees one thing at a time: after a while it is asked whether this is still the same.
    fn is_settled(&mut self, source: &EventSource, at: Mono) -> bool {
        let Some(since) = self.settled.get(source) else { return false };
        let settled = Fault::of(source.1).is_some() || at.since(*since) < SETTLED_MAX;
        if !settled {
            self.settled.remove(source);
        }
        settled
    }

    /// Lets events of `rule` on `camera` count again, though people closed an incident of them.
    pub fn forgive(&mut self, camera: &Id, rule: RuleKind) {
        self.settled.remove(&(camera.clone(), rule));
    }

    /// Returns where in `khu_pho` patrols are at `at`: zones' names, none for all of it.
    pub fn patrols(&self, khu_pho: &Id, at: Stamp) -> impl Iterator<Item = Option<&str>> {
        let there = self
            .patrols
            .iter()
            .filter(move |(place, _, until)| place == khu_pho && at.mono < *until);
        there.map(|(_, patrol, _)| patrol.zone.as_deref())
    }

    fn is_patrolled(&self, event: &Event, sites: &Sites) -> bool {
        let Some(site) = sites.get(&event.camera) else { return false };
        event.rule == RuleKind::Loitering
            && self
                .patrols(&site.khu_pho, event.at)
                .any(|zone| zone.is_none() || zone == event.evidence.zone.as_deref())
    }

    /// Two incidents of one origin in one millisecond differ by a suffix.
    fn free_id(&self, at: Stamp, origin: &Id) -> IncidentId {
        let id = IncidentId::new(at.wall, origin);
        let taken = |id: &IncidentId| self.open.values().any(|known| known.incident.id == *id);
        let suffixed = |n: u32| IncidentId(format!("{id}-{n}"));
        if taken(&id) { (2..).map(suffixed).find(|id| !taken(id)).unwrap_or(id) } else { id }
    }
}

/// Revision 0: the first telling makes it 1.
fn blank(id: IncidentId, khu_pho: Id, kind: Kind, at: Stamp) -> Incident {
    Incident {
        id,
        revision: 0,
        khu_pho,
        kind,
        severity: Severity::Info,
        state: IncidentState::Open,
        opened_at: at.wall,
        updated_at: at.wall,
        closed_at: None,
        cameras: Vec::new(),
        reports: Vec::new(),
        dwell: None,
        acknowledged: None,
        on_scene_at: None,
        on_scene: None,
        closed: None,
        escalated_at: None,
        siren: None,
        held_back: 0,
        merged_into: None,
        exercise: false,
    }
}
