//! The ward's policy: when to escalate, when to sound the siren, when to keep quiet.

use std::time::Duration;

use crate::rule::Night;
use crate::ward::Id;

/// The policy of incidents. As it comes by default, nothing of it holds: every piece of
/// news is told as it comes, and nobody is called twice.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Policy {
    /// An incident that nobody has taken charge of for as long is escalated, once.
    pub escalate_after: Option<Duration>,
    /// A camera causes no more alerts in any hour, but for what must be heard at once.
    pub alerts_per_hour_max: Option<u32>,
    /// The policy of the siren; none: it never sounds.
    pub siren: Option<SirenPolicy>,
}

/// `[siren]`, where it is enabled.
#[derive(Clone, Debug, PartialEq)]
pub struct SirenPolicy {
    /// The khu phố that have one.
    pub khu_pho: Vec<Id>,
    /// So long after the escalation, if still nobody has taken charge.
    pub after: Duration,
    /// It sounds no longer, 1 to 600 s.
    pub seconds_max: u32,
    /// The hours in which it stays silent, in the ward's time zone.
    pub quiet: Option<Night>,
    /// Tells whether a drill that asks for it may sound it.
    pub exercise: bool,
}
