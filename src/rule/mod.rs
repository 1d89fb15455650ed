//! Tracks in, events out: what turns something seen into something that matters.
//!
//! Belongs here: zones, schedules, fire, smoke, loitering, camera health. Pure: time comes in
//! with the input, and every threshold is in real seconds, because cameras lie about their rate.
//! Does not belong here: other cameras (they are `incident`'s).

use std::time::Duration;

use crate::geometry::Polygon;

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
}
