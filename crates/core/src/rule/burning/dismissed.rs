//! Places that people have just called a false alarm while they still burn: votive paper that burns
//! down, a welder at work.
//!
//! It is not told again until it has been gone for a while. Only there: the rest of the view is
//! watched as ever, and so is what becomes larger. And not for ever: after half an hour, what still
//! shows must merely meet the bar that the verdict has raised (see `rule/memory.rs`).

use std::time::Duration;

use crate::geometry::BoundingBox;
use crate::time::Mono;

/// A dismissed thing may become as much larger on each side, in its own sizes.
const REACH: f32 = 0.5;
/// So long after people's word it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1_800);
/// More at once are a case for a mask; the oldest is asked again.
const PLACES_MAX: usize = 16;

/// The places that are not asked just now.
#[derive(Clone, Debug, Default)]
pub(super) struct Dismissed(Vec<DismissedPlace>);

#[derive(Clone, Debug)]
struct DismissedPlace {
    area: BoundingBox,
    since: Mono,
    last_seen: Mono,
}

impl Dismissed {
    /// People said at `at` that what shows in `bbox` is nothing.
    pub(super) fn add(&mut self, bbox: BoundingBox, at: Mono) {
        if self.0.len() >= PLACES_MAX {
            self.0.remove(0);
        }
        self.0.push(DismissedPlace { area: bbox.grown(REACH), since: at, last_seen: at });
    }

    /// Forgets what has been gone for `quiet`, and what is old.
    pub(super) fn forget(&mut self, quiet: Duration, at: Mono) {
        let holds = |place: &DismissedPlace| {
            at.since(place.last_seen) < quiet && at.since(place.since) < ASK_AGAIN
        };
        self.0.retain(holds);
    }

    /// Tells whether what shows in `bbox` at `at` is dismissed: all of it lies in such a place.
    pub(super) fn covers(&mut self, bbox: &BoundingBox, at: Mono) -> bool {
        let inside = |area: &BoundingBox| {
            area.x0 <= bbox.x0 && area.y0 <= bbox.y0 && bbox.x1 <= area.x1 && bbox.y1 <= area.y1
        };
        let mut covered = false;
        for place in self.0.iter_mut().filter(|place| inside(&place.area)) {
            place.last_seen = at;
            covered = true;
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Mono {
        Mono(0) + Duration::from_secs(seconds)
    }

    fn small() -> BoundingBox {
        BoundingBox::new(0.4, 0.4, 0.5, 0.5)
    }

    #[test]
    fn it_is_not_asked_until_it_is_gone() {
        let mut dismissed = Dismissed::default();
        dismissed.add(small(), at(0));
        for second in [10, 39, 68] {
            dismissed.forget(QUIET, at(second));
            assert!(dismissed.covers(&small(), at(second)), "at {second} s");
        }
        dismissed.forget(QUIET, at(98));
        assert!(!dismissed.covers(&small(), at(98)));
    }

    #[test]
    fn what_is_elsewhere_or_much_larger_is_asked() {
        let mut dismissed = Dismissed::default();
        dismissed.add(small(), at(0));
        let (beside, larger, slightly) = (
            BoundingBox::new(0.6, 0.4, 0.7, 0.5),
            BoundingBox::new(0.34, 0.34, 0.56, 0.56),
            BoundingBox::new(0.36, 0.36, 0.54, 0.54),
        );
        assert!(!dismissed.covers(&beside, at(1)));
        assert!(!dismissed.covers(&larger, at(1)));
        assert!(dismissed.covers(&slightly, at(1)));
    }

    #[test]
    fn half_an_hour_later_it_is_asked_again() {
        let mut dismissed = Dismissed::default();
        dismissed.add(small(), at(0));
        for second in (0..1_800).step_by(10) {
            dismissed.forget(QUIET, at(second));
            assert!(dismissed.covers(&small(), at(second)));
        }
        dismissed.forget(QUIET, at(1_800));
        assert!(!dismissed.covers(&small(), at(1_800)));
    }

    #[test]
    fn the_places_are_bounded() {
        let mut dismissed = Dismissed::default();
        for step in 0..100_u8 {
            let x = f32::from(step) / 128.0;
            dismissed.add(BoundingBox::new(x, 0.1, x + 0.01, 0.11), at(0));
        }
        assert_eq!(dismissed.0.len(), PLACES_MAX);
    }
}
