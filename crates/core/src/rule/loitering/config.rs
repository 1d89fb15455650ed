//! `[rule.loitering]`.

use std::time::Duration;

use crate::rule::contract::RuleConfig;
use crate::rule::key::OVER_ZERO;
use crate::rule::key::keys;
use crate::rule::key::seconds;
use crate::rule::schedule::Night;
use crate::time::Stamp;

keys! {
    /// Loitering: `[rule.loitering]`.
    pub struct LoiteringConfig {
        /// Off: people are not looked for.
        "enabled" enabled: bool = true, Flag;
        /// Detections below are ignored, 0..1.
        "confidence_min" confidence_min: f32 = 0.45, Share;
        /// A person who stays as long in the zone loiters.
        "dwell_s" dwell: Duration = Duration::from_secs(120), Seconds(OVER_ZERO..=86_400.0);
        /// The hours in which the rule holds.
        "night" night: Night = Night::Hours {
            from: jiff::civil::time(22, 0, 0, 0),
            until: jiff::civil::time(5, 0, 0, 0),
        }, Night;
        /// An event ends after as long without the person.
        "quiet_s" quiet: Duration = Duration::from_secs(60), Seconds(OVER_ZERO..=3_600.0);
        /// Visits of one person that ended no longer ago count together. Zero: each counts alone.
        "return_window_s" return_window: Duration = Duration::from_secs(600),
            Seconds(0.0..=86_400.0);
        /// So many people in one zone who have each stayed `group_dwell_s` loiter as a group.
        "group_size" group_size: usize = 3, Count(2..=50);
        /// A group's members must each have stayed as long; never more than `dwell_s` is asked for.
        "group_dwell_s" group_dwell: Duration = Duration::from_secs(60),
            Seconds(OVER_ZERO..=86_400.0);
    }
}

impl RuleConfig for LoiteringConfig {
    fn describe(&self) -> String {
        if !self.enabled {
            return "off".to_owned();
        }
        let night = self.night.describe();
        let (dwell, quiet) = (seconds(self.dwell), seconds(self.quiet));
        let group = match self.group_dwell < self.dwell {
            true => format!("{} people for {}", self.group_size, seconds(self.group_dwell)),
            false => "groups as one".to_owned(),
        };
        let returns = match self.return_window.is_zero() {
            true => "each visit alone".to_owned(),
            false => format!("visits of {} together", seconds(self.return_window)),
        };
        format!(
            "from {:.2}, for {dwell}, {night}; {group}; {returns}; over after {quiet}",
            self.confidence_min
        )
    }

    fn confidence_min(&self) -> Option<f32> {
        Some(self.confidence_min)
    }

    fn wants(&self, timezone: &jiff::tz::TimeZone, at: Stamp) -> bool {
        self.enabled && self.night.holds(at.wall, timezone)
    }
}
