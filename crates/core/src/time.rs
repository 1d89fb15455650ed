//! The two clocks, and the only place that reads them.
//!
//! *Wall* time is for people and for the night hours; it may jump. *Monotonic* time is for
//! durations (dwell, confirmation, cool-down, staleness); it never runs backwards. A [`Stamp`]
//! carries both, so that whoever holds one never has to ask.
//!
//! Does not belong here: waiting. That is `tokio::time`'s, so that tests can pause it.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A point of wall time: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(pub i64);

impl Wall {
    /// Whole milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The same point as jiff knows it; a point outside jiff's years is clamped into them.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// From jiff's timestamp, truncated to microseconds.
    pub fn from_jiff(timestamp: jiff::Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }

    /// RFC 3339 with milliseconds and the zone's offset, as alerts carry it.
    pub fn to_rfc3339(self, zone: &jiff::tz::TimeZone) -> String {
        let zoned = self.to_jiff().to_zoned(zone.clone());
        zoned.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }

    /// Parses RFC 3339 as [`Wall::to_rfc3339`] writes it.
    ///
    /// # Errors
    /// jiff's own, which says what of the text could not be read.
    pub fn parse_rfc3339(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(Self::from_jiff)
    }
}

impl Add<Duration> for Wall {
    type Output = Self;
    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// A point of monotonic time: microseconds since an arbitrary start (the process's, or a replay's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// Time from `earlier` to `self`; zero where `earlier` is not earlier.
    #[inline]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Seconds from `earlier` to `self`; zero where `earlier` is not earlier.
    #[inline]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.since(earlier).as_secs_f64()
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;
    #[inline]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp {
    /// For durations. Stands first, so that stamps order by it.
    pub mono: Mono,
    /// For people.
    pub wall: Wall,
}

impl Add<Duration> for Stamp {
    type Output = Self;
    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self { mono: self.mono + duration, wall: self.wall + duration }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wall.to_jiff())
    }
}

/// Tells the time. Passed to whoever stamps what comes in from outside.
pub trait Clock: Send + Sync + 'static {
    /// Now, on both clocks.
    fn now(&self) -> Stamp;

    /// Processor time that this process has used, all threads together.
    fn processor(&self) -> Duration {
        Duration::ZERO
    }
}

/// A clock that stands still until it is told to move: for tests and for replays.
#[derive(Debug, Default)]
pub struct ManualClock {
    mono: AtomicU64,
    wall: AtomicI64,
}

impl ManualClock {
    /// Starts at `stamp`.
    pub fn new(stamp: Stamp) -> Self {
        Self { mono: AtomicU64::new(stamp.mono.0), wall: AtomicI64::new(stamp.wall.0) }
    }

    /// Moves both clocks to `stamp`.
    pub fn set(&self, stamp: Stamp) {
        self.mono.store(stamp.mono.0, Ordering::SeqCst);
        self.wall.store(stamp.wall.0, Ordering::SeqCst);
    }

    /// Moves both clocks on by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now() + duration);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp {
            mono: Mono(self.mono.load(Ordering::SeqCst)),
            wall: Wall(self.wall.load(Ordering::SeqCst)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_time_survives_its_text() {
        let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
        let wall = Wall::parse_rfc3339("2026-11-21T22:14:03.120+07:00").unwrap();
        assert_eq!(wall.to_rfc3339(&zone), "2026-11-21T22:14:03.120+07:00");
    }

    #[test]
    fn monotonic_differences_never_go_below_zero() {
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!((Mono(5) - Duration::from_secs(1)).0, 0);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::default();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_millis(3));
        assert_eq!(clock.now().mono.since(before.mono), Duration::from_millis(3));
    }
}
