//! The life of tracks: associate, correct, begin, lose, forget.
//!
//! Association is ByteTrack's in spirit (Zhang et al., ECCV 2022): confident boxes choose first,
//! weak ones may only continue a track. The distance is not overlap but way, in box heights and
//! gated by the time that has passed: at one frame a second a walker's boxes never overlap. Size
//! and appearance add to it, so that two people who cross keep their names.

use std::time::Duration;

use crate::detection::Class;
use crate::detection::Detection;
use crate::geometry::BoundingBox;
use crate::time::Stamp;
use crate::track::assignment::FORBIDDEN;
use crate::track::assignment::assign;
use crate::track::motion::MotionModel;
use crate::track::{Track, TrackId, TrackState};

/// More boxes in one frame are noise; the best are taken. Bounds the cubic assignment.
const DETECTIONS_MAX: usize = 64;
/// More tracks at once are noise; new ones wait.
const TRACKS_MAX: usize = 128;
/// A box this far (in gates) that overlaps well is still the same thing.
const OVERLAP_SAME: f32 = 0.3;
/// Every second without a box costs a track as much as that way in box heights: of two tracks that
/// could both have a box, the one seen sooner is likelier. A wide gate must not make it cheap (as
/// in the matching cascade of Wojke et al., "Simple Online and Realtime Tracking with a Deep
/// Association Metric", 2017).
const ABSENCE_COST_PER_S: f32 = 0.3;
/// A track with one detection is dropped after this time: longer gaps join flickers of the
/// detector.
const FORGET_TENTATIVE: Duration = Duration::from_secs(5);
/// And is found again no further off, in box heights, for the same reason.
const REACH_TENTATIVE: f32 = 1.0;
/// Each further dropping of a size by half, or doubling, costs as much as this way.
const SIZE_COST: f32 = 0.5;
/// People who look less alike than this are two, unless their boxes overlap well: light changes,
/// and posts hide, where they stand. Of [`Appearance::distance`]; the same person differs by less
/// than half of it from frame to frame.
///
/// [`Appearance::distance`]: crate::detection::Appearance::distance
const LOOK_OTHER: f32 = 0.25;
/// After as many seconds without a box somebody else may have come: then nothing excuses another
/// look, less of a difference is one, and who was last seen at the left or right edge has left.
const LONG_S: f32 = 3.0;
/// As [`LOOK_OTHER`], after that time.
const LOOK_OTHER_LATER: f32 = 0.14;
/// A box this near to the edge is at it, as a share of the view's width.
const EDGE: f32 = 0.01;
/// And so unlike are two even where their boxes overlap: white is not black by any light.
const LOOK_NEVER: f32 = 0.4;
/// Looks that differ by [`LOOK_OTHER`] cost as much as this way.
const LOOK_COST: f32 = 0.8;
/// Sizes that differ more, as a ratio of heights, are two things.
const SIZE_RATIO_MAX: f32 = 2.5;

/// The way in which things of one class behave.
#[derive(Clone, Copy, Debug)]
struct ClassProfile {
    /// Boxes off their prediction by as many box heights are the same thing at once.
    reach: f32,
    /// And by as many more for each second without a box.
    reach_per_s: f32,
    /// The reach never grows beyond.
    reach_max: f32,
    /// A lost track is forgotten after as long.
    forget: Duration,
}

impl ClassProfile {
    /// People walk at up to about one body height a second and hide behind posts and cars; fire
    /// and smoke stay where they are but change their shape from frame to frame.
    const fn of(class: Class) -> Self {
        match class {
            Class::Person => Self {
                reach: 0.5,
                reach_per_s: 1.0,
                reach_max: 2.0,
                forget: Duration::from_secs(12),
            },
            Class::Fire => Self {
                reach: 1.0,
                reach_per_s: 0.1,
                reach_max: 1.5,
                forget: Duration::from_secs(8),
            },
            Class::Smoke => Self {
                reach: 1.2,
                reach_per_s: 0.2,
                reach_max: 2.0,
                forget: Duration::from_secs(10),
            },
        }
    }
}

#[derive(Clone, Debug)]
struct Followed {
    track: Track,
    motion: MotionModel,
}

/// Follows the things of one camera's view.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    followed: Vec<Followed>,
    ids_given: u64,
}

impl Tracker {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what one frame shows and answers with all tracks as they stand then.
    ///
    /// `confident` says whether a detection may begin a track; others may continue one. `at` must
    /// not be earlier than the frame before; a frame that is counts as of the same moment.
    pub fn update(
        &mut self,
        detections: &[Detection],
        confident: impl Fn(&Detection) -> bool,
        at: Stamp,
    ) -> impl Iterator<Item = &Track> {
        let mut best: Vec<&Detection> = detections.iter().collect();
        // The same boxes in another order are the same frame.
        best.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then_with(|| by_place(a, b)));
        best.truncate(DETECTIONS_MAX);
        let (sure, weak): (Vec<_>, Vec<_>) = best.into_iter().partition(|d| confident(d));
        for class in Class::ALL {
            let of_class = |from: &[&Detection]| -> Vec<Detection> {
                from.iter().filter(|d| d.class == class).map(|d| **d).collect()
            };
            let mut free = self.indices_of(class);
            let unmatched = self.associate(&mut free, &of_class(&sure), at);
            self.associate(&mut free, &of_class(&weak), at);
            for detection in unmatched {
                self.begin(&detection, at);
            }
        }
        self.age(at);
        self.tracks()
    }

    /// All tracks, oldest first.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.followed.iter().map(|f| &f.track)
    }

    fn indices_of(&self, class: Class) -> Vec<usize> {
        (0..self.followed.len()).filter(|&i| self.followed[i].track.class == class).collect()
    }

    /// Gives boxes to the `free` tracks, takes those that got one off the list, and returns the
    /// boxes that nobody wanted.
    fn associate(
        &mut self,
        free: &mut Vec<usize>,
        detections: &[Detection],
        at: Stamp,
    ) -> Vec<Detection> {
        if free.is_empty() || detections.is_empty() {
            return detections.to_vec();
        }
        let mut costs = Vec::with_capacity(free.len() * detections.len());
        for &index in &*free {
            let followed = &self.followed[index];
            let dt = seconds(at, followed.track.last_seen);
            let predicted = followed.motion.predicted(dt);
            let habit = ClassProfile::of(followed.track.class);
            let reach_max = match followed.track.state {
                TrackState::Tentative => habit.reach.max(REACH_TENTATIVE),
                TrackState::Confirmed | TrackState::Lost => habit.reach_max,
            };
            let reach = (habit.reach + habit.reach_per_s * dt).min(reach_max);
            for detection in detections {
                let absence = ABSENCE_COST_PER_S * dt;
                costs.push(absence + cost(&predicted, &followed.track, detection, (reach, dt)));
            }
        }
        let assigned = assign(&costs, free.len(), detections.len());
        let mut wanted = vec![false; detections.len()];
        for (&index, column) in free.iter().zip(&assigned) {
            if let Some(column) = *column {
                wanted[column] = true;
                self.followed[index].see(&detections[column], at);
            }
        }
        let mut keep = assigned.iter().map(Option::is_none);
        free.retain(|_| keep.next().unwrap_or(true));
        detections.iter().zip(wanted).filter(|(_, w)| !w).map(|(d, _)| *d).collect()
    }

    fn begin(&mut self, detection: &Detection, at: Stamp) {
        if self.followed.len() >= TRACKS_MAX {
            return;
        }
        self.ids_given += 1;
        self.followed.push(Followed {
            track: Track {
                id: TrackId(self.ids_given),
                class: detection.class,
                bbox: detection.bbox,
                confidence: detection.confidence,
                state: TrackState::Tentative,
                appearance: detection.appearance,
                first_seen: at,
                origin: detection.bbox,
                confirmed: at,
                last_seen: at,
            },
            motion: MotionModel::new(&detection.bbox),
        });
    }

    /// Loses what this frame did not show, and forgets what has been lost for long.
    fn age(&mut self, at: Stamp) {
        self.followed.retain_mut(|f| {
            if f.track.seen_at(at) {
                return true;
            }
            if f.track.state == TrackState::Confirmed {
                f.track.state = TrackState::Lost;
            }
            let forget = ClassProfile::of(f.track.class).forget;
            let tentative = f.track.state == TrackState::Tentative;
            let forget = if tentative { forget.min(FORGET_TENTATIVE) } else { forget };
            at.mono.since(f.track.last_seen.mono) <= forget
        });
    }
}

impl Followed {
    fn see(&mut self, detection: &Detection, at: Stamp) {
        self.motion.correct(&detection.bbox, seconds(at, self.track.last_seen));
        if self.track.state == TrackState::Tentative {
            self.track.confirmed = at;
        }
        self.track.bbox = detection.bbox;
        self.track.confidence = detection.confidence;
        self.track.appearance = match (self.track.appearance, detection.appearance) {
            (Some(old), Some(new)) => Some(old.blended(&new)),
            (known, seen) => known.or(seen),
        };
        self.track.last_seen = at;
        self.track.state = TrackState::Confirmed;
    }
}

/// By the corners of their boxes.
fn by_place(a: &Detection, b: &Detection) -> std::cmp::Ordering {
    let corners = |d: &Detection| [d.bbox.x0, d.bbox.y0, d.bbox.x1, d.bbox.y1];
    let pairs = corners(a).into_iter().zip(corners(b));
    pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).unwrap_or(a.class.cmp(&b.class))
}

/// The cost of taking `seen` for `track`, which is expected at `predicted`.
///
/// Of where it is expected and where it was last, the nearer counts: people stop, and turn back.
/// The way in box heights; size and look add to it. `reach` bounds it, `dt` is the seconds since.
fn cost(predicted: &BoundingBox, track: &Track, seen: &Detection, (reach, dt): (f32, f32)) -> f32 {
    let (last, look) = (&track.bbox, (track.appearance, seen.appearance));
    let seen = &seen.bbox;
    let ratio = side(seen) / side(last);
    let ratio = if ratio < 1.0 { 1.0 / ratio } else { ratio };
    let overlap = seen.iou(predicted).max(seen.iou(last));
    if ratio > SIZE_RATIO_MAX && overlap < OVERLAP_SAME {
        return FORBIDDEN;
    }
    // In sizes of the last sight: a prediction has the same.
    let expected = steps(predicted, seen) * side(predicted) / side(last);
    let way = expected.min(steps(last, seen));
    if way > reach && overlap < OVERLAP_SAME {
        return FORBIDDEN;
    }
    let look = match look {
        (Some(known), Some(seen)) => known.distance(&seen) / LOOK_OTHER,
        _ => 0.0,
    };
    let other = match (dt > LONG_S, overlap >= OVERLAP_SAME) {
        (true, _) => LOOK_OTHER_LATER,
        (false, true) => LOOK_NEVER,
        (false, false) => LOOK_OTHER,
    };
    let left = dt > LONG_S && track.class == Class::Person && at_side(last) && !at_side(seen);
    if left || look > other / LOOK_OTHER {
        return FORBIDDEN;
    }
    way + SIZE_COST * ratio.log2() + LOOK_COST * look.min(1.0)
}

/// Tells whether somebody comes or goes there.
fn at_side(bbox: &BoundingBox) -> bool {
    bbox.x0 <= EDGE || bbox.x1 >= 1.0 - EDGE
}

/// The longer side: a box's size, never 0.
fn side(bbox: &BoundingBox) -> f32 {
    bbox.height().max(bbox.width()).max(1e-3)
}

/// From one box's middle to another's, in sizes of the first.
fn steps(from: &BoundingBox, to: &BoundingBox) -> f32 {
    let (a, b) = (from.center(), to.center());
    (a.x - b.x).hypot(a.y - b.y) / side(from)
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a gap need no more digits")]
fn seconds(later: Stamp, earlier: Stamp) -> f32 {
    later.mono.seconds_since(earlier.mono) as f32
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of seconds and classes")]
mod tests {
    use super::*;
    use crate::detection::Appearance;
    use crate::time::Mono;
    use proptest::prelude::*;

    fn at(seconds: f64) -> Stamp {
        Stamp { mono: Mono((seconds * 1e6) as u64), ..Stamp::default() }
    }

    fn person(x: f32) -> Detection {
        let bbox = BoundingBox::new(x - 0.04, 0.4, x + 0.04, 0.7);
        Detection { class: Class::Person, confidence: 0.8, bbox, appearance: None }
    }

    fn ids(tracker: &mut Tracker, seen: &[Detection], when: f64) -> Vec<u64> {
        tracker.update(seen, |d| d.confidence > 0.5, at(when)).map(|t| t.id.0).collect()
    }

    #[test]
    fn a_walker_at_any_rate_stays_one_track() {
        // 0.1 of the picture a second: a third of a body height, an easy walk.
        for rate in [0.5, 1.0, 3.0, 10.0] {
            let mut tracker = Tracker::new();
            let mut t = 0.0;
            while t < 8.0 {
                let seen = [person(0.1 + 0.1 * t as f32)];
                assert_eq!(ids(&mut tracker, &seen, t), [1], "at {rate} frames/s, {t} s");
                t += 1.0 / rate;
            }
        }
    }

    #[test]
    fn two_people_far_apart_are_two_tracks_and_stay_two() {
        let mut tracker = Tracker::new();
        for step in 0..10 {
            let seen = [person(0.2), person(0.8)];
            assert_eq!(ids(&mut tracker, &seen, f64::from(step)), [1, 2]);
        }
    }

    #[test]
    fn a_gap_is_survived_and_a_long_one_is_not() {
        let mut tracker = Tracker::new();
        ids(&mut tracker, &[person(0.5)], 0.0);
        ids(&mut tracker, &[person(0.5)], 1.0);
        ids(&mut tracker, &[], 2.0);
        assert_eq!(tracker.tracks().next().unwrap().state, TrackState::Lost);
        assert_eq!(ids(&mut tracker, &[person(0.5)], 12.9), [1]);
        ids(&mut tracker, &[], 25.0);
        assert_eq!(ids(&mut tracker, &[person(0.5)], 25.1), [2]);
    }

    #[test]
    fn a_weak_box_continues_a_track_but_begins_none() {
        let weak = Detection { confidence: 0.3, ..person(0.5) };
        let mut tracker = Tracker::new();
        assert!(ids(&mut tracker, &[weak], 0.0).is_empty());
        ids(&mut tracker, &[person(0.5)], 1.0);
        ids(&mut tracker, &[weak], 2.0);
        assert_eq!(tracker.tracks().next().unwrap().last_seen, at(2.0));
    }

    #[test]
    fn a_fire_and_a_person_on_one_spot_are_two_things() {
        let mut tracker = Tracker::new();
        let fire = Detection { class: Class::Fire, ..person(0.5) };
        assert_eq!(ids(&mut tracker, &[person(0.5), fire], 0.0).len(), 2);
    }

    #[test]
    fn two_who_cross_at_a_frame_a_second_keep_their_names_by_their_clothes() {
        let clothes = |x, shade| Detection {
            appearance: Some(Appearance::plain([shade; 3], [60; 3])),
            ..person(x)
        };
        let mut tracker = Tracker::new();
        // Both turn round where they meet: motion alone would let each walk on as the other.
        for step in 0..8 {
            let way = 0.1 * (step - 4i32).abs() as f32;
            let seen = [clothes(0.48 - way, 40), clothes(0.52 + way, 160)];
            assert_eq!(ids(&mut tracker, &seen, f64::from(step)), [1, 2]);
        }
        let shade = |id: u64| tracker.tracks().find(|t| t.id.0 == id).unwrap().appearance.unwrap();
        let dark = Appearance::plain([40; 3], [60; 3]);
        assert!(shade(1).distance(&dark) < 0.05 && shade(2).distance(&dark) > 0.25);
    }

    #[test]
    fn another_one_some_steps_off_is_another_one() {
        let clothes = |x, shade| Detection {
            appearance: Some(Appearance::plain([shade; 3], [60; 3])),
            ..person(x)
        };
        let mut tracker = Tracker::new();
        ids(&mut tracker, &[clothes(0.5, 40)], 0.0);
        ids(&mut tracker, &[clothes(0.5, 40)], 1.0);
        assert_eq!(ids(&mut tracker, &[clothes(0.6, 200)], 2.0), [1, 2]);
        // Where he stood, a lamp may have been lit.
        assert_eq!(ids(&mut tracker, &[clothes(0.51, 160), clothes(0.6, 200)], 3.0), [1, 2]);
    }

    proptest! {
        #[test]
        fn boxes_in_any_order_are_the_same_frame(
            frames in prop::collection::vec(
                prop::collection::vec((0u8..20, 0u8..20, 0u8..3), 0..8), 1..8)
        ) {
            let seen = |frame: &[(u8, u8, u8)]| -> Vec<Detection> {
                frame.iter().map(|&(x, y, c)| Detection {
                    confidence: 0.5 + f32::from(c) / 10.0,
                    bbox: BoundingBox::new(
                        f32::from(x) / 20.0, f32::from(y) / 40.0,
                        f32::from(x) / 20.0 + 0.05, f32::from(y) / 40.0 + 0.2),
                    ..person(0.5)
                }).collect()
            };
            let (mut forth, mut back) = (Tracker::new(), Tracker::new());
            for (i, frame) in frames.iter().enumerate() {
                let mut turned = frame.clone();
                turned.reverse();
                ids(&mut forth, &seen(frame), i as f64);
                ids(&mut back, &seen(&turned), i as f64);
                prop_assert!(forth.tracks().eq(back.tracks()));
            }
        }

        #[test]
        fn tracks_stay_bounded_and_ids_unique(
            frames in prop::collection::vec(
                prop::collection::vec((0f32..1.0, 0f32..1.0, 0f32..1.0), 0..200), 1..12)
        ) {
            let mut tracker = Tracker::new();
            for (i, frame) in frames.iter().enumerate() {
                let seen: Vec<_> = frame.iter().map(|&(x, y, c)| Detection {
                    class: Class::ALL[(x * 2.99) as usize],
                    confidence: c,
                    bbox: BoundingBox::new(x, y, x + 0.1, y + 0.2),
                    appearance: None,
                }).collect();
                let mut ids = ids(&mut tracker, &seen, i as f64 * 0.3);
                prop_assert!(ids.len() <= TRACKS_MAX);
                let all = ids.len();
                ids.sort_unstable();
                ids.dedup();
                prop_assert_eq!(ids.len(), all);
            }
        }
    }
}
