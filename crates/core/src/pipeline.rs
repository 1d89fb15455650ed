//! The pure core: what the detector saw, time and people's words in; incidents' revisions out.
//!
//! Reads no clock, no randomness, no file. The same inputs in the same order give the same
//! revisions, so that a recording replays exactly.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::attention::Attention;
use crate::attention::Cause;
use crate::attention::Level;
use crate::attention::change::Change;
use crate::detection::Class;
use crate::detection::Detection;
use crate::incident::Answer;
use crate::incident::AnswerError;
use crate::incident::Incident;
use crate::incident::IncidentId;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::incident::Patrol;
use crate::incident::Policy;
use crate::incident::Register;
use crate::incident::Report;
use crate::incident::Silence;
use crate::incident::Sites;
use crate::picture::statistics;
use crate::picture::statistics::FrameStatistics;
use crate::rule;
use crate::rule::RuleKind;
use crate::rule::Rules;
use crate::rule::health::Fault;
use crate::rule::memory::FalseAlarmMemory;
use crate::time::Mono;
use crate::time::Stamp;
use crate::time::Wall;
use crate::track::Track;
use crate::track::Tracker;
use crate::ward::Id;
use crate::ward::Site;

/// A detection of this share of a rule's least confidence makes the camera worth a closer look.
const CURIOUS_SHARE: f32 = 0.6;

/// Fire and smoke of this confidence are followed whatever the rules ask for.
const FOLLOWED_MIN: f32 = 0.2;
/// Cameras that aren't watched and whose false alarms are known; those of more are forgotten.
const LESSONS_MAX: usize = 1_000;

/// The detector's result for one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameResult {
    /// The camera that the frame is of.
    pub camera: Id,
    /// The time at which its last packet arrived.
    pub at: Stamp,
    /// The detections in it, in any order.
    pub detections: Vec<Detection>,
}

/// A command or a report of a person.
#[derive(Clone, Debug)]
pub enum Command {
    /// A person answered an incident.
    Answer(IncidentId, Answer),
    /// A person switches the siren off.
    Silence(IncidentId, Silence),
    /// A person saw something.
    Report(Report),
    /// A patrol is there.
    Patrol(Patrol),
}

/// One camera as the core knows it.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The place where it hangs.
    pub site: Site,
    /// The rules that apply to it.
    pub rules: rule::Config,
}

#[derive(Clone, Debug)]
struct CameraCore {
    tracker: Tracker,
    rules: Rules,
    attention: Attention,
    change: Change<{ statistics::CELLS }>,
}

/// Everything between detections and incidents, for all cameras of the ward.
#[derive(Clone, Debug)]
pub struct Core {
    timezone: jiff::tz::TimeZone,
    sites: Sites,
    cameras: BTreeMap<Id, CameraCore>,
    register: Register,
    /// The false alarms of cameras that aren't watched just now, for when they are again.
    lessons: BTreeMap<Id, FalseAlarmMemory>,
    /// The newest moment taken in: time never runs backwards in here.
    latest: Stamp,
}

impl Core {
    /// Watches `cameras` from `now` on. `timezone` is the ward's.
    pub fn new(timezone: jiff::tz::TimeZone, cameras: Vec<Watched>, now: Stamp) -> Self {
        let mut core = Self {
            timezone: timezone.clone(),
            sites: Sites::default(),
            cameras: BTreeMap::new(),
            register: Register::default(),
            lessons: BTreeMap::new(),
            latest: now,
        };
        core.configure(timezone, cameras, now);
        core
    }

    /// Watches other cameras, or by other rules, from `now` on. What is known of a camera that
    /// stays is kept.
    pub fn configure(
        &mut self,
        timezone: jiff::tz::TimeZone,
        cameras: Vec<Watched>,
        now: Stamp,
    ) -> Vec<Incident> {
        let now = self.forward(now);
        self.register.set_timezone(timezone.clone());
        self.timezone = timezone;
        let mut before = std::mem::take(&mut self.cameras);
        let sites = Sites::new(cameras.iter().map(|watched| watched.site.clone()));
        for Watched { site, rules } in cameras {
            let kept = before.remove(&site.id).map(|mut camera| {
                camera.rules.reconfigure(rules.clone());
                camera
            });
            let mut camera = kept.unwrap_or_else(|| CameraCore {
                tracker: Tracker::new(),
                rules: Rules::new(site.id.clone(), rules, now),
                attention: Attention::default(),
                change: Change::default(),
            });
            if let Some(lessons) = self.lessons.remove(&site.id) {
                camera.rules.memory_mut().merge(lessons);
            }
            self.cameras.insert(site.id, camera);
        }
        for (id, camera) in &mut before {
            if self.lessons.len() < LESSONS_MAX {
                self.lessons.insert(id.clone(), std::mem::take(camera.rules.memory_mut()));
            }
        }
        // What a camera saw ends with it; else its incident would never expire.
        let gone = before.into_values().flat_map(|mut camera| camera.rules.stop(now));
        let ended: Vec<_> = gone.collect();
        let revisions = self.register.on_events(&ended, &self.sites);
        self.sites = sites;
        revisions
    }

    /// Tells incidents by this policy from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.register.set_policy(policy);
    }

    /// Returns how much news the cap on alerts has held back since this was last asked.
    pub fn take_held_back(&mut self) -> u64 {
        self.register.take_held_back()
    }

    /// Takes back what was open when the daemon stopped; what was closed lately is remembered for
    /// who answers it late.
    pub fn restore(&mut self, incidents: impl IntoIterator<Item = Incident>, now: Stamp) {
        let now = self.forward(now);
        self.register.restore(incidents, now);
    }

    /// Takes back what people declared a false alarm before the daemon stopped. Its cameras may be
    /// watched already, or not yet.
    pub fn recall(&mut self, incident: &Incident, now: Stamp) {
        let now = self.forward(now);
        let closed_at = incident.closed_at.unwrap_or(incident.updated_at);
        let age_us = u64::try_from(now.wall.0.saturating_sub(closed_at.0)).unwrap_or(0);
        self.learn(incident, Duration::from_micros(age_us), now);
    }

    /// Teaches the cameras of `incident` that it was a false alarm: somebody said so `age` before
    /// `now`.
    fn learn(&mut self, incident: &Incident, age: Duration, now: Stamp) {
        let tells = |rule: &RuleKind| rule.learns() && Kind::from(*rule) == incident.kind;
        let Some(rule) = RuleKind::ALL.into_iter().find(tells) else { return };
        if incident.state != IncidentState::FalseAlarm || incident.exercise {
            return;
        }
        for seen in &incident.cameras {
            let Some(bbox) = seen.bbox else { continue };
            match self.cameras.get_mut(&seen.camera) {
                Some(camera) => camera.rules.learn(rule, bbox, age, now),
                None if self.lessons.len() < LESSONS_MAX => {
                    let lessons = self.lessons.entry(seen.camera.clone()).or_default();
                    lessons.learn(rule, bbox, age, now.mono);
                }
                None => {}
            }
        }
    }

    /// Ends the events of an incident that people closed, though they are still seen: a lamp or a
    /// gas flame that is never switched off must not leave its camera mute for a real fire beside
    /// it.
    fn dismiss(&mut self, incident: &Incident, at: Stamp) {
        if !matches!(incident.state, IncidentState::FalseAlarm | IncidentState::Resolved) {
            return;
        }
        let told = |rule: &RuleKind| rule.learns() && Kind::from(*rule).joins(incident.kind);
        for seen in &incident.cameras {
            let Some(camera) = self.cameras.get_mut(&seen.camera) else { continue };
            let Some(bbox) = seen.bbox else { continue };
            for rule in RuleKind::ALL.into_iter().filter(told) {
                camera.rules.dismiss(rule, bbox, at);
                self.register.forgive(&seen.camera, rule);
            }
        }
    }

    /// Takes in one frame. A camera that isn't watched (any more) is ignored.
    pub fn on_frame(&mut self, result: &FrameResult) -> Vec<Incident> {
        let at = self.forward(result.at);
        let Some(camera) = self.cameras.get_mut(&result.camera) else { return Vec::new() };
        if let Some(site) = self.sites.get(&result.camera) {
            let patrols = self.register.patrols(&site.khu_pho, at);
            camera.rules.set_patrols(patrols.map(|zone| zone.map(str::to_owned)));
        }
        let config = camera.rules.config();
        let least = Class::ALL.map(|class| config.confidence_min(class));
        let least = move |class: Class| least[class as usize];
        // What burns is followed from a fixed floor on: its nature shall not depend on thresholds.
        let burning = |d: &Detection| d.class != Class::Person && d.confidence >= FOLLOWED_MIN;
        let confident = |d: &Detection| d.confidence >= least(d.class) || burning(d);
        let tracks: Vec<&Track> =
            camera.tracker.update(&result.detections, confident, at).collect();
        let events = camera.rules.on_frame(&tracks, &self.timezone, at);
        let rules = &camera.rules;
        let at_least = |share: f32| {
            let worth = |d: &Detection| {
                d.confidence >= least(d.class) * share && rules.wants(d.class, &self.timezone, at)
            };
            result.detections.iter().any(worth)
        };
        if at_least(1.0) {
            camera.attention.note(Cause::Sight, at);
        } else if at_least(CURIOUS_SHARE) {
            camera.attention.note(Cause::Candidate, at);
        }
        if events.iter().any(decides) {
            camera.attention.settle(Cause::Suspicion);
        }
        let rules = &camera.rules;
        if rules.has_event() {
            camera.attention.note(Cause::Event, at);
        }
        if rules.suspects() {
            camera.attention.note(Cause::Suspicion, at);
        } else if rules.glimpses(at) {
            camera.attention.note(Cause::Glimpse, at);
        }
        self.alert_neighbours(&events, at);
        self.register.on_events(&events, &self.sites)
    }

    /// Takes in what a camera's picture of `at` looks like as a whole; once a second is enough.
    pub fn on_statistics(
        &mut self,
        camera: &Id,
        look: &FrameStatistics,
        at: Stamp,
    ) -> Vec<Incident> {
        let at = self.forward(at);
        let Some(camera) = self.cameras.get_mut(camera) else { return Vec::new() };
        if camera.change.see(at.mono, look.grey, look.brightness()) {
            camera.attention.note(Cause::Motion, at);
        }
        let events = camera.rules.on_statistics(look, &self.timezone, at);
        self.register.on_events(&events, &self.sites)
    }

    /// Takes in by how many seconds a camera's clock is ahead of ours.
    pub fn on_clock(&mut self, camera: &Id, ahead_s: i64, at: Stamp) -> Vec<Incident> {
        let at = self.forward(at);
        let Some(camera) = self.cameras.get_mut(camera) else { return Vec::new() };
        let events = camera.rules.on_clock(ahead_s, &self.timezone, at);
        self.register.on_events(&events, &self.sites)
    }

    /// Returns what is wrong with a camera just now.
    pub fn fault(&self, camera: &Id) -> Option<Fault> {
        self.cameras.get(camera)?.rules.fault()
    }

    /// Something moves in front of a camera, by its packets' sizes.
    pub fn on_motion(&mut self, camera: &Id, at: Stamp) {
        self.note(camera, Cause::Motion, at);
    }

    /// Notes that somebody looks at a camera on the page; to be called again while they do.
    pub fn look(&mut self, camera: &Id, at: Stamp) {
        self.note(camera, Cause::Look, at);
    }

    fn note(&mut self, camera: &Id, cause: Cause, at: Stamp) {
        if let Some(camera) = self.cameras.get_mut(camera) {
            camera.attention.note(cause, at);
        }
    }

    /// Makes cameras that may see the same thing look more closely when one of them sees it.
    fn alert_neighbours(&mut self, events: &[rule::Event], at: Stamp) {
        let spreads = |event: &&rule::Event| {
            event.phase != rule::Phase::Ended && Fault::of(event.rule).is_none()
        };
        let Some(event) = events.iter().find(spreads) else { return };
        for (id, camera) in &mut self.cameras {
            if *id != event.camera && self.sites.may_share(&event.camera, id) {
                camera.attention.note(Cause::Neighbour, at);
            }
        }
    }

    /// Takes in that time has passed; to be called about once a second.
    pub fn on_tick(&mut self, at: Stamp) -> Vec<Incident> {
        let at = self.forward(at);
        let events = self.cameras.values_mut().flat_map(|camera| camera.rules.on_tick(at));
        let events: Vec<_> = events.collect();
        let mut revisions = self.register.on_events(&events, &self.sites);
        revisions.extend(self.register.on_tick(at));
        revisions
    }

    /// Takes in what somebody of `khu_pho` said. `Ok(None)`: nothing changes by it.
    ///
    /// # Errors
    /// [`AnswerError`] says why it can't be.
    pub fn on_command(
        &mut self,
        khu_pho: &Id,
        command: Command,
        at: Stamp,
    ) -> Result<Option<Incident>, AnswerError> {
        let at = self.forward(at);
        match command {
            Command::Answer(id, answer) => {
                let closed = self.register.on_answer(khu_pho, &id, answer, at)?;
                if let Some(incident) = &closed {
                    self.learn(incident, Duration::ZERO, at);
                    self.dismiss(incident, at);
                }
                Ok(closed)
            }
            Command::Silence(id, silence) => self.register.on_silence(khu_pho, &id, silence, at),
            Command::Report(report) => Ok(self.register.on_report(khu_pho, report, at)),
            Command::Patrol(patrol) => {
                self.register.on_patrol(khu_pho, patrol, at);
                Ok(None)
            }
        }
    }

    /// Returns how closely a camera is to be watched at `at`.
    pub fn level(&self, camera: &Id, at: Stamp) -> Level {
        self.cameras.get(camera).map_or(Level::Idle, |camera| camera.attention.level(at))
    }

    /// All open incidents, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.register.open()
    }

    /// Monotonic time never runs backwards in here, whatever order cameras' frames come in; wall
    /// time may, since people set clocks, and is then told as it is.
    fn forward(&mut self, at: Stamp) -> Stamp {
        let mono = Mono(at.mono.0.max(self.latest.mono.0));
        let late_us = mono.0 - at.mono.0;
        let wall = Wall(at.wall.0.saturating_add(i64::try_from(late_us).unwrap_or(i64::MAX)));
        self.latest = Stamp { mono, wall };
        self.latest
    }
}

/// Tells whether the event tells of what its camera was suspected of.
fn decides(event: &rule::Event) -> bool {
    event.phase == rule::Phase::Started && event.rule.gathers()
}
