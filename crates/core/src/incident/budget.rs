//! The limit on alerts that a camera may cause: people stop reading a phone that never stops.
//!
//! Half of an hour's alerts may come at once, the rest is spread, so that a camera that has used
//! its share is heard again within minutes and any hour holds no more than its number.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::rate_limit::Limit;
use crate::rate_limit::Usage;
use crate::time::Mono;
use crate::ward::Id;

const HOUR_US: u64 = 3_600_000_000;

/// The part of its share that each camera has used.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(BTreeMap<Id, Usage>);

/// The share of a camera.
fn share(per_hour_max: u32) -> Limit {
    let per_hour_max = per_hour_max.max(1);
    let at_once = per_hour_max.div_ceil(2);
    let pause_us = HOUR_US.div_ceil(u64::from(per_hour_max - at_once + 1));
    Limit::new(at_once, Duration::from_micros(pause_us))
}

impl Budget {
    /// Takes one alert out of the share of the first of `cameras` that has one left. False: none
    /// has.
    pub(super) fn take<'a>(
        &mut self,
        per_hour_max: u32,
        cameras: impl IntoIterator<Item = &'a Id>,
        at: Mono,
    ) -> bool {
        let share = share(per_hour_max);
        let has =
            |camera: &&Id| self.0.get(*camera).is_none_or(|usage| usage.wait(share, at).is_zero());
        let Some(camera) = cameras.into_iter().find(has) else { return false };
        self.0.entry(camera.clone()).or_default().count(share, at);
        true
    }

    /// An alert goes out whatever is left: the share pays for it as far as it can.
    pub(super) fn spend(&mut self, per_hour_max: u32, camera: &Id, at: Mono) {
        self.0.entry(camera.clone()).or_default().count_capped(share(per_hour_max), at);
    }

    /// Forgets cameras whose share is whole again.
    pub(super) fn forget(&mut self, at: Mono) {
        self.0.retain(|_, usage| usage.is_partly_used(at));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn camera() -> Id {
        Id::new("gate").unwrap()
    }

    #[test]
    fn half_comes_at_once_and_the_rest_is_spread() {
        let (mut budget, camera) = (Budget::default(), camera());
        let at = |s: u64| Mono(s * 1_000_000);
        let mut taken = Vec::new();
        for s in 0..3_600 {
            if budget.take(12, [&camera], at(s)) {
                taken.push(s);
            }
        }
        assert_eq!(taken, [0, 1, 2, 3, 4, 5, 515, 1_029, 1_543, 2_058, 2_572, 3_086]);
        assert!(budget.take(12, [&Id::new("other").unwrap()], at(3_599)), "another one's share");
        budget.forget(at(9_000));
        assert!(budget.0.is_empty());
    }

    proptest! {
        #[test]
        fn no_hour_holds_more_than_its_number(
            per_hour_max in 1u32..40,
            pauses_s in prop::collection::vec(0u64..400, 1..300),
        ) {
            let (mut budget, camera) = (Budget::default(), camera());
            let (mut now, mut taken) = (0, Vec::new());
            for pause in pauses_s {
                now += pause * 1_000_000;
                if budget.take(per_hour_max, [&camera], Mono(now)) {
                    taken.push(now);
                }
            }
            for (index, from) in taken.iter().enumerate() {
                let hour = taken[index..].iter().filter(|at| **at < from + HOUR_US).count();
                prop_assert!(hour <= per_hour_max as usize, "{hour} from {from}");
            }
        }

        #[test]
        fn whatever_was_spent_a_camera_is_heard_again(
            per_hour_max in 1u32..40, spent in 0usize..500,
        ) {
            let (mut budget, camera) = (Budget::default(), camera());
            for _ in 0..spent {
                budget.spend(per_hour_max, &camera, Mono(0));
            }
            let later = Mono(0) + share(per_hour_max).interval();
            prop_assert!(budget.take(per_hour_max, [&camera], later));
        }
    }
}
