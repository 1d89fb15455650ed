//! Words and numbers as people of the ward write them.

use jiff::civil::Date;

use super::{Rate, Span};
use crate::incident::Kind;
use crate::ward::Language;

/// The sign for a figure that is missing.
pub(super) const NONE: &str = "–";

/// Writes in one language.
#[derive(Clone, Copy)]
pub(super) struct Words(pub(super) Language);

impl Words {
    /// The one or the other.
    pub(super) fn say(self, vi: &'static str, en: &'static str) -> &'static str {
        if self.is_vi() { vi } else { en }
    }

    pub(super) fn is_vi(self) -> bool {
        self.0 == Language::Vi
    }

    /// An incident's kind.
    pub(super) fn kind(self, kind: Kind) -> &'static str {
        let facts = kind.facts();
        facts.report_name.unwrap_or(facts.name).of(self.0)
    }

    /// A whole number, its thousands set apart.
    pub(super) fn count(self, number: u64) -> String {
        let digits = number.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push_str(self.say(".", ","));
            }
            text.push(digit);
        }
        text
    }

    /// A number with so many decimals.
    pub(super) fn decimal(self, number: f64, decimals: usize) -> String {
        let text = format!("{number:.decimals$}");
        if self.is_vi() { text.replace('.', ",") } else { text }
    }

    /// A share of 0..1 as percent.
    pub(super) fn percent(self, share: f64, decimals: usize) -> String {
        format!("{} %", self.decimal(share * 100.0, decimals))
    }

    /// The same, where there is one.
    pub(super) fn some_percent(self, share: Option<f64>, decimals: usize) -> String {
        share.map_or_else(|| NONE.to_owned(), |share| self.percent(share, decimals))
    }

    /// Returns how a count has changed, in percent and in number. `comparable`: the span before is
    /// known.
    pub(super) fn change(self, value: u64, before: u64, comparable: bool) -> String {
        if !comparable {
            return self.say("không có kỳ trước", "no period before").to_owned();
        }
        let (by, sign, word) = match value.cmp(&before) {
            std::cmp::Ordering::Less => (before - value, "−", self.say("giảm", "down")),
            std::cmp::Ordering::Equal => return self.say("không đổi", "unchanged").to_owned(),
            std::cmp::Ordering::Greater => (value - before, "+", self.say("tăng", "up")),
        };
        let number = self.count(by);
        match super::uptime::share(by, before) {
            Some(share) => format!("{word} {} ({sign}{number})", self.percent(share, 2)),
            None => format!("{word} {number} ({})", self.say("kỳ trước không có", "none before")),
        }
    }

    pub(super) fn date(self, date: Date) -> String {
        date.strftime(self.say("%d/%m/%Y", "%Y-%m-%d")).to_string()
    }

    pub(super) fn span(self, span: Span) -> String {
        let days = self.count(span.days() as u64);
        let unit = match (self.is_vi(), span.days()) {
            (true, _) => "ngày",
            (false, 1) => "day",
            (false, _) => "days",
        };
        format!("{} – {} ({days} {unit})", self.date(span.from), self.date(span.to))
    }

    /// Seconds, in the unit that fits.
    pub(super) fn seconds(self, seconds: Option<f64>) -> String {
        let Some(seconds) = seconds else { return NONE.to_owned() };
        if seconds < 99.5 {
            format!("{} {}", self.decimal(seconds, 0), self.say("giây", "s"))
        } else if seconds < 99.5 * 60.0 {
            format!("{} {}", self.decimal(seconds / 60.0, 1), self.say("phút", "min"))
        } else {
            format!("{} {}", self.decimal(seconds / 3_600.0, 1), self.say("giờ", "h"))
        }
    }

    /// Milliseconds as hours.
    #[expect(clippy::cast_precision_loss, reason = "hours with one decimal")]
    pub(super) fn hours(self, ms: u64) -> String {
        self.decimal(ms as f64 / 3_600_000.0, 1)
    }

    /// The ends of a rate's interval.
    pub(super) fn interval(self, rate: &Rate) -> String {
        match (rate.low, rate.high) {
            (Some(low), Some(high)) => {
                let low = self.decimal(low * 100.0, 1);
                format!("{low} – {}", self.percent(high, 1))
            }
            _ => NONE.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VI: Words = Words(Language::Vi);
    const EN: Words = Words(Language::En);

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(
            (VI.count(1_234_567), EN.count(1_234_567)),
            ("1.234.567".into(), "1,234,567".into())
        );
        assert_eq!(
            (VI.count(0), VI.count(999), VI.count(1_000)),
            ("0".into(), "999".into(), "1.000".into())
        );
        assert_eq!((VI.percent(0.3433, 2), EN.percent(1.0, 0)), ("34,33 %".into(), "100 %".into()));
        assert_eq!(VI.seconds(Some(45.4)), "45 giây");
        assert_eq!(VI.seconds(Some(150.0)), "2,5 phút");
        assert_eq!(EN.seconds(Some(9_000.0)), "2.5 h");
        assert_eq!(VI.seconds(None), "–");
    }

    #[test]
    fn a_change_is_told_as_wards_tell_it() {
        assert_eq!(VI.change(44, 67, true), "giảm 34,33 % (−23)");
        assert_eq!(VI.change(9, 6, true), "tăng 50,00 % (+3)");
        assert_eq!(VI.change(5, 5, true), "không đổi");
        assert_eq!(VI.change(0, 0, true), "không đổi");
        assert_eq!(VI.change(5, 0, true), "tăng 5 (kỳ trước không có)");
        assert_eq!(VI.change(5, 5, false), "không có kỳ trước");
        assert_eq!(EN.change(0, 3, true), "down 100.00 % (−3)");
    }
}
