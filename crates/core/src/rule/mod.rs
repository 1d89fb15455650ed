//! Tracks in, events out: what turns something seen into something that matters.
//!
//! Belongs here: zones, schedules, and the rules, a folder each, which keep to one contract
//! (`contract`) and stand in one list, below. Pure: time comes in with the input, and every
//! threshold is in real seconds, because cameras lie about their rate.
//! Does not belong here: other cameras (they are `incident`'s).

pub mod burning;
mod contract;
mod event;
mod found;
pub mod health;
pub mod key;
mod kind;
mod list;
pub mod loitering;
pub(crate) mod memory;
pub mod schedule;
pub mod zone;

use std::time::Duration;

use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::picture::statistics::FrameStatistics;
use crate::time::Stamp;
use crate::track::Track;
use crate::ward::Id;

pub use burning::BurningConfig;
pub use event::Event;
pub use event::Evidence;
pub use event::Phase;
pub use health::HealthConfig;
pub use kind::RuleKind;
pub use kind::Tuning;
pub use loitering::LoiteringConfig;
pub use schedule::Hours;
pub use schedule::Night;
pub use zone::Zone;

use burning::Burning;
use contract::Observation;
use contract::Rule;
use contract::RuleConfig;
use contract::RuleContext;
use event::UnattributedEvent;
use health::Health;
use key::RuleKey;
use list::rules;
use loitering::Loitering;
use memory::FalseAlarmMemory;

// A new rule: its folder, its kinds in `kind.rs`, and its entry here. docs/rules.md has the steps.
rules! {
    /// Fire.
    fire {
        titled: "fire",
        tells: [Fire],
        sees: Some(Class::Fire),
        config: BurningConfig = BurningConfig::default(),
        state: Burning = |_| Burning::new(Class::Fire),
    }
    /// Smoke.
    smoke {
        titled: "smoke",
        tells: [Smoke],
        sees: Some(Class::Smoke),
        config: BurningConfig = BurningConfig::smoke(),
        state: Burning = |_| Burning::new(Class::Smoke),
    }
    /// Loitering.
    loitering {
        titled: "loitering",
        tells: [Loitering],
        sees: Some(Class::Person),
        config: LoiteringConfig = LoiteringConfig::default(),
        state: Loitering = |_| Loitering::default(),
    }
    /// Offline, frozen, blinded, a wrong clock.
    camera {
        titled: "health",
        tells: [Offline, Frozen, Blinded, Clock],
        sees: None::<Class>,
        config: HealthConfig = HealthConfig::default(),
        state: Health = Health::new,
    }
}

impl Config {
    /// The keys of one rule's section; none where there is no such section.
    pub fn section(&mut self, section: &str) -> Vec<RuleKey<'_>> {
        let found = self.sections().into_iter().find(|(name, _)| *name == section);
        found.map(|(_, keys)| keys).unwrap_or_default()
    }
}

/// All rules of one camera.
#[derive(Clone, Debug)]
pub struct Rules {
    camera: Id,
    config: Config,
    states: States,
    memory: FalseAlarmMemory,
    /// Zones in which a patrol is; none: it is everywhere.
    patrols: Vec<Option<String>>,
}

impl Rules {
    /// Rules that have seen nothing yet. `now` is when the watch over the camera begins.
    pub fn new(camera: Id, config: Config, now: Stamp) -> Self {
        Self {
            camera,
            config,
            states: States::new(now),
            memory: FalseAlarmMemory::default(),
            patrols: Vec::new(),
        }
    }

    /// Takes in that people declared what `rule` saw in `bbox` a false alarm, `age` before `at`:
    /// fire and smoke learn by it.
    pub fn learn(&mut self, rule: RuleKind, bbox: BoundingBox, age: Duration, at: Stamp) {
        self.memory.learn(rule, bbox, age, at.mono);
    }

    /// Returns what people's false alarms have taught, for when the camera is watched again.
    pub(crate) fn memory_mut(&mut self) -> &mut FalseAlarmMemory {
        &mut self.memory
    }

    /// Returns what they go by.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Goes by another config from now on; what was seen stays seen.
    pub fn reconfigure(&mut self, config: Config) {
        self.config = config;
    }

    /// Tells whether a rule would make anything of `class` at `at`: people by day are nobody's
    /// business.
    pub fn wants(&self, class: Class, zone: &jiff::tz::TimeZone, at: Stamp) -> bool {
        self.config.wants(class, zone, at)
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
        self.observe(Observation::Frame(tracks), zone, at)
    }

    /// Takes in what a picture taken at `at` looks like as a whole.
    pub fn on_statistics(
        &mut self,
        look: &FrameStatistics,
        zone: &jiff::tz::TimeZone,
        at: Stamp,
    ) -> Vec<Event> {
        self.observe(Observation::Statistics(look), zone, at)
    }

    /// Takes in that the camera's clock is ahead of ours by so many seconds, or behind.
    pub fn on_clock(&mut self, ahead_s: i64, zone: &jiff::tz::TimeZone, at: Stamp) -> Vec<Event> {
        self.observe(Observation::Clock(ahead_s), zone, at)
    }

    fn observe(
        &mut self,
        observation: Observation<'_>,
        timezone: &jiff::tz::TimeZone,
        at: Stamp,
    ) -> Vec<Event> {
        let Config { zones, .. } = &self.config;
        let (patrols, memory) = (&self.patrols, &self.memory);
        let context = RuleContext { at, timezone, zones, patrols, memory };
        let drafts = self.states.observe(&self.config, observation, &context);
        self.name(drafts)
    }

    /// The worst that is wrong with the camera just now.
    pub fn fault(&self) -> Option<health::Fault> {
        self.states.camera.fault()
    }

    /// Takes in that time has passed: silence is an input too.
    pub fn on_tick(&mut self, at: Stamp) -> Vec<Event> {
        let drafts = self.states.tick(&self.config, at);
        self.name(drafts)
    }

    /// Ends what goes on: the camera is not watched any more.
    pub fn stop(&mut self, at: Stamp) -> Vec<Event> {
        let drafts = self.states.stop(at);
        self.name(drafts)
    }

    /// Takes in that what `rule` has found in `bbox` was none, people say.
    pub fn dismiss(&mut self, rule: RuleKind, bbox: BoundingBox, at: Stamp) {
        self.states.dismiss(rule, bbox, at);
    }

    /// Tells whether something is found in the street that goes on.
    pub fn has_event(&self) -> bool {
        self.states.has_event()
    }

    /// Tells whether evidence has gathered of which the next looks decide. What joins a fire that
    /// has been told decides little.
    pub fn suspects(&self) -> bool {
        !self.states.fire.has_event() && self.states.suspects()
    }

    /// Tells whether the frame of `at` has shown something that was not told yet and may be
    /// nothing, such as fire or smoke.
    pub fn glimpses(&self, at: Stamp) -> bool {
        !self.states.fire.has_event() && self.states.glimpses(at)
    }

    fn name(&self, drafts: Vec<UnattributedEvent>) -> Vec<Event> {
        drafts.into_iter().map(|draft| draft.on(&self.camera)).collect()
    }
}
