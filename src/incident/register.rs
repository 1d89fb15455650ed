//! All open incidents, and how events, answers and time change them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::incident::answer::REPORTS_MAX;
use crate::incident::{
    Acknowledgement, Answer, AnswerError, Incident, IncidentId, Kind, Patrol, Report, Severity,
    Sighting, Sites, State, Witness,
};
use crate::rule::{Event, Phase, RuleKind};
use crate::time::Mono;
use crate::time::Stamp;
use crate::ward::Id;

/// Another camera's event joins an incident whose evidence is no older.
const JOIN_WITHIN: Duration = Duration::from_secs(120);
/// Cameras that fail within as long of each other failed together.
const CUT_WITHIN: Duration = Duration::from_secs(60);
/// Without evidence for as long, an incident that nobody took charge of expires.
const EXPIRE_OPEN: Duration = Duration::from_secs(300);
/// Whoever took charge has longer to say how it ended.
const EXPIRE_TAKEN: Duration = Duration::from_secs(3_600);
/// The same report again within as long is a redelivery.
const SAME_REPORT: Duration = Duration::from_secs(600);
/// More incidents open at once are an attack or a broken model; the oldest of them expires.
const OPEN_MAX: usize = 10_000;

/// Counts incidents in the order in which they were opened: their ids carry the wall's time, which
/// may jump.
type Serial = u64;

/// One rule's event on one camera.
type Source = (Id, RuleKind);

#[derive(Clone, Debug)]
struct Entry {
    incident: Incident,
    /// Events that go on just now.
    active: BTreeSet<Source>,
    last_evidence: Mono,
    opened: Mono,
}

/// All open incidents.
#[derive(Clone, Debug, Default)]
pub struct Register {
    open: BTreeMap<Serial, Entry>,
    opened: Serial,
    /// Events whose incident people closed while they went on: mute until they end.
    settled: BTreeSet<Source>,
    patrols: Vec<(Id, Patrol, Mono)>,
}

impl Register {
    /// Takes back what was open when the daemon stopped. Evidence counts as of `now`.
    pub fn restore(&mut self, incidents: impl IntoIterator<Item = Incident>, now: Stamp) {
        let mut open: Vec<_> = incidents.into_iter().filter(|i| !i.state.is_closed()).collect();
        open.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
        for incident in open {
            self.insert(incident, BTreeSet::new(), now.mono);
        }
    }

    /// All open incidents, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values().map(|entry| &entry.incident)
    }

    /// Whether an event of `camera` belongs to an open incident just now.
    pub fn involves(&self, camera: &Id) -> bool {
        self.open.values().any(|entry| entry.active.iter().any(|(id, _)| id == camera))
    }

    /// Takes in what happened at one moment; answers with one revision for each incident that
    /// people should know more of: a power cut of a whole street is told once.
    pub fn on_events(&mut self, events: &[Event], sites: &Sites) -> Vec<Incident> {
        let mut news: BTreeMap<Serial, Stamp> = BTreeMap::new();
        let mut closed = Vec::new();
        for event in events {
            if event.phase == Phase::Ended {
                closed.extend(self.on_end(event));
            } else if let Some(serial) = self.take_in(event, sites) {
                news.insert(serial, event.at);
            }
        }
        let told = |(serial, at): (Serial, Stamp)| Some(self.open.get_mut(&serial)?.revise(at));
        let mut revisions: Vec<Incident> = news.into_iter().filter_map(told).collect();
        revisions.append(&mut closed);
        revisions
    }

    /// The incident that the event belongs to, where it makes news of it.
    fn take_in(&mut self, event: &Event, sites: &Sites) -> Option<Serial> {
        let source = (event.camera.clone(), event.rule);
        if self.settled.contains(&source) || self.is_patrolled(event, sites) {
            return None;
        }
        if let Some(serial) = self.find(event, sites) {
            let is_news = self.open.get_mut(&serial)?.take_in(event, source);
            return is_news.then_some(serial);
        }
        let khu_pho = sites.get(&event.camera)?.khu_pho.clone();
        let id = self.free_id(event.at, &event.camera);
        let mut incident = blank(id, khu_pho, event.rule.into(), event.at);
        incident.cameras.push(sighting(event));
        incident.dwell = event.evidence.dwell;
        Some(self.insert(incident, BTreeSet::from([source]), event.at.mono))
    }

    fn insert(&mut self, incident: Incident, active: BTreeSet<Source>, at: Mono) -> Serial {
        self.opened += 1;
        self.open.insert(self.opened, Entry { incident, active, last_evidence: at, opened: at });
        self.opened
    }

    /// Takes in that time has passed: incidents without evidence expire.
    pub fn on_tick(&mut self, at: Stamp) -> Vec<Incident> {
        self.patrols.retain(|(_, _, until)| at.mono < *until);
        let surplus = self.open.len().saturating_sub(OPEN_MAX);
        let stale = |entry: &Entry| {
            let patience = match entry.incident.state {
                State::Open => EXPIRE_OPEN,
                _ => EXPIRE_TAKEN,
            };
            entry.active.is_empty() && at.mono.since(entry.last_evidence) >= patience
        };
        let over: Vec<Serial> = self
            .open
            .iter()
            .enumerate()
            .filter(|(index, (_, entry))| *index < surplus || stale(entry))
            .map(|(_, (serial, _))| *serial)
            .collect();
        over.into_iter().filter_map(|serial| self.close(serial, State::Expired, at)).collect()
    }

    /// Takes in what somebody did about an incident. `Ok(None)`: it was so already.
    ///
    /// # Errors
    /// [`AnswerError`] where it isn't open in that khu phố, or can't go that way.
    pub fn on_answer(
        &mut self,
        khu_pho: &Id,
        id: &IncidentId,
        answer: Answer,
        at: Stamp,
    ) -> Result<Option<Incident>, AnswerError> {
        let unknown = || AnswerError::UnknownIncident(id.as_str().to_owned());
        let asked = |entry: &Entry| entry.incident.id == *id && entry.incident.khu_pho == *khu_pho;
        let found = self.open.iter_mut().find(|(_, entry)| asked(entry));
        let (&serial, entry) = found.ok_or_else(unknown)?;
        let now = entry.incident.state;
        if answer.state == now {
            return Ok(None);
        }
        if answer.state < now {
            return Err(AnswerError::WrongOrder { now, wanted: answer.state });
        }
        let Answer { state, by, note } = answer;
        // Who took charge first stays; the log keeps the rest.
        let taken = Acknowledgement { at: at.wall, by, note };
        entry.incident.acknowledged.get_or_insert(taken);
        if state.is_closed() {
            return Ok(self.close(serial, state, at));
        }
        entry.incident.state = state;
        Ok(Some(entry.revise(at)))
    }

    /// Takes in what a person saw: joins the newest open incident of that kind in the khu phố, or
    /// opens one. `None`: it was said already.
    pub fn on_report(&mut self, khu_pho: &Id, report: Report, at: Stamp) -> Option<Incident> {
        let Report { kind, witness } = report;
        let fits = |entry: &&mut Entry| {
            entry.incident.khu_pho == *khu_pho && entry.incident.kind.joins(kind)
        };
        if let Some(entry) = self.open.values_mut().rev().find(fits) {
            let repeats = |old: &Witness| {
                let same = (&old.by, &old.place, &old.note)
                    == (&witness.by, &witness.place, &witness.note);
                let apart_us = witness.at.0.saturating_sub(old.at.0).unsigned_abs();
                same && Duration::from_micros(apart_us) < SAME_REPORT
            };
            if entry.incident.reports.iter().any(repeats) {
                return None;
            }
            entry.incident.kind = entry.incident.kind.max(kind);
            entry.incident.reports.push(witness);
            let surplus = entry.incident.reports.len().saturating_sub(REPORTS_MAX);
            entry.incident.reports.drain(..surplus);
            entry.last_evidence = at.mono;
            return Some(entry.revise(at));
        }
        let id = self.free_id(at, khu_pho);
        let mut incident = blank(id, khu_pho.clone(), kind, at);
        incident.reports.push(witness);
        let serial = self.insert(incident, BTreeSet::new(), at.mono);
        self.open.get_mut(&serial).map(|entry| entry.revise(at))
    }

    /// Takes in that a patrol is there.
    pub fn on_patrol(&mut self, khu_pho: &Id, patrol: Patrol, at: Stamp) {
        let until = at.mono + patrol.lasts;
        let same = |(k, p, _): &(Id, Patrol, Mono)| {
            k == khu_pho && (&p.team, &p.zone) == (&patrol.team, &patrol.zone)
        };
        self.patrols.retain(|known| !same(known));
        self.patrols.push((khu_pho.clone(), patrol, until));
    }

    /// The oldest open incident that the event belongs to.
    fn find(&self, event: &Event, sites: &Sites) -> Option<Serial> {
        let kind = Kind::from(event.rule);
        let belongs = |entry: &Entry| {
            if !entry.incident.kind.joins(kind) {
                return false;
            }
            let own = entry.incident.cameras.iter().any(|seen| seen.camera == event.camera);
            if kind == Kind::Camera {
                let together = event.at.mono.since(entry.opened) <= CUT_WITHIN;
                let share = |seen: &Sighting| sites.same_khu_pho(&seen.camera, &event.camera);
                return own || together && entry.incident.cameras.iter().any(share);
            }
            let fresh =
                !entry.active.is_empty() || event.at.mono.since(entry.last_evidence) <= JOIN_WITHIN;
            let reported = entry.incident.cameras.is_empty()
                && sites.get(&event.camera).is_some_and(|s| s.khu_pho == entry.incident.khu_pho);
            let near = |seen: &Sighting| sites.may_share(&seen.camera, &event.camera);
            own || fresh && (reported || entry.incident.cameras.iter().any(near))
        };
        self.open.iter().find(|(_, entry)| belongs(entry)).map(|(serial, _)| *serial)
    }

    fn on_end(&mut self, event: &Event) -> Option<Incident> {
        let source = (event.camera.clone(), event.rule);
        let at = event.at;
        self.settled.remove(&source);
        let going_on = |entry: &Entry| entry.active.contains(&source);
        let (&serial, entry) = self.open.iter_mut().find(|(_, entry)| going_on(entry))?;
        entry.active.remove(&source);
        entry.last_evidence = at.mono;
        entry.incident.dwell = entry.incident.dwell.max(event.evidence.dwell);
        // A camera that is back needs nobody any more; a fire that is out of sight does.
        let settled = entry.incident.kind == Kind::Camera && entry.active.is_empty();
        settled.then(|| self.close(serial, State::Resolved, at)).flatten()
    }

    fn close(&mut self, serial: Serial, state: State, at: Stamp) -> Option<Incident> {
        let mut entry = self.open.remove(&serial)?;
        self.settled.append(&mut entry.active);
        entry.incident.state = state;
        entry.incident.closed_at = Some(at.wall);
        Some(entry.revise(at))
    }

    /// Where in `khu_pho` patrols are at `at`: zones' names, none for all of it.
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
        let taken = |id: &IncidentId| self.open().any(|known| known.id == *id);
        let suffixed = |n: u32| IncidentId(format!("{id}-{n}"));
        if taken(&id) { (2..).map(suffixed).find(|id| !taken(id)).unwrap_or(id) } else { id }
    }
}

impl Entry {
    /// Takes in an event that started or goes on. Whether people should know: of a new camera, a
    /// rise in kind or severity, or what the rule found worth telling.
    fn take_in(&mut self, event: &Event, source: Source) -> bool {
        let kind = self.incident.kind.max(event.rule.into());
        let risen = kind > self.incident.kind;
        let begun = self.active.insert(source);
        self.last_evidence = event.at.mono;
        self.incident.kind = kind;
        self.incident.dwell = self.incident.dwell.max(event.evidence.dwell);
        let seen = sighting(event);
        let known = self.incident.cameras.iter_mut().find(|s| s.camera == seen.camera);
        let joined = known.is_none();
        match known {
            None => self.incident.cameras.push(seen),
            // The first sight's time stays; smoke does not hide flames already shown.
            Some(old) if kind == event.rule.into() => *old = Sighting { since: old.since, ..seen },
            Some(_) => {}
        }
        let told = event.phase == Phase::Ongoing;
        risen || joined || told || begun && self.incident.state == State::Open
    }

    fn revise(&mut self, at: Stamp) -> Incident {
        let incident = &mut self.incident;
        incident.revision += 1;
        incident.updated_at = at.wall;
        incident.severity = Severity::of(incident.kind, incident.cameras.len());
        incident.clone()
    }
}

/// Revision 0: the first telling makes it 1.
fn blank(id: IncidentId, khu_pho: Id, kind: Kind, at: Stamp) -> Incident {
    Incident {
        id,
        revision: 0,
        khu_pho,
        kind,
        severity: Severity::of(kind, 1),
        state: State::Open,
        opened_at: at.wall,
        updated_at: at.wall,
        closed_at: None,
        cameras: Vec::new(),
        reports: Vec::new(),
        dwell: None,
        acknowledged: None,
        exercise: false,
    }
}

fn sighting(event: &Event) -> Sighting {
    Sighting {
        camera: event.camera.clone(),
        confidence: event.evidence.bbox.map(|_| event.evidence.confidence),
        zone: event.evidence.zone.clone(),
        bbox: event.evidence.bbox,
        since: event.since.wall,
    }
}
