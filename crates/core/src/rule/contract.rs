//! The contract of a rule: its configuration, what it observes, and what it answers.

use crate::geometry::BoundingBox;
use crate::picture::statistics::FrameStatistics;
use crate::rule::event::UnattributedEvent;
use crate::rule::key::Keyed;
use crate::rule::memory::FalseAlarmMemory;
use crate::rule::zone::Zone;
use crate::time::Stamp;
use crate::track::Track;

/// A rule's configuration; its keys are declared with `keys!` of `rule/key.rs`.
pub(crate) trait RuleConfig: Keyed {
    /// Says in one line what holds, as `keng check` shows it.
    fn describe(&self) -> String;

    /// The least confidence of detections that the rule can use; `None` where it uses none.
    fn confidence_min(&self) -> Option<f32> {
        None
    }

    /// Tells whether the rule would make anything of a detection at `at`.
    fn wants(&self, _timezone: &jiff::tz::TimeZone, _at: Stamp) -> bool {
        false
    }
}

/// One thing that became known of a camera.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Observation<'a> {
    /// The tracks as they stand after a frame.
    Frame(&'a [&'a Track]),
    /// The statistics of a picture as a whole.
    Statistics(&'a FrameStatistics),
    /// By how many seconds the camera's clock is ahead of ours; negative where it is behind.
    Clock(i64),
}

/// The circumstances of an observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleContext<'a> {
    /// The time at which it was made.
    pub(super) at: Stamp,
    /// The ward's time zone.
    pub(super) timezone: &'a jiff::tz::TimeZone,
    /// The camera's zones.
    pub(super) zones: &'a [Zone],
    /// Zones in which a patrol is; none: it is everywhere.
    pub(super) patrols: &'a [Option<String>],
    /// The place where people declared false alarms.
    pub(super) memory: &'a FalseAlarmMemory,
}

/// The state of one rule on one camera.
///
/// Time comes in with each call, and events go out in the order in which they happened.
pub(crate) trait Rule {
    /// The configuration that the rule goes by, which may change from call to call.
    type Config: RuleConfig;

    /// Takes in what became known; what is of no use to the rule is passed over.
    fn observe(
        &mut self,
        config: &Self::Config,
        observation: Observation<'_>,
        context: &RuleContext<'_>,
        events: &mut Vec<UnattributedEvent>,
    );

    /// Takes in that time has passed: silence is an input too.
    fn tick(&mut self, config: &Self::Config, at: Stamp, events: &mut Vec<UnattributedEvent>);

    /// Ends what goes on: the camera is not watched any more.
    fn stop(&mut self, at: Stamp, events: &mut Vec<UnattributedEvent>);

    /// Takes in that people closed what the rule has found in `bbox`; it ends unsaid.
    fn dismiss(&mut self, _bbox: BoundingBox, _at: Stamp) {}

    /// Tells whether something is found in the street that goes on: the camera is watched closely.
    fn has_event(&self) -> bool {
        false
    }

    /// Tells whether nothing is found yet, but evidence has gathered of which the next frames
    /// decide.
    fn suspects(&self) -> bool {
        false
    }

    /// Tells whether nothing is found yet, but the frame of `at` has shown something that is sure.
    fn glimpses(&self, _at: Stamp) -> bool {
        false
    }
}
