//! How many alerts a camera may cause: people stop reading a phone that never stops.
//!
//! The generic cell rate algorithm (ITU-T I.371, 1996): one time a camera instead of a list. Half
//! of an hour's alerts may come at once, the rest is spread, so that a camera that has used its
//! share is heard again within minutes and any hour holds no more than its number.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Mono;
use crate::ward::Id;

const HOUR_US: u64 = 3_600_000_000;

/// What each camera has used of its share.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(BTreeMap<Id, Mono>);

/// The share of a camera.
#[derive(Clone, Copy, Debug)]
struct Share {
    /// From one alert to the next once those at once are used up.
    pause: Duration,
    /// Those at once: how far ahead of its pauses a camera may be.
    ahead: Duration,
}

impl Share {
    fn of(per_hour_max: u32) -> Self {
        let at_once = u64::from(per_hour_max.max(1)).div_ceil(2);
        let pause_us = HOUR_US.div_ceil(u64::from(per_hour_max.max(1)) - at_once + 1);
        Self {
            pause: Duration::from_micros(pause_us),
            ahead: Duration::from_micros(pause_us * (at_once - 1)),
        }
    }
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
        let share = Share::of(per_hour_max);
        let has = |camera: &&Id| self.0.get(*camera).is_none_or(|next| *next <= at + share.ahead);
        let Some(camera) = cameras.into_iter().find(has) else { return false };
        let next = self.0.get(camera).copied().unwrap_or(at).max(at);
        self.0.insert(camera.clone(), next + share.pause);
        true
    }

    /// An alert goes out whatever is left: the share pays for it as far as it can.
    pub(super) fn spend(&mut self, per_hour_max: u32, camera: &Id, at: Mono) {
        let share = Share::of(per_hour_max);
        let next = self.0.get(camera).copied().unwrap_or(at).max(at) + share.pause;
        self.0.insert(camera.clone(), next.min(at + share.ahead + share.pause));
    }

    /// Forgets cameras whose share is whole again.
    pub(super) fn forget(&mut self, at: Mono) {
        self.0.retain(|_, next| *next > at);
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
            let later = Mono(0) + Share::of(per_hour_max).pause;
            prop_assert!(budget.take(per_hour_max, [&camera], later));
        }
    }
}
