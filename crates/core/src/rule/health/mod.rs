//! Tells whether a camera gives pictures at all, new ones, and of its street.

mod config;
mod still;
mod view;

use std::time::Duration;

use crate::picture::statistics::FrameStatistics;
use crate::rule::contract::Observation;
use crate::rule::contract::Rule;
use crate::rule::contract::RuleContext;
use crate::rule::event::{Evidence, Phase, UnattributedEvent};
use crate::rule::kind::RuleKind;
use crate::rule::schedule;
use crate::time::Stamp;

pub use crate::rule::kind::Fault;
pub use config::HealthConfig;

use still::Stillness;
use view::{View, ViewVerdict};

/// A camera sees again after as long of good pictures.
const SEES_AGAIN: Duration = Duration::from_secs(10);

/// Watches over the frames of one camera.
#[derive(Clone, Debug)]
pub struct Health {
    last_frame: Stamp,
    offline: bool,
    still: Stillness,
    view: View,
    frozen: Option<Stamp>,
    blinded: Blinded,
    clock_wrong: Option<Stamp>,
    /// Tells whether events are told of it. What is wrong is known either way.
    told: bool,
}

/// Tells whether and since when the camera does not see.
#[derive(Clone, Copy, Debug, Default)]
struct Blinded {
    since: Option<Stamp>,
    told: bool,
    sees_since: Option<Stamp>,
}

impl Health {
    /// Nothing has come yet; the camera has from `now` to answer.
    pub fn new(now: Stamp) -> Self {
        Self {
            last_frame: now,
            offline: false,
            still: Stillness::default(),
            view: View::default(),
            frozen: None,
            blinded: Blinded::default(),
            clock_wrong: None,
            told: true,
        }
    }

    /// The worst that is wrong just now.
    pub fn fault(&self) -> Option<Fault> {
        if self.offline {
            Some(Fault::Offline)
        } else if self.frozen.is_some() {
            Some(Fault::Frozen)
        } else {
            self.blinded.told.then_some(Fault::Blinded)
        }
    }

    fn on_frame(&mut self, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        if std::mem::take(&mut self.offline) && self.told {
            events.push(draft(RuleKind::Offline, Phase::Ended, self.last_frame, at));
        }
        self.last_frame = at;
    }

    /// Takes in what a picture looks like. `daylight`: darkness is no night's.
    fn on_statistics(
        &mut self,
        config: &HealthConfig,
        look: &FrameStatistics,
        daylight: bool,
        at: Stamp,
        events: &mut Vec<UnattributedEvent>,
    ) {
        let still = self.still.see(look, at);
        let verdict = self.view.see(look, at);
        let mut drafts = Vec::new();
        match (still, self.frozen) {
            (Some(since), None) if at.mono.since(since.mono) >= config.frozen => {
                self.frozen = Some(since);
                drafts.push(draft(RuleKind::Frozen, Phase::Started, since, at));
            }
            (None, Some(since)) => {
                self.frozen = None;
                drafts.push(draft(RuleKind::Frozen, Phase::Ended, since, at));
            }
            _ => {}
        }
        let sees = match verdict {
            ViewVerdict::Sees => true,
            ViewVerdict::Blind => false,
            ViewVerdict::Dark => !daylight,
        };
        drafts.extend(self.blinded.see(sees, config.blinded, at));
        events.extend(drafts.into_iter().filter(|_| self.told));
    }

    /// Takes in by how many seconds the camera's clock is ahead of ours.
    fn on_clock(
        &mut self,
        config: &HealthConfig,
        ahead_s: i64,
        at: Stamp,
        events: &mut Vec<UnattributedEvent>,
    ) {
        let wrong = Duration::from_secs(ahead_s.unsigned_abs()) >= config.clock;
        let asked = config.enabled && !config.clock.is_zero();
        match self.clock_wrong {
            None if asked && wrong => {
                self.clock_wrong = Some(at);
                events.push(draft(RuleKind::Clock, Phase::Started, at, at));
            }
            Some(since) if !asked || !wrong => {
                self.clock_wrong = None;
                events.push(draft(RuleKind::Clock, Phase::Ended, since, at));
            }
            _ => {}
        }
    }

    fn on_tick(&mut self, config: &HealthConfig, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        if config.enabled != self.told {
            // What is told ends; what is not told yet begins anew.
            self.end(at, events);
            self.told = config.enabled;
        }
        let silent = at.mono.since(self.last_frame.mono);
        if !self.offline && silent >= config.offline {
            // Told before what it was until now ends, so that it stays one incident.
            if self.told {
                events.push(draft(RuleKind::Offline, Phase::Started, self.last_frame, at));
            }
            self.end(at, events);
            self.offline = true;
        }
    }

    /// Ends the event.
    fn end(&mut self, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        let offline = std::mem::take(&mut self.offline).then_some(self.last_frame);
        let over = [
            (RuleKind::Offline, offline),
            (RuleKind::Frozen, self.frozen.take()),
            (RuleKind::Clock, self.clock_wrong.take()),
        ];
        let ended = |(rule, since): (RuleKind, Option<Stamp>)| {
            since.map(|since| draft(rule, Phase::Ended, since, at))
        };
        let ended = over.into_iter().filter_map(ended).chain(self.blinded.end(at));
        events.extend(ended.filter(|_| self.told));
        self.still.interrupt();
        self.view.interrupt();
    }
}

impl Rule for Health {
    type Config = HealthConfig;

    fn observe(
        &mut self,
        config: &HealthConfig,
        observation: Observation<'_>,
        context: &RuleContext<'_>,
        events: &mut Vec<UnattributedEvent>,
    ) {
        let at = context.at;
        match observation {
            Observation::Frame(_) => self.on_frame(at, events),
            Observation::Statistics(look) => {
                let daylight = schedule::is_daylight(at.wall, context.timezone);
                self.on_statistics(config, look, daylight, at, events);
            }
            Observation::Clock(ahead_s) => self.on_clock(config, ahead_s, at, events),
        }
    }

    fn tick(&mut self, config: &HealthConfig, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        self.on_tick(config, at, events);
    }

    fn stop(&mut self, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        self.end(at, events);
    }
}

impl Blinded {
    fn see(&mut self, sees: bool, patience: Duration, at: Stamp) -> Option<UnattributedEvent> {
        if sees {
            let sees_since = *self.sees_since.get_or_insert(at);
            let again = !self.told || at.mono.since(sees_since.mono) >= SEES_AGAIN;
            return if again { self.end(at) } else { None };
        }
        self.sees_since = None;
        let since = *self.since.get_or_insert(at);
        if self.told || at.mono.since(since.mono) < patience {
            return None;
        }
        self.told = true;
        Some(draft(RuleKind::Blinded, Phase::Started, since, at))
    }

    fn end(&mut self, at: Stamp) -> Option<UnattributedEvent> {
        let Self { since, told, .. } = std::mem::take(self);
        since.filter(|_| told).map(|since| draft(RuleKind::Blinded, Phase::Ended, since, at))
    }
}

fn draft(rule: RuleKind, phase: Phase, since: Stamp, at: Stamp) -> UnattributedEvent {
    UnattributedEvent { rule, phase, at, since, evidence: Evidence::default() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
