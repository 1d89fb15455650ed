//! The signature of a thing's boxes over time: flames never look the same twice, lamps do.
//!
//! No pixels are known here, only boxes at irregular moments, so every sign is one that needs no
//! steady rate:
//!
//! - *Recurrence*: the share of sights whose box was seen before, to the pixel. A lamp's recurs
//!   always; so does a blinking sign's, a hazard light's, a LED sign's with a few faces, whatever
//!   their period and however it falls between the frames. This is the recurrence rate of
//!   recurrence plots (Eckmann, Kamphorst and Ruelle, Europhysics Letters 1987), taken over the
//!   edges of the box. In the middle it was 0 to 0.26 over real fires that move, by day and by
//!   night, and 0.03 to 0.9 over single glows behind windows; over red flags 0.57 to 0.61, over a
//!   still room's haze 0.46 and 0.63.
//! - *Travel*: a straight way at a steady speed, by least squares: headlights, an orange vest.
//! - *Growth*: larger than some seconds ago while the foot stays. It speaks for flames and smoke;
//!   what comes nearer moves its foot.

use std::collections::VecDeque;
use std::time::Duration;

use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::time::Mono;

/// Sights count for as long.
const WINDOW: Duration = Duration::from_secs(6);
/// More sights of one thing within the window are not kept: 8 a second, and some to spare.
const SIGHTS_MAX: usize = 64;
/// Fewer sights, or over less time, say nothing about what is the same and what grows.
const SIGHTS_MIN: usize = 6;
const SPAN_MIN: Duration = Duration::from_secs(2);
/// Boxes whose edges differ by no more are the same: less than a pixel of the detector's picture,
/// since its boxes of what stands still are that steady.
const SAME_EDGE: f32 = 0.0017;
/// A sight is held against as many before it: against more, flames would meet one by chance.
const HELD_AGAINST: usize = 16;
/// And by no more than this share of the side: a pixel is a lot for a flame of ten.
const SAME_SHARE: f32 = 0.1;
/// A recurrence rate of the first says nothing, one of the second all.
const RECURRENCE: (f64, f64) = (0.35, 0.55);
/// Travel is looked for over as long, in no fewer sights.
const TRAVEL_WINDOW: Duration = Duration::from_secs(4);
const TRAVEL_SIGHTS_MIN: usize = 4;
/// A way of the first many sizes of the thing says nothing, one of the second all.
const TRAVEL: (f64, f64) = (0.75, 1.5);
/// Off the straight, steady way by the first share of it (root mean square): all the same; by the
/// second: no travel.
const ASTRAY: (f64, f64) = (0.1, 0.2);
/// So much larger, in width or height, is growth.
const GROWTH: f64 = 1.25;
/// And so many standard errors: flames flicker.
const GROWTH_ERRORS: f64 = 3.0;
/// The foot stays where it moves by no more than this share of the height.
const FOOT_STAYS: f64 = 0.15;

/// The newest sights of one thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Signature {
    sights: VecDeque<BoxObservation>,
}

#[derive(Clone, Copy, Debug)]
struct BoxObservation {
    at: Mono,
    bbox: BoundingBox,
    /// Tells whether an earlier sight was the same.
    again: bool,
}

/// The character that a [`Signature`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct Character {
    /// The evidence against flames and smoke: 0 nothing, 1 all.
    pub(super) objection: f64,
    /// Tells whether it grows.
    pub(super) grows: bool,
}

impl Signature {
    /// Takes in one more sight. `at` is no earlier than the one before.
    pub(super) fn see(&mut self, bbox: BoundingBox, at: Mono) {
        let old = |sight: &BoxObservation| at.since(sight.at) > WINDOW;
        while self.sights.front().is_some_and(old) || self.sights.len() >= SIGHTS_MAX {
            self.sights.pop_front();
        }
        let mut before = self.sights.iter().rev().take(HELD_AGAINST);
        let again = before.any(|sight| is_same(&sight.bbox, &bbox));
        self.sights.push_back(BoxObservation { at, bbox, again });
    }

    /// Returns what it says of a thing that would be `class`.
    pub(super) fn character(&self, class: Class) -> Character {
        let objection = self.rigidity().max(self.travel(class));
        // A sign's next face may be larger.
        Character { objection, grows: objection <= 0.0 && self.grows() }
    }

    fn is_told_enough(&self) -> bool {
        let span = self.sights.front().zip(self.sights.back());
        self.sights.len() >= SIGHTS_MIN && span.is_some_and(|(a, b)| b.at.since(a.at) >= SPAN_MIN)
    }

    fn rigidity(&self) -> f64 {
        if !self.is_told_enough() {
            return 0.0;
        }
        let again = self.sights.iter().filter(|sight| sight.again).count();
        ramp(ratio(again, self.sights.len()), RECURRENCE)
    }

    /// Returns how much the thing goes straight on at a steady speed.
    fn travel(&self, class: Class) -> f64 {
        let Some(newest) = self.sights.back() else { return 0.0 };
        let fresh = |sight: &&BoxObservation| newest.at.since(sight.at) <= TRAVEL_WINDOW;
        let way: Vec<&BoxObservation> = self.sights.iter().filter(fresh).collect();
        let (Some(first), true) = (way.first(), way.len() >= TRAVEL_SIGHTS_MIN) else {
            return 0.0;
        };
        let time = |sight: &&BoxObservation| sight.at.seconds_since(first.at);
        let points = |part: fn(&BoundingBox) -> f32| {
            let points = way.iter().map(|sight| (time(sight), f64::from(part(&sight.bbox))));
            points.collect::<Vec<_>>()
        };
        let across = LinearFit::through(&points(|bbox| bbox.center().x));
        let down = LinearFit::through(&points(|bbox| bbox.center().y));
        // Smoke goes up; that speaks for it.
        if class == Class::Smoke && down.slope < 0.0 && down.slope.abs() >= across.slope.abs() {
            return 0.0;
        }
        let length = across.slope.hypot(down.slope) * newest.at.seconds_since(first.at);
        let side = |bbox: &BoundingBox| f64::from(bbox.width().max(bbox.height()));
        let size = mean(way.iter().map(|sight| side(&sight.bbox)));
        let astray = (across.variance + down.variance).sqrt();
        if length <= 0.0 || size <= 0.0 {
            return 0.0;
        }
        ramp(length / size, TRAVEL) * (1.0 - ramp(astray / length, ASTRAY))
    }

    /// Tells whether the later half of the sights is larger than the earlier one, on the same foot.
    fn grows(&self) -> bool {
        if !self.is_told_enough() {
            return false;
        }
        let half = self.sights.len() / 2;
        let of = |part: fn(&BoundingBox) -> f32| {
            let values = self.sights.iter().map(|sight| f64::from(part(&sight.bbox)));
            let values: Vec<f64> = values.collect();
            let (before, after) = values.split_at(half);
            (Sample::of(before), Sample::of(after))
        };
        let larger = |(before, after): &(Sample, Sample)| {
            let error = (before.error_squared + after.error_squared).sqrt();
            after.mean >= before.mean * GROWTH && after.mean - before.mean > GROWTH_ERRORS * error
        };
        let (height, foot) = (of(BoundingBox::height), of(|bbox| bbox.y1));
        let stays = (foot.1.mean - foot.0.mean).abs() <= height.0.mean * FOOT_STAYS;
        stays && (larger(&height) || larger(&of(BoundingBox::width)))
    }
}

fn is_same(a: &BoundingBox, b: &BoundingBox) -> bool {
    let across = SAME_EDGE.min(a.width().min(b.width()) * SAME_SHARE);
    let down = SAME_EDGE.min(a.height().min(b.height()) * SAME_SHARE);
    (a.x0 - b.x0).abs() <= across
        && (a.x1 - b.x1).abs() <= across
        && (a.y0 - b.y0).abs() <= down
        && (a.y1 - b.y1).abs() <= down
}

/// 0 up to the first bound, 1 from the second on.
fn ramp(value: f64, (from, to): (f64, f64)) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / f64::from(count.max(1))
}

fn ratio(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(whole).max(1.0)
}

/// A straight line by least squares.
struct LinearFit {
    slope: f64,
    /// Of the points about it.
    variance: f64,
}

impl LinearFit {
    fn through(points: &[(f64, f64)]) -> Self {
        let (x, y) = (mean(points.iter().map(|p| p.0)), mean(points.iter().map(|p| p.1)));
        let spread = mean(points.iter().map(|p| (p.0 - x).powi(2)));
        let common = mean(points.iter().map(|p| (p.0 - x) * (p.1 - y)));
        let slope = if spread > 0.0 { common / spread } else { 0.0 };
        let variance = mean(points.iter().map(|p| (p.1 - y - slope * (p.0 - x)).powi(2)));
        Self { slope, variance }
    }
}

/// Mean of some values, and how sure it is.
struct Sample {
    mean: f64,
    error_squared: f64,
}

impl Sample {
    fn of(values: &[f64]) -> Self {
        let middle = mean(values.iter().copied());
        let variance = mean(values.iter().map(|value| (value - middle).powi(2)));
        Self { mean: middle, error_squared: variance * ratio(1, values.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thing's boxes, one each `step_ms`: middle, foot, width and height at a time in seconds.
    fn of(seconds: f64, step_ms: u64, part: impl Fn(f64) -> [f64; 4]) -> Signature {
        let mut signature = Signature::default();
        let mut at = Mono(0);
        while at.seconds_since(Mono(0)) <= seconds {
            let [x, foot, width, height] = part(at.seconds_since(Mono(0))).map(narrow);
            let bbox = BoundingBox::new(x - width / 2.0, foot - height, x + width / 2.0, foot);
            signature.see(bbox, at);
            at = at + Duration::from_millis(step_ms);
        }
        signature
    }

    #[expect(clippy::cast_possible_truncation, reason = "a picture's part needs no more digits")]
    fn narrow(value: f64) -> f32 {
        value as f32
    }

    /// Looks random, is not: the sine of a large number.
    fn noise(t: f64, of: f64) -> f64 {
        ((t * 1_237.3 + of * 71.7).sin() * 43_758.547).fract()
    }

    fn objection(signature: &Signature) -> f64 {
        signature.character(Class::Fire).objection
    }

    #[test]
    fn a_lamp_is_rigid_from_two_seconds_on_and_not_before() {
        let lamp = |_| [0.5, 0.5, 0.05, 0.05];
        assert_eq!(objection(&of(1.8, 200, lamp)), 0.0);
        assert_eq!(objection(&of(2.0, 200, lamp)), 1.0);
        assert_eq!(objection(&of(4.0, 1_000, lamp)), 0.0, "five looks are too few");
        assert_eq!(objection(&of(5.0, 1_000, lamp)), 1.0);
    }

    #[test]
    fn a_pixel_is_the_same_and_two_are_not() {
        let shaky = |by: f64| move |t: f64| [0.5 + by * (t * 5.0).round() % 2.0, 0.5, 0.1, 0.1];
        let wander = |by: f64| move |t: f64| [0.3 + by * (t * 5.0).round(), 0.5, 0.1, 0.1];
        assert_eq!(objection(&of(4.0, 200, shaky(0.0016))), 1.0);
        assert_eq!(objection(&of(4.0, 200, wander(0.0018))), 0.0);
    }

    #[test]
    fn a_sign_with_three_faces_is_rigid_at_any_pace() {
        for step_ms in [125, 200, 333, 470] {
            let sign = |t: f64| match (t / 0.7).floor() % 3.0 {
                0.0 => [0.5, 0.5, 0.05, 0.02],
                1.0 => [0.5, 0.5, 0.08, 0.03],
                _ => [0.5, 0.5, 0.06, 0.05],
            };
            assert!(objection(&of(6.0, step_ms, sign)) > 0.7, "a look each {step_ms} ms");
        }
    }

    #[test]
    fn a_flame_is_neither_rigid_nor_on_its_way() {
        for step_ms in [125, 200, 333, 1_000] {
            let flame = |t: f64| {
                let [x, width, height] = [1.0, 2.0, 3.0].map(|of| noise(t, of));
                [0.5 + 0.02 * x, 0.6, 0.1 + 0.02 * width, 0.15 + 0.04 * height]
            };
            assert_eq!(objection(&of(20.0, step_ms, flame)), 0.0, "a look each {step_ms} ms");
        }
    }

    #[test]
    fn a_flame_that_flickers_by_four_pixels_is_never_taken_for_a_lamp() {
        for step_ms in [125, 200, 333, 1_000] {
            for size in [0.03, 0.1, 0.3] {
                let flame = |t: f64| {
                    let [left, top, right, foot] = [1.0, 2.0, 3.0, 4.0].map(|of| noise(t, of));
                    let by = 0.008;
                    let x = 0.5 + by * (left + right) / 2.0;
                    [x, 0.6 + by * foot, size + by * (right - left), size + by * (foot - top)]
                };
                for seconds in 3..40 {
                    let objection = objection(&of(f64::from(seconds), step_ms, flame));
                    assert!(objection <= 0.5, "{objection}: {size}, a look each {step_ms} ms");
                }
            }
        }
    }

    #[test]
    fn a_headlight_travels_and_a_flame_in_the_wind_does_not() {
        let car = |t: f64| [0.1 + 0.05 * t, 0.5, 0.05, 0.05];
        assert!(objection(&of(3.0, 333, car)) > 0.9);
        let wind = |t: f64| [0.3 + 0.05 * (t * 2.0).sin(), 0.5, 0.05 + 0.01 * noise(t, 1.0), 0.08];
        assert_eq!(objection(&of(6.0, 200, wind)), 0.0);
    }

    #[test]
    fn smoke_may_rise() {
        let rising = |t: f64| [0.5 + 0.01 * t, 0.9 - 0.1 * t, 0.1, 0.1];
        let signature = of(4.0, 333, rising);
        assert!(signature.character(Class::Fire).objection > 0.9);
        assert_eq!(signature.character(Class::Smoke).objection, 0.0);
    }

    #[test]
    fn what_grows_on_its_foot_is_growth_and_what_comes_nearer_is_not() {
        let grows = |signature: Signature| signature.character(Class::Fire).grows;
        let fire = |t: f64| [0.5, 0.8, 0.05 + 0.01 * t, 0.1 + 0.02 * t];
        assert!(grows(of(5.0, 333, fire)));
        assert!(!grows(of(1.9, 100, fire)), "too early to say");
        assert!(!grows(of(5.0, 333, |t| [0.5, 0.8, 0.05 + 0.001 * t, 0.1])), "too little");
        let car = |t: f64| [0.5, 0.5 + 0.02 * t, 0.05 + 0.01 * t, 0.1 + 0.02 * t];
        assert!(!grows(of(5.0, 333, car)));
        let flickers = |t: f64| [0.5, 0.8, 0.1, 0.1 + 0.08 * noise(t, 1.0)];
        assert!(!grows(of(5.0, 333, flickers)));
    }

    #[test]
    fn the_sights_kept_are_bounded() {
        let signature = of(60.0, 10, |_| [0.5, 0.5, 0.1, 0.1]);
        assert_eq!(signature.sights.len(), SIGHTS_MAX);
        let mut signature = of(60.0, 200, |_| [0.5, 0.5, 0.1, 0.1]);
        signature.see(BoundingBox::default(), Mono(120_000_000));
        assert_eq!(signature.sights.len(), 1, "after a pause all begins anew");
    }
}
