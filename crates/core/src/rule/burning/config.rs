//! `[rule.fire]` and `[rule.smoke]`.

use std::time::Duration;

use crate::rule::contract::RuleConfig;
use crate::rule::key::DAY;
use crate::rule::key::OVER_ZERO;
use crate::rule::key::days;
use crate::rule::key::keys;
use crate::rule::key::seconds;
use crate::time::Stamp;

keys! {
    /// Fire or smoke: `[rule.fire]`, `[rule.smoke]`. The defaults are fire's.
    pub struct BurningConfig {
        /// Off: the class is not looked for.
        "enabled" enabled: bool = true, Flag;
        /// Detections below are ignored, 0..1.
        "confidence_min" confidence_min: f32 = 0.45, Share;
        /// Evidence must last as long before an event starts.
        "confirm_s" confirm: Duration = Duration::from_secs(3), Seconds(OVER_ZERO..=600.0);
        /// An event ends after as long without evidence.
        "quiet_s" quiet: Duration = Duration::from_secs(30), Seconds(OVER_ZERO..=3_600.0);
        /// Half-life of what people's false alarms teach; zero: nothing is learnt.
        "forget_days" forget: Duration = DAY * 14, Days(0.0..=3_650.0);
    }
}

impl BurningConfig {
    /// The defaults of smoke: steam, dust and fog look like it.
    pub fn smoke() -> Self {
        Self { confidence_min: 0.5, confirm: Duration::from_secs(6), ..Self::default() }
    }
}

impl RuleConfig for BurningConfig {
    fn describe(&self) -> String {
        if !self.enabled {
            return "off".to_owned();
        }
        let (confirm, quiet) = (seconds(self.confirm), seconds(self.quiet));
        let forgets = match self.forget.is_zero() {
            true => "false alarms teach nothing".to_owned(),
            false => format!("false alarms fade by half in {} days", days(self.forget)),
        };
        format!("from {:.2}, for {confirm}; over after {quiet}; {forgets}", self.confidence_min)
    }

    fn confidence_min(&self) -> Option<f32> {
        Some(self.confidence_min)
    }

    fn wants(&self, _timezone: &jiff::tz::TimeZone, _at: Stamp) -> bool {
        self.enabled
    }
}
