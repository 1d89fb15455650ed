//! Days of the ward.

use std::ops::Range;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::time::Wall;

/// A report is of no more days: ten years.
pub const DAYS_MAX: usize = 3_653;

/// Some days in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first day.
    #[serde(serialize_with = "as_text")]
    pub from: Date,
    /// The last day; all of it belongs to the span.
    #[serde(serialize_with = "as_text")]
    pub to: Date,
}

/// The reason why two days make no [`Span`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// The end is first.
    #[error("the period ends ({to}) before it begins ({from})")]
    Backwards {
        /// As given.
        from: Date,
        /// As given.
        to: Date,
    },
    /// Or too far from our days for what lies before to be told.
    #[error("a report is of {DAYS_MAX} days at most, between the years 1900 and 9998")]
    TooLong,
}

impl Span {
    /// From the first day to the last one.
    ///
    /// # Errors
    /// [`SpanError`] where they are in the wrong order or too far apart.
    pub fn new(from: Date, to: Date) -> Result<Self, SpanError> {
        if to < from {
            return Err(SpanError::Backwards { from, to });
        }
        let near = (1900..=9998).contains(&from.year()) && to.year() <= 9998;
        let span = Self { from, to };
        if !near || span.days() > DAYS_MAX { Err(SpanError::TooLong) } else { Ok(span) }
    }

    /// The `days` whole days before that of `now`.
    pub fn last_days(days: u16, now: Wall, zone: &TimeZone) -> Self {
        let today = now.to_jiff().to_zoned(zone.clone()).date();
        let days = i64::from(days.max(1));
        Self { from: today.saturating_sub(days.days()), to: today.saturating_sub(1.days()) }
    }

    /// The first of `days` days of which `to` is the last.
    pub fn days_until(to: Date, days: u16) -> Date {
        to.saturating_sub((i64::from(days.max(1)) - 1).days())
    }

    /// Returns the number of days.
    pub fn days(self) -> usize {
        index(self.from, self.to).map_or(0, |last| last + 1)
    }

    /// As many days before.
    #[must_use]
    pub fn before(self) -> Self {
        let days = i64::try_from(self.days()).unwrap_or(i64::MAX);
        let back = |date: Date| date.saturating_sub(days.days());
        Self { from: back(self.from), to: back(self.to) }
    }

    /// From the first moment of the first day to the first one behind the last.
    pub fn range(self, zone: &TimeZone) -> Range<Wall> {
        let start = |date: Date| {
            let zoned = date.to_zoned(zone.clone());
            zoned.map_or(Wall(i64::MAX), |zoned| Wall::from_jiff(zoned.timestamp()))
        };
        start(self.from)..start(self.to.saturating_add(1.days()))
    }

    /// Every day.
    pub(super) fn dates(self) -> impl Iterator<Item = Date> {
        self.from.series(1.day()).take_while(move |date| *date <= self.to)
    }

    /// Returns which day of the span a date is.
    pub(super) fn index(self, date: Date) -> Option<usize> {
        if date > self.to { None } else { index(self.from, date) }
    }

    /// Tells whether a moment falls on one of its days.
    pub(super) fn has(self, at: Wall, zone: &TimeZone) -> bool {
        self.index(at.to_jiff().to_zoned(zone.clone()).date()).is_some()
    }
}

/// Days from `from` to `date`; none where it lies before.
fn index(from: Date, date: Date) -> Option<usize> {
    let days = from.duration_until(date).as_hours() / 24;
    usize::try_from(days).ok().filter(|_| date >= from)
}

pub(super) fn as_text<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(date)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn the_span_before_has_as_many_days() {
        let november = Span::new(date(2026, 11, 1), date(2026, 11, 30)).unwrap();
        assert_eq!(november.days(), 30);
        let before = november.before();
        assert_eq!((before.from, before.to), (date(2026, 10, 2), date(2026, 10, 31)));
        let day = Span::new(date(2028, 3, 1), date(2028, 3, 1)).unwrap();
        assert_eq!(day.before().to, date(2028, 2, 29));
        assert_eq!(november.dates().count(), 30);
        assert_eq!(november.index(date(2026, 11, 30)), Some(29));
        assert_eq!((november.index(before.to), november.index(date(2026, 12, 1))), (None, None));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        let (a, b) = (date(2026, 11, 2), date(2026, 11, 1));
        assert_eq!(Span::new(a, b), Err(SpanError::Backwards { from: a, to: b }));
        assert_eq!(Span::new(date(2000, 1, 1), b), Err(SpanError::TooLong));
        assert_eq!(Span::new(date(1, 1, 1), date(1, 1, 1)), Err(SpanError::TooLong));
        assert_eq!(Span::new(Date::MAX, Date::MAX), Err(SpanError::TooLong));
        assert!(Span::new(date(2020, 1, 1), date(2029, 12, 31)).is_ok());
    }

    #[test]
    fn days_are_the_zone_s_and_may_have_23_or_25_hours() {
        let hours = |name: &str, day: Date| {
            let range = Span { from: day, to: day }.range(&zone(name));
            (range.end.0 - range.start.0) / 3_600_000_000
        };
        assert_eq!(hours("Asia/Ho_Chi_Minh", date(2026, 11, 21)), 24);
        assert_eq!(hours("Europe/Berlin", date(2026, 3, 29)), 23);
        assert_eq!(hours("Europe/Berlin", date(2026, 10, 25)), 25);
        // Clocks in Beirut go forward at midnight: the day begins at one.
        assert_eq!(hours("Asia/Beirut", date(2026, 3, 29)), 23);
        let week = Span::last_days(
            7,
            Wall::parse_rfc3339("2026-11-21T17:30:00Z").unwrap(),
            &zone("Asia/Ho_Chi_Minh"),
        );
        assert_eq!((week.from, week.to), (date(2026, 11, 15), date(2026, 11, 21)));
    }
}
