//! Replays of real detections under other thresholds, held against what people said of the alerts.
//!
//! Belongs here: replaying the diary through the core ([`play`]), comparing two replays
//! ([`compare`]), choosing among many ([`advice`]). Does not belong here: printing (`command`'s).
//!
//! What a replay can't know: looks at frames that were never taken, since lower thresholds would
//! have watched a camera more closely; what people wear, which is never stored, so that a person
//! who comes back may count as another; the phase of the ticks, a second at most.

pub mod advice;
pub mod compare;
pub mod play;

use crate::rule::RuleKind;

/// The rules that can be tuned.
pub fn rules() -> impl Iterator<Item = RuleKind> {
    RuleKind::ALL.into_iter().filter(|rule| rule.tuning().is_some())
}

#[cfg(test)]
mod tests;
