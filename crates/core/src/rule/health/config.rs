//! `[rule.camera]`.

use std::time::Duration;

use crate::rule::contract::RuleConfig;
use crate::rule::key::OVER_ZERO;
use crate::rule::key::keys;
use crate::rule::key::seconds;

keys! {
    /// Camera health: `[rule.camera]`.
    pub struct HealthConfig {
        /// Off: a camera's failure shows on its status only.
        "enabled" enabled: bool = true, Flag;
        /// No frame for as long: offline.
        "offline_s" offline: Duration = Duration::from_secs(60), Seconds(OVER_ZERO..=86_400.0);
        /// The same picture for as long: frozen.
        "frozen_s" frozen: Duration = Duration::from_secs(60), Seconds(OVER_ZERO..=86_400.0);
        /// Nothing of the usual view for as long: blinded.
        "blinded_s" blinded: Duration = Duration::from_secs(30), Seconds(OVER_ZERO..=86_400.0);
        /// A clock that is wrong by as much is reported; zero: none is.
        "clock_s" clock: Duration = Duration::ZERO, Seconds(0.0..=1e9);
    }
}

impl RuleConfig for HealthConfig {
    fn describe(&self) -> String {
        if !self.enabled {
            return "not reported".to_owned();
        }
        let clock = match self.clock.is_zero() {
            true => "clock not asked".to_owned(),
            false => format!("clock off by {}", seconds(self.clock)),
        };
        format!(
            "offline after {}, frozen after {}, blinded after {}; {clock}",
            seconds(self.offline),
            seconds(self.frozen),
            seconds(self.blinded)
        )
    }
}
