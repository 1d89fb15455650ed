//! Places that people declared false alarms: a lamp, a welding shop's door.
//!
//! Each raises the bar around itself, more with every verdict, and fades with its half-life. It
//! is never deafness: what the bar can come to is bounded, a thing much larger than what people
//! saw reaches beyond it, and one that grows hardly meets it (see `burning/evidence.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use crate::geometry::BoundingBox;
use crate::rule::kind::RuleKind;
use crate::time::Mono;

/// More places of one camera are a case for its thresholds; the oldest is forgotten for a new
/// one.
const PLACES_MAX: usize = 64;
/// More verdicts on one place say no more; the newest are kept.
const VERDICTS_MAX: usize = 8;
/// A verdict on a box that overlaps so much is one on the same place.
const SAME_IOU: f32 = 0.3;
/// A verdict counts in its box, grown on each side by as many of its own sizes: what people saw
/// reaches no further, and what is twice as wide does.
const REACH: f32 = 1.5;
/// As many fresh verdicts are half of what many can say.
const HALF_CONVINCED: f64 = 3.0;

/// A part of the view where verdicts speak against what is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct VerdictWeight {
    /// The place of it.
    pub(super) area: BoundingBox,
    /// The strength: 0 not at all, towards 1 with many fresh ones.
    pub(super) doubt: f64,
}

/// One camera's false alarms.
#[derive(Clone, Debug, Default)]
pub(crate) struct FalseAlarmMemory {
    places: Vec<FalseAlarmPlace>,
}

#[derive(Clone, Debug)]
struct FalseAlarmPlace {
    rule: RuleKind,
    /// As the newest verdict had it.
    bbox: BoundingBox,
    /// Oldest first.
    verdicts: VecDeque<Verdict>,
}

/// A person's verdict, which was `age` old at `as_of`: the wall's time is asked once and may jump.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    age: Duration,
    as_of: Mono,
}

impl Verdict {
    fn age(&self, at: Mono) -> Duration {
        self.age.saturating_add(at.since(self.as_of))
    }
}

impl FalseAlarmPlace {
    /// Returns how many fresh verdicts these are worth at `at`.
    fn weight(&self, half_life: Duration, at: Mono) -> f64 {
        if half_life.is_zero() {
            return 0.0;
        }
        let half_lives = |v: &Verdict| v.age(at).as_secs_f64() / half_life.as_secs_f64();
        self.verdicts.iter().map(|verdict| 0.5_f64.powf(half_lives(verdict))).sum()
    }

    fn newest_age(&self, at: Mono) -> Duration {
        self.verdicts.back().map_or(Duration::MAX, |verdict| verdict.age(at))
    }
}

impl FalseAlarmMemory {
    /// Takes in that people declared what `rule` saw in `bbox` a false alarm, `age` before `at`.
    pub(crate) fn learn(&mut self, rule: RuleKind, bbox: BoundingBox, age: Duration, at: Mono) {
        let verdict = Verdict { age, as_of: at };
        let same =
            |place: &&mut FalseAlarmPlace| place.rule == rule && place.bbox.iou(&bbox) >= SAME_IOU;
        if let Some(place) = self.places.iter_mut().find(same) {
            place.bbox = bbox;
            place.verdicts.push_back(verdict);
            let surplus = place.verdicts.len().saturating_sub(VERDICTS_MAX);
            place.verdicts.drain(..surplus);
            return;
        }
        if self.places.len() >= PLACES_MAX {
            let ages = self.places.iter().map(|place| place.newest_age(at)).enumerate();
            if let Some((index, _)) = ages.max_by_key(|(_, age)| *age) {
                self.places.remove(index);
            }
        }
        self.places.push(FalseAlarmPlace { rule, bbox, verdicts: VecDeque::from([verdict]) });
    }

    /// Returns the places where verdicts speak against `rule` at `at`, and how strongly.
    pub(super) fn marks(
        &self,
        rule: RuleKind,
        half_life: Duration,
        at: Mono,
    ) -> Vec<VerdictWeight> {
        let places = self.places.iter().filter(|place| place.rule == rule);
        let mark = |place: &FalseAlarmPlace| {
            let weight = place.weight(half_life, at);
            VerdictWeight {
                area: place.bbox.grown(REACH),
                doubt: weight / (weight + HALF_CONVINCED),
            }
        };
        places.map(mark).collect()
    }

    /// Takes over what `other` knows.
    pub(crate) fn merge(&mut self, other: Self) {
        self.places.extend(other.places);
        let surplus = self.places.len().saturating_sub(PLACES_MAX);
        self.places.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn lamp() -> BoundingBox {
        BoundingBox::new(0.4, 0.4, 0.5, 0.5)
    }

    fn days(n: u32) -> Mono {
        Mono(0) + DAY * n
    }

    /// Against what is seen in `bbox`.
    fn doubt(memory: &FalseAlarmMemory, bbox: &BoundingBox, after_days: u32) -> f64 {
        let marks = memory.marks(RuleKind::Fire, DAY * 10, days(after_days));
        let there = marks.iter().filter(|mark| mark.area.intersection(bbox) > 0.0);
        there.map(|mark| mark.doubt).fold(0.0, f64::max)
    }

    fn once() -> FalseAlarmMemory {
        let mut memory = FalseAlarmMemory::default();
        memory.learn(RuleKind::Fire, lamp(), Duration::ZERO, Mono(0));
        memory
    }

    #[test]
    fn a_verdict_counts_where_it_was_and_fades() {
        let memory = once();
        assert_eq!(doubt(&memory, &lamp(), 0), 0.25);
        assert_eq!(doubt(&memory, &lamp(), 10), 0.5 / 3.5);
        assert!(doubt(&memory, &lamp(), 100) < 0.001);
        let beside = BoundingBox::new(0.66, 0.4, 0.7, 0.5);
        assert_eq!(doubt(&memory, &beside, 0), 0.0);
        assert!(memory.marks(RuleKind::Smoke, DAY, Mono(0)).is_empty());
    }

    #[test]
    fn more_verdicts_weigh_more_and_never_all() {
        let mut memory = once();
        memory.learn(RuleKind::Fire, lamp(), Duration::ZERO, days(10));
        assert_eq!(doubt(&memory, &lamp(), 10), 1.5 / 4.5);
        assert_eq!(memory.places.len(), 1, "it is one place");
        for _ in 0..30 {
            memory.learn(RuleKind::Fire, lamp(), Duration::ZERO, days(10));
        }
        assert_eq!(doubt(&memory, &lamp(), 10), 8.0 / 11.0);
    }

    #[test]
    fn a_verdict_read_back_is_as_old_as_it_is() {
        let mut memory = FalseAlarmMemory::default();
        memory.learn(RuleKind::Fire, lamp(), DAY * 10, Mono(0));
        assert_eq!(doubt(&memory, &lamp(), 0), doubt(&once(), &lamp(), 10));
        assert_eq!(doubt(&memory, &lamp(), 5), doubt(&once(), &lamp(), 15));
        let none = memory.marks(RuleKind::Fire, Duration::ZERO, Mono(0));
        assert_eq!(none[0].doubt, 0.0, "no half-life, no memory");
    }

    #[test]
    fn the_places_kept_are_bounded_and_the_oldest_goes() {
        let mut memory = once();
        for step in 0..200_u16 {
            let x = f32::from(step) / 200.0;
            let bbox = BoundingBox::new(x, 0.9, x + 0.004, 0.91);
            memory.learn(RuleKind::Fire, bbox, Duration::ZERO, days(1));
        }
        assert_eq!(memory.places.len(), PLACES_MAX);
        assert_eq!(doubt(&memory, &lamp(), 1), 0.0);
    }
}
