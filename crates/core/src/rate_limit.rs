//! Limits on how often something may happen, by the generic cell rate algorithm.
//!
//! The algorithm (ITU-T I.371, 1996) is a leaky bucket that keeps one point of time instead of a
//! level and a time: the point at which all that has happened is paid for. It is pure, takes time
//! as data, and counts in whole microseconds.

use std::time::Duration;

use crate::time::Mono;

/// A burst that is allowed at once, and the interval after which one more event is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    interval: Duration,
    /// So far ahead of its intervals may somebody be and still have one more event.
    tolerance: Duration,
}

impl Limit {
    /// Allows `burst` events at once, at least 1, and one more in each `interval`.
    pub fn new(burst: u32, interval: Duration) -> Self {
        let interval_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
        let tolerance_us = interval_us.saturating_mul(u64::from(burst.max(1) - 1));
        Self {
            interval: Duration::from_micros(interval_us),
            tolerance: Duration::from_micros(tolerance_us),
        }
    }

    /// The time after which one more event is allowed.
    pub fn interval(self) -> Duration {
        self.interval
    }
}

/// The part of a [`Limit`] that one of those who are limited has used. A new one has used nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// The time at which everything that was counted is paid for: the algorithm's theoretical
    /// arrival time.
    paid_at: Mono,
}

impl Usage {
    /// The time from `now` until `limit` allows one more event; zero where it does so now.
    pub fn wait(&self, limit: Limit, now: Mono) -> Duration {
        self.paid_at.since(now + limit.tolerance)
    }

    /// Counts an event where `limit` allows it.
    ///
    /// # Errors
    /// The time until the next event is allowed; this one is not counted.
    pub fn take(&mut self, limit: Limit, now: Mono) -> Result<(), Duration> {
        match self.wait(limit, now) {
            Duration::ZERO => {
                self.count(limit, now);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Counts an event, whether it was allowed or not: the next one waits for it too.
    pub fn count(&mut self, limit: Limit, now: Mono) {
        self.paid_at = self.paid_at.max(now) + limit.interval;
    }

    /// Counts an event, whether it was allowed or not, as far as the limit can pay for it: however
    /// many are counted, the next one is allowed after one interval.
    pub fn count_capped(&mut self, limit: Limit, now: Mono) {
        self.count(limit, now);
        self.paid_at = self.paid_at.min(now + limit.tolerance + limit.interval);
    }

    /// Takes back one event that was counted.
    pub fn give_back(&mut self, limit: Limit) {
        self.paid_at = self.paid_at - limit.interval;
    }

    /// True while less than the whole burst is allowed; after that it may be forgotten at no loss.
    pub fn is_partly_used(&self, now: Mono) -> bool {
        self.paid_at > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn taken(usage: &mut Usage, limit: Limit, now: Mono) -> usize {
        (0..1_000).take_while(|_| usage.take(limit, now).is_ok()).count()
    }

    #[test]
    fn a_burst_is_allowed_at_once_and_then_one_an_interval() {
        let (mut usage, limit) = (Usage::default(), Limit::new(5, SECOND));
        let start = Mono(7_000_000);
        assert_eq!(taken(&mut usage, limit, start), 5);
        assert_eq!(usage.wait(limit, start), SECOND);
        assert_eq!(taken(&mut usage, limit, start + SECOND), 1);
        assert_eq!(taken(&mut usage, limit, start + 3 * SECOND), 2);
        assert_eq!(taken(&mut usage, limit, start + 100 * SECOND), 5, "more is never saved up");
    }

    #[test]
    fn an_interval_that_is_no_whole_number_of_microseconds_allows_no_larger_burst() {
        for a_minute in [1, 7, 30, 999, 100_000] {
            let limit = Limit::new(a_minute, Duration::from_secs(60) / a_minute);
            let mut usage = Usage::default();
            let count = (0..).take_while(|_| usage.take(limit, Mono(0)).is_ok()).count();
            assert_eq!(count, a_minute as usize);
        }
    }

    #[test]
    fn what_is_given_back_is_allowed_again() {
        let (mut usage, limit) = (Usage::default(), Limit::new(2, SECOND));
        assert_eq!(taken(&mut usage, limit, Mono(0)), 2);
        usage.give_back(limit);
        assert_eq!(taken(&mut usage, limit, Mono(0)), 1);
        let mut unused = Usage::default();
        unused.give_back(limit);
        assert_eq!(taken(&mut unused, limit, Mono(0)), 2);
    }

    #[test]
    fn counting_all_makes_the_next_wait_longer_unless_it_is_capped() {
        let limit = Limit::new(3, SECOND);
        let (mut counted, mut capped) = (Usage::default(), Usage::default());
        for _ in 0..10 {
            counted.count(limit, Mono(0));
            capped.count_capped(limit, Mono(0));
        }
        assert_eq!(counted.wait(limit, Mono(0)), 8 * SECOND);
        assert_eq!(capped.wait(limit, Mono(0)), SECOND);
        assert!(capped.is_partly_used(Mono(0)) && !capped.is_partly_used(Mono(0) + 4 * SECOND));
    }

    #[test]
    fn a_burst_of_zero_is_one() {
        assert_eq!(taken(&mut Usage::default(), Limit::new(0, SECOND), Mono(0)), 1);
    }
}
