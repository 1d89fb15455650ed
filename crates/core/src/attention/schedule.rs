//! The schedule: whose newest frame is analysed next. Pure.
//!
//! Each camera has a [`Seat`]; [`Turns::next`] chooses among those where a frame waits:
//!
//! 1. A camera that would go unseen for longer than it may if this frame of its were lost, the
//!    most overdue first. It goes before cameras in focus, but never twice in a row while one of
//!    those waits: focus always has every second turn.
//! 2. Cameras in focus, the one that has waited longest first.
//! 3. All others, by how many of their own periods they have waited.
//!
//! So nobody starves while `(cameras out of focus) / (longest gap)` turns a second are at most
//! half of what the detectors can do (all of it, where nobody is in focus). Where they are more,
//! rule 1 serves in the order of the last turn: everybody waits equally long.

use std::time::Duration;

use super::Level;
use crate::time::Mono;

/// An analysed frame is never older.
pub const AGE_MAX: Duration = Duration::from_secs(1);

/// One camera before the detectors.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The level at which it is watched.
    pub level: Level,
    /// The rate at which it is given a turn, as far as the budget goes.
    pub period: Duration,
    /// The time at which it last had a turn; none: never.
    pub served: Option<Mono>,
    /// The time at which the waiting frame was taken, if one waits.
    pub waits: Option<Mono>,
}

impl Default for Seat {
    fn default() -> Self {
        let level = Level::default();
        Self { level, period: level.period(), served: None, waits: None }
    }
}

impl Seat {
    /// Tells whether the frame that waits is too old to be analysed at `now`.
    #[inline]
    pub fn is_stale(&self, now: Mono) -> bool {
        self.waits.is_some_and(|taken| now.since(taken) > AGE_MAX)
    }

    /// Returns when it will have gone unseen for `gap_max`; the beginning of time where it never
    /// was seen.
    #[inline]
    fn deadline(&self, gap_max: Duration) -> Mono {
        self.served.map_or(Mono(0), |served| served + gap_max)
    }
}

/// Remembers what fairness needs from one turn to the next.
#[derive(Clone, Debug)]
pub struct Turns {
    /// No camera may go unseen for longer.
    pub gap_max: Duration,
    /// The last turn was taken from cameras in focus, or would have been.
    rescued: bool,
}

impl Turns {
    /// No turn yet.
    pub fn new(gap_max: Duration) -> Self {
        Self { gap_max, rescued: false }
    }

    /// Returns whose turn it is at `now`; of equals, whoever comes first in `seats`. None where no
    /// frame waits that is young enough. The caller takes the frame and sets the seat's `served`.
    #[inline]
    pub fn next<'s, K>(
        &mut self,
        seats: impl IntoIterator<Item = (K, &'s Seat)>,
        now: Mono,
    ) -> Option<K> {
        let mut rescue = Best::default();
        let mut focused = Best::default();
        let mut other = Best::default();
        for (key, seat) in seats {
            let Some(taken) = seat.waits else { continue };
            if seat.is_stale(now) {
                continue;
            }
            let deadline = seat.deadline(self.gap_max);
            if seat.level.is_in_focus() {
                focused.offer(key, deadline);
            } else if deadline <= taken + seat.period + AGE_MAX {
                rescue.offer(key, deadline.min(taken + AGE_MAX));
            } else {
                other.offer(key, Mono(u64::MAX - periods_waited(seat, now)));
            }
        }
        let (rescue, focused) = (rescue.key(), focused.key());
        if rescue.is_some() && !(self.rescued && focused.is_some()) {
            self.rescued = true;
            return rescue;
        }
        self.rescued = false;
        focused.or(other.key())
    }
}

/// Returns how many of its periods a camera has waited, in thousandths.
#[inline]
fn periods_waited(seat: &Seat, now: Mono) -> u64 {
    let waited = now.since(seat.served.unwrap_or_default()).as_micros();
    let period = seat.period.as_micros().max(1);
    u64::try_from(waited * 1000 / period).unwrap_or(u64::MAX)
}

/// The first of the earliest.
struct Best<K>(Option<(Mono, K)>);

impl<K> Default for Best<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K> Best<K> {
    #[inline]
    fn offer(&mut self, key: K, due: Mono) {
        if self.0.as_ref().is_none_or(|(best, _)| due < *best) {
            self.0 = Some((due, key));
        }
    }

    #[inline]
    fn key(self) -> Option<K> {
        self.0.map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_secs(6);
    const NOW: Mono = Mono(100_000_000);

    fn ago(seconds: f64) -> Option<Mono> {
        Some(NOW - Duration::from_secs_f64(seconds))
    }

    fn seat(level: Level, served_s: f64, waits_s: f64) -> Seat {
        Seat { level, period: level.period(), served: ago(served_s), waits: ago(waits_s) }
    }

    fn order(turns: &mut Turns, seats: &mut [Seat]) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some(index) = turns.next(seats.iter().enumerate(), NOW) {
            seats[index].waits = None;
            order.push(index);
        }
        order
    }

    #[test]
    fn focus_comes_first_and_others_by_their_own_periods() {
        let mut seats = [
            seat(Level::Idle, 1.5, 0.1),
            seat(Level::Curious, 0.6, 0.1),
            seat(Level::Focused, 0.2, 0.0),
            seat(Level::Focused, 0.3, 0.0),
            seat(Level::Idle, 2.5, 0.1),
            seat(Level::Idle, 2.5, 1.1),
        ];
        // The last one's frame is too old.
        assert_eq!(order(&mut Turns::new(GAP), &mut seats), [3, 2, 4, 1, 0]);
    }

    #[test]
    fn who_would_go_unseen_for_too_long_goes_before_focus_but_only_every_second_turn() {
        let mut seats = [
            seat(Level::Focused, 0.2, 0.0),
            seat(Level::Focused, 0.3, 0.0),
            seat(Level::Idle, 4.2, 0.1),
            seat(Level::Curious, 5.9, 0.1),
            seat(Level::Idle, 3.7, 0.1),
        ];
        assert_eq!(order(&mut Turns::new(GAP), &mut seats), [3, 1, 2, 0, 4]);
    }

    #[test]
    fn who_was_never_seen_is_first_and_the_most_overdue_next() {
        let mut seats = [
            seat(Level::Idle, 9.0, 0.9),
            seat(Level::Idle, 11.0, 0.1),
            Seat { waits: ago(0.0), ..Seat::default() },
        ];
        assert_eq!(order(&mut Turns::new(GAP), &mut seats), [2, 1, 0]);
    }

    #[test]
    fn a_frame_of_just_the_greatest_age_is_still_taken() {
        let mut turns = Turns::new(GAP);
        let young = Seat { waits: Some(NOW - AGE_MAX), ..Seat::default() };
        let old = Seat { waits: Some(NOW - AGE_MAX - Duration::from_micros(1)), ..Seat::default() };
        assert_eq!(turns.next([(1, &young)], NOW), Some(1));
        assert_eq!(turns.next([(1, &old)], NOW), None);
    }
}
