//! Walks a parsed TOML table key by key and reports whatever is not as it should be.
//!
//! Every getter answers `None` where it has reported a fault, so that a reader goes on to the
//! next key and all faults come out at once. What was never asked for is an unknown key.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::faults::FaultReport;

/// A table that is being read.
pub(super) struct Section<'a> {
    report: &'a FaultReport<'a>,
    table: &'a DeTable<'a>,
    at: Range<usize>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The whole text.
    pub(super) fn root(report: &'a FaultReport<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            report,
            table: table.get_ref(),
            at: 0..0,
            path: String::new(),
            asked: RefCell::default(),
        }
    }

    /// The path of one of its keys.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A key's value, where it is there.
    pub(super) fn item(&self, key: &'static str) -> Option<Item<'a>> {
        self.asked.borrow_mut().push(key);
        let value = self.table.get(key)?;
        Some(Item { report: self.report, value, path: self.path_of(key) })
    }

    /// A key's value; a fault where it is not there.
    pub(super) fn required(&self, key: &'static str, remedy: &str) -> Option<Item<'a>> {
        let item = self.item(key);
        if item.is_none() {
            let message = "is missing".to_owned();
            self.report.absence(&self.at, &self.path_of(key), message, remedy);
        }
        item
    }

    /// A table within.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        self.item(key)?.section()
    }

    /// An array of tables within, `[[key]]`; empty where it is not there.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let items = self.item(key).and_then(|item| item.items()).unwrap_or_default();
        items.iter().filter_map(Item::section).collect()
    }

    /// Reports a fault of the section itself.
    pub(super) fn fault(&self, message: impl Into<String>, remedy: &str) {
        self.report.fault(&self.at, &self.path, message.into(), remedy);
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !asked.contains(&name) {
                let remedy = match nearest(name, &asked) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("known here: {}", asked.join(", ")),
                };
                let message = "unknown key".to_owned();
                self.report.fault(&key.span(), &self.path_of(name), message, &remedy);
            }
        }
    }
}

/// One value that is being read.
pub(super) struct Item<'a> {
    report: &'a FaultReport<'a>,
    value: &'a Spanned<DeValue<'a>>,
    path: String,
}

impl<'a> Item<'a> {
    /// Returns where the value begins.
    pub(super) fn at(&self) -> Range<usize> {
        self.value.span()
    }

    /// Its line, from 1.
    pub(super) fn line(&self) -> usize {
        self.report.line(&self.at())
    }

    /// Reports a fault of this value.
    pub(super) fn fault(&self, message: impl Into<String>, remedy: &str) {
        self.report.fault(&self.at(), &self.path, message.into(), remedy);
    }

    /// Reports a fault of this value that may only come of a text that could not be read whole.
    pub(super) fn absence(&self, message: impl Into<String>, remedy: &str) {
        self.report.absence(&self.at(), &self.path, message.into(), remedy);
    }

    /// Reports something about this value that is no fault.
    pub(super) fn warning(&self, message: impl Into<String>, remedy: &str) {
        self.report.warning(&self.at(), &self.path, message.into(), remedy);
    }

    /// A text, trimmed; a fault where it is empty, over 200 characters or has control characters.
    pub(super) fn text(&self) -> Option<&'a str> {
        let Some(text) = self.value.get_ref().as_str() else {
            return self.mismatch("a text in quotes");
        };
        let text = text.trim();
        if text.is_empty() {
            self.fault("is empty", "give it a text, or leave the key out");
        } else if text.chars().count() > 200 {
            self.fault("has over 200 characters", "shorten it");
        } else if text.chars().any(char::is_control) {
            self.fault("has control characters", "write it in one line of plain text");
        } else {
            return Some(text);
        }
        None
    }

    /// A text as it is, also an empty one; a fault where it is long or has control characters.
    pub(super) fn raw_text(&self, chars_max: usize) -> Option<&'a str> {
        let Some(text) = self.value.get_ref().as_str() else {
            return self.mismatch("a text in quotes");
        };
        if text.chars().count() > chars_max {
            self.fault(format!("has over {chars_max} characters"), "shorten it");
        } else if text.chars().any(char::is_control) {
            self.fault("has control characters", "write it in one line of plain text");
        } else {
            return Some(text);
        }
        None
    }

    /// A text of several lines, as it stands; a fault where it is empty or over `bytes_max` long.
    pub(super) fn long_text(&self, bytes_max: usize) -> Option<&'a str> {
        let Some(text) = self.value.get_ref().as_str() else {
            return self.mismatch("a text in quotes");
        };
        let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.trim().is_empty() {
            self.fault("is empty", "give it a text, or leave the key out");
        } else if text.len() > bytes_max {
            self.fault(format!("is over {bytes_max} bytes long"), "shorten it");
        } else if text.chars().any(strange) {
            self.fault("has control characters", "write it in plain text");
        } else {
            return Some(text);
        }
        None
    }

    /// Reports a fault at a byte of a text, where the file writes it without escapes.
    pub(super) fn fault_within(&self, byte: usize, message: impl Into<String>, remedy: &str) {
        let Range { start, end } = self.at();
        let at = (start + 1 + byte).min(end);
        self.report.fault(&(at..end), &self.path, message.into(), remedy);
    }

    /// true or false.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool().or_else(|| self.mismatch("true or false"))
    }

    /// A number within bounds; whole where `T` is.
    pub(super) fn number<T>(&self, bounds: RangeInclusive<T>, unit: &str) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("a number from {} to {}{unit}", bounds.start(), bounds.end());
        let digits = match self.value.get_ref() {
            DeValue::Integer(whole) if whole.radix() == 10 => whole.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => return self.mismatch(&expected),
        };
        let number = digits.parse::<T>().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            self.fault(format!("{digits} is out of range"), &format!("give {expected}"));
        }
        number
    }

    /// Seconds, over 0 and up to `seconds_max`.
    pub(super) fn seconds(&self, seconds_max: u32) -> Option<Duration> {
        let seconds = self.number(0.001..=f64::from(seconds_max), " (seconds)")?;
        Some(Duration::from_secs_f64(seconds))
    }

    /// A day, such as `2027-06-30` without quotes.
    pub(super) fn date(&self) -> Option<jiff::civil::Date> {
        let expected = "a day such as 2027-06-30, without quotes";
        let Some(written) = self.value.get_ref().as_datetime() else {
            return self.mismatch(expected);
        };
        let (Some(date), None) = (written.date, written.time) else {
            return self.mismatch(expected);
        };
        let parts = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
        let (Ok(year), Ok(month), Ok(day)) = parts else { return self.mismatch(expected) };
        jiff::civil::Date::new(year, month, day).ok().or_else(|| self.mismatch(expected))
    }

    /// The values of an array.
    pub(super) fn items(&self) -> Option<Vec<Item<'a>>> {
        let Some(array) = self.value.get_ref().as_array() else {
            return self.mismatch("a list in square brackets");
        };
        let item = |(index, value)| {
            let path = format!("{}[{index}]", self.path);
            Item { report: self.report, value, path }
        };
        Some(array.iter().enumerate().map(item).collect())
    }

    /// Tells whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// A table.
    pub(super) fn section(&self) -> Option<Section<'a>> {
        let Some(table) = self.value.get_ref().as_table() else {
            return self.mismatch("a table");
        };
        Some(Section {
            report: self.report,
            table,
            at: self.at(),
            path: self.path.clone(),
            asked: RefCell::default(),
        })
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&'static str> = words.iter().map(|(word, _)| *word).collect();
        let remedy = match nearest(text, &names) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("give one of {}", names.join(", ")),
        };
        self.fault(format!("{text:?} is not known"), &remedy);
        None
    }

    fn mismatch<T>(&self, expected: &str) -> Option<T> {
        let message = format!("expected {expected}, found {}", self.value.get_ref().type_str());
        self.fault(message, "");
        None
    }
}

/// The known word that a mistyped one most likely means: at most a third of it is wrong.
fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let limit = (word.chars().count() / 3).max(1);
    let mut best: Option<(usize, &'static str)> = None;
    for candidate in known {
        // Swapped neighbours are one mistake.
        let distance = strsim::osa_distance(word, candidate);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_recognised_and_a_strange_one_is_not() {
        let known = ["neighbours", "username", "url", "mask"];
        assert_eq!(nearest("neighbors", &known), Some("neighbours"));
        assert_eq!(nearest("usrename", &known), Some("username"));
        assert_eq!(nearest("ulr", &known), Some("url"));
        assert_eq!(nearest("brightness", &known), None);
    }

    #[test]
    fn edits_count_a_swap_once() {
        assert_eq!(strsim::osa_distance("ab", "ba"), 1);
        assert_eq!(strsim::osa_distance("", "abc"), 3);
        assert_eq!(strsim::osa_distance("kitten", "sitting"), 3);
    }
}
