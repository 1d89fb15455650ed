//! Whether a camera gives pictures at all.

use crate::rule::{Draft, Evidence, HealthConfig, Phase, RuleKind};
use crate::time::Stamp;

/// Watches over the frames of one camera.
#[derive(Clone, Debug)]
pub struct Health {
    last_frame: Stamp,
    offline: bool,
}

impl Health {
    /// Nothing has come yet; the camera has from `now` to answer.
    pub fn new(now: Stamp) -> Self {
        Self { last_frame: now, offline: false }
    }

    pub(crate) fn on_frame(&mut self, at: Stamp, events: &mut Vec<Draft>) {
        self.end(at, events);
        self.last_frame = at;
    }

    pub(crate) fn on_tick(&mut self, config: &HealthConfig, at: Stamp, events: &mut Vec<Draft>) {
        let silent = at.mono.since(self.last_frame.mono);
        if config.enabled && !self.offline && silent >= config.offline {
            self.offline = true;
            events.push(self.draft(Phase::Started, at));
        } else if !config.enabled {
            self.end(at, events);
        }
    }

    /// What goes on ends.
    pub(crate) fn end(&mut self, at: Stamp, events: &mut Vec<Draft>) {
        if std::mem::take(&mut self.offline) {
            events.push(self.draft(Phase::Ended, at));
        }
    }

    fn draft(&self, phase: Phase, at: Stamp) -> Draft {
        let evidence = Evidence::default();
        Draft { rule: RuleKind::Offline, phase, at, since: self.last_frame, evidence }
    }
}
