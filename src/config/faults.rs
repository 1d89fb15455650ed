//! Faults: what is wrong with a configuration, where, and what to do about it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// One thing that is wrong, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file as it was named on the command line.
    pub file: Arc<str>,
    /// From 1; 0 where the fault is the whole file's.
    pub line: usize,
    /// In characters, from 1; 0 where the fault is the whole file's.
    pub column: usize,
    /// The key, such as `camera[2].zone[0].polygon`; empty where the fault is no key's.
    pub path: String,
    /// The fault; holds no secret.
    pub message: String,
    /// The remedy; may be empty.
    pub remedy: String,
}

impl Fault {
    /// A fault of the whole file.
    pub fn of_file(file: &Path, message: String, remedy: &str) -> Self {
        Self {
            file: file.display().to_string().into(),
            line: 0,
            column: 0,
            path: String::new(),
            message,
            remedy: remedy.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        for part in [&self.path, &self.message, &self.remedy] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        Ok(())
    }
}

/// Every fault of one configuration, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Collects faults and warnings while a text is read, and knows where in the text they are.
pub(super) struct FaultReport<'a> {
    file: Arc<str>,
    text: &'a str,
    /// Tells whether the text itself could not be read whole: what seems missing may only be
    /// unread.
    broken: bool,
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<Fault>>,
}

impl<'a> FaultReport<'a> {
    pub(super) fn new(file: &str, text: &'a str, broken: bool) -> Self {
        Self {
            file: file.into(),
            text,
            broken,
            faults: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn fault(&self, at: &Range<usize>, path: &str, message: String, remedy: &str) {
        self.faults.borrow_mut().push(self.locate(at, path, message, remedy));
    }

    /// A fault that a broken text would cause by itself, and that is left out there.
    pub(super) fn absence(&self, at: &Range<usize>, path: &str, message: String, remedy: &str) {
        if !self.broken {
            self.fault(at, path, message, remedy);
        }
    }

    pub(super) fn warning(&self, at: &Range<usize>, path: &str, message: String, remedy: &str) {
        self.warnings.borrow_mut().push(self.locate(at, path, message, remedy));
    }

    /// The line of a byte of the text, from 1.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        self.position(at.start).0
    }

    /// Faults and warnings, each in the order of the text.
    pub(super) fn into_parts(self) -> (Vec<Fault>, Vec<Fault>) {
        let sorted = |cell: RefCell<Vec<Fault>>| {
            let mut list = cell.into_inner();
            list.sort_by_key(|fault| (fault.line, fault.column));
            list
        };
        (sorted(self.faults), sorted(self.warnings))
    }

    fn locate(&self, at: &Range<usize>, path: &str, message: String, remedy: &str) -> Fault {
        let (line, column) = self.position(at.start);
        Fault {
            file: self.file.clone(),
            line,
            column,
            path: path.to_owned(),
            message,
            remedy: remedy.to_owned(),
        }
    }

    fn position(&self, byte: usize) -> (usize, usize) {
        let mut end = byte.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters_and_not_bytes() {
        let text = "a = 1\ntên = \"Hẻm\" # x\n";
        let report = FaultReport::new("x.toml", text, false);
        let at = text.find('#').unwrap();
        report.fault(&(at..at + 1), "tên", "wrong".into(), "mend it");
        let (faults, _) = report.into_parts();
        assert_eq!(faults[0].to_string(), "x.toml:2:13: tên: wrong: mend it");
    }

    #[test]
    fn faults_come_in_the_order_of_the_file() {
        let report = FaultReport::new("x.toml", "a\nb\nc\n", false);
        report.fault(&(4..5), "c", "third".into(), "");
        report.fault(&(0..1), "a", "first".into(), "");
        let (faults, _) = report.into_parts();
        assert_eq!(Faults(faults).to_string(), "x.toml:1:1: a: first\nx.toml:3:1: c: third");
    }
}
