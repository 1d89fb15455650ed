//! Tracks in, events out: what turns something seen into something that matters.
//!
//! Belongs here: zones, schedules, fire, smoke, loitering, camera health. Pure: time comes in
//! with the input, and every threshold is in real seconds, because cameras lie about their rate.
//! Does not belong here: other cameras (they are `incident`'s).

pub mod burning;
mod found;
pub mod health;
mod known;
pub mod loitering;
pub mod schedule;
mod stay;
pub mod zone;

use std::time::Duration;

use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::geometry::Polygon;
use crate::picture::look::Look;
use crate::rule::burning::memory::Memory;
use crate::time::Stamp;
use crate::track::Track;
use crate::ward::Id;

pub use schedule::Hours;

/// The rules of one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Fire.
    pub fire: BurningConfig,
    /// Smoke.
    pub smoke: BurningConfig,
    /// Loitering.
    pub loitering: LoiteringConfig,
    /// Offline, frozen, blinded.
    pub camera: HealthConfig,
    /// Named parts of the view; a rule that no zone names looks at the whole view.
    pub zones: Vec<Zone>,
}

/// Fire or smoke: `[rule.fire]`, `[rule.smoke]`.
#[derive(Clone, Debug, PartialEq)]
pub struct BurningConfig {
    /// Off: the class is not looked for.
    pub enabled: bool,
    /// Detections below are ignored, 0..1.
    pub confidence_min: f32,
    /// Evidence must last as long before an event starts.
    pub confirm: Duration,
    /// An event ends after as long without evidence.
    pub quiet: Duration,
    /// Half-life of what people's false alarms teach; zero: nothing is learnt.
    pub forget: Duration,
}

/// Loitering: `[rule.loitering]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoiteringConfig {
    /// Off: people are not looked for.
    pub enabled: bool,
    /// Detections below are ignored, 0..1.
    pub confidence_min: f32,
    /// A person who stays as long in the zone loiters.
    pub dwell: Duration,
    /// When the rule holds.
    pub night: Night,
    /// An event ends after as long without the person.
    pub quiet: Duration,
    /// Visits of one person that ended no longer ago count together. Zero: each counts alone.
    pub return_window: Duration,
    /// So many people in one zone who have each stayed [`group_dwell`](Self::group_dwell) loiter
    /// as a group. At least 2.
    pub group_size: usize,
    /// What a group's members must each have stayed; never more than [`dwell`](Self::dwell) is
    /// asked for.
    pub group_dwell: Duration,
}

/// When it is night: `"22:00-05:00"` in the ward's time zone, or `"sun"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Night {
    /// From the first to before the second, over midnight where the first is later. Equal: always.
    Hours {
        /// First minute of the night.
        from: jiff::civil::Time,
        /// First minute of the day.
        until: jiff::civil::Time,
    },
    /// From sunset to sunrise at this place.
    Sun(crate::ward::Coordinates),
}

/// Camera health: `[rule.camera]`.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthConfig {
    /// Off: a camera's failure shows on its status only.
    pub enabled: bool,
    /// No frame for as long: offline.
    pub offline: Duration,
    /// The same picture for as long: frozen.
    pub frozen: Duration,
    /// Nothing of the usual view for as long: blinded.
    pub blinded: Duration,
    /// A clock that is wrong by as much is reported; zero: none is.
    pub clock: Duration,
}

impl Config {
    /// Detections below are of no use to any rule.
    pub fn confidence_min(&self, class: Class) -> f32 {
        match class {
            Class::Fire => self.fire.confidence_min,
            Class::Smoke => self.smoke.confidence_min,
            Class::Person => self.loitering.confidence_min,
        }
    }
}

/// What a zone or an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleKind {
    /// Flames.
    Fire,
    /// Smoke.
    Smoke,
    /// A person who hangs about at night.
    Loitering,
    /// The camera does not answer, or answers without a picture.
    Offline,
    /// It sends the same picture again and again.
    Frozen,
    /// Its pictures don't show its street: covered, turned away, out of focus, dazzled.
    Blinded,
    /// Its clock is wrong.
    Clock,
}

/// A named polygon of a camera's view.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// For people, such as "cổng trường".
    pub name: String,
    /// The rules that look here and, for this camera, only in zones that name them.
    pub rules: Vec<RuleKind>,
    /// Where.
    pub polygon: Polygon,
    /// Hours of the ward's time in which loitering is not looked for here.
    pub residents: Vec<Hours>,
}

/// Where an event is in its life.
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
    /// Whose view.
    pub camera: Id,
    /// Which rule.
    pub rule: RuleKind,
    /// Where it is in its life.
    pub phase: Phase,
    /// When this was found.
    pub at: Stamp,
    /// When the thing itself began, as far as was seen.
    pub since: Stamp,
    /// What was seen.
    pub evidence: Evidence,
}

/// What an event rests upon.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Evidence {
    /// Of the best detection just now, 0..1; 0 where no detection is involved.
    pub confidence: f32,
    /// Where in the view.
    pub bbox: Option<BoundingBox>,
    /// The zone's name.
    pub zone: Option<String>,
    /// How long a person has been there.
    pub dwell: Option<Duration>,
}

/// All rules of one camera.
#[derive(Clone, Debug)]
pub struct Rules {
    camera: Id,
    config: Config,
    fire: burning::Burning,
    smoke: burning::Burning,
    loitering: loitering::Loitering,
    health: health::Health,
    memory: Memory,
    /// Zones in which a patrol is; none: it is everywhere.
    patrols: Vec<Option<String>>,
}

impl Rules {
    /// Rules that have seen nothing yet. `now` is when the watch over the camera begins.
    pub fn new(camera: Id, config: Config, now: Stamp) -> Self {
        Self {
            camera,
            fire: burning::Burning::new(Class::Fire),
            smoke: burning::Burning::new(Class::Smoke),
            loitering: loitering::Loitering::default(),
            health: health::Health::new(now),
            memory: Memory::default(),
            patrols: Vec::new(),
            config,
        }
    }

    /// Takes in that people declared what `rule` saw in `bbox` a false alarm, `age` before `at`:
    /// fire and smoke learn by it.
    pub fn learn(&mut self, rule: RuleKind, bbox: BoundingBox, age: Duration, at: Stamp) {
        self.memory.learn(rule, bbox, age, at.mono);
    }

    /// What people's false alarms have taught, for when the camera is watched again.
    pub(crate) fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// What they go by.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Goes by another config from now on; what was seen stays seen.
    pub fn reconfigure(&mut self, config: Config) {
        self.config = config;
    }

    /// Whether a rule would make anything of `class` just now: people by day are nobody's business.
    pub fn wants(&self, class: Class, zone: &jiff::tz::TimeZone, at: Stamp) -> bool {
        match class {
            Class::Fire => self.config.fire.enabled,
            Class::Smoke => self.config.smoke.enabled,
            Class::Person => {
                let loitering = &self.config.loitering;
                loitering.enabled && loitering.night.holds(at.wall, zone)
            }
        }
    }

    /// Takes in where patrols are from now on: the zones' names, or none for all of the view.
    pub fn set_patrols(&mut self, zones: impl IntoIterator<Item = Option<String>>) {
        self.patrols.clear();
        self.patrols.extend(zones);
    }

    /// Takes in the tracks as they stand after a frame taken at `at`.
    pub fn on_frame(
        &mut self,
        tracks: &[&Track],
        zone: &jiff::tz::TimeZone,
        at: Stamp,
    ) -> Vec<Event> {
        let zones = &self.config.zones;
        let mut events = Vec::new();
        let memory = &self.memory;
        let terms = |config| burning::Terms { config, zones, memory };
        self.fire.on_frame(terms(&self.config.fire), tracks, at, &mut events);
        self.smoke.on_frame(terms(&self.config.smoke), tracks, at, &mut events);
        let ground = loitering::Ground {
            zones,
            night: self.config.loitering.night.holds(at.wall, zone),
            time: at.wall.to_jiff().to_zoned(zone.clone()).time(),
            patrols: &self.patrols,
        };
        self.loitering.on_frame(&self.config.loitering, &ground, tracks, at, &mut events);
        self.health.on_frame(at, &mut events);
        self.name(events)
    }

    /// Takes in what a picture taken at `at` looks like as a whole.
    pub fn on_look(&mut self, look: &Look, zone: &jiff::tz::TimeZone, at: Stamp) -> Vec<Event> {
        let mut events = Vec::new();
        let daylight = schedule::is_daylight(at.wall, zone);
        self.health.on_look(&self.config.camera, look, daylight, at, &mut events);
        self.name(events)
    }

    /// Takes in that the camera's clock is ahead of ours by so many seconds, or behind.
    pub fn on_clock(&mut self, ahead_s: i64, at: Stamp) -> Vec<Event> {
        let mut events = Vec::new();
        self.health.on_clock(&self.config.camera, ahead_s, at, &mut events);
        self.name(events)
    }

    /// What is wrong with the camera just now.
    pub fn fault(&self) -> Option<health::Fault> {
        self.health.fault()
    }

    /// Takes in that time has passed: silence is an input too.
    pub fn on_tick(&mut self, at: Stamp) -> Vec<Event> {
        let mut events = Vec::new();
        self.fire.on_tick(&self.config.fire, at, &mut events);
        self.smoke.on_tick(&self.config.smoke, at, &mut events);
        self.loitering.on_tick(&self.config.loitering, at, &mut events);
        self.health.on_tick(&self.config.camera, at, &mut events);
        self.name(events)
    }

    /// The camera is not watched any more: what goes on ends.
    pub fn stop(&mut self, at: Stamp) -> Vec<Event> {
        let mut events = Vec::new();
        self.fire.end(at, &mut events);
        self.smoke.end(at, &mut events);
        self.loitering.end(at, &mut events);
        self.health.end(at, &mut events);
        self.name(events)
    }

    /// What `rule` has found in `bbox` was none, people say.
    pub fn dismiss(&mut self, rule: RuleKind, bbox: BoundingBox, at: Stamp) {
        match rule {
            RuleKind::Fire => self.fire.dismiss(bbox, at),
            RuleKind::Smoke => self.smoke.dismiss(bbox, at),
            _ => {}
        }
    }

    /// Whether something is found that goes on.
    pub fn has_event(&self) -> bool {
        self.fire.has_event() || self.smoke.has_event() || self.loitering.has_event()
    }

    /// Whether evidence has gathered of which the next looks decide. Smoke that joins a fire that
    /// has been told decides little.
    pub fn suspects(&self) -> bool {
        !self.fire.has_event() && (self.fire.suspects() || self.smoke.suspects())
    }

    /// Whether the frame of `at` has shown fire or smoke that was not told yet and may be nothing.
    pub fn glimpses(&self, at: Stamp) -> bool {
        !self.fire.has_event() && (self.fire.glimpses(at) || self.smoke.glimpses(at))
    }

    fn name(&self, drafts: Vec<Draft>) -> Vec<Event> {
        let named = |draft: Draft| Event {
            camera: self.camera.clone(),
            rule: draft.rule,
            phase: draft.phase,
            at: draft.at,
            since: draft.since,
            evidence: draft.evidence,
        };
        drafts.into_iter().map(named).collect()
    }
}

/// An event before it is known whose it is: a rule does not know its camera.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    rule: RuleKind,
    phase: Phase,
    at: Stamp,
    since: Stamp,
    evidence: Evidence,
}
