//! Checks that the log is as it was written.

use std::path::{Path, PathBuf};

use super::chain;
use super::chain::ChainHead;
use super::folder::{Folder, lines};

/// A head that was kept elsewhere: the log must have it.
pub type ExpectedHead = ChainHead;

/// The contents of a log that checks out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifySummary {
    /// The first record's number; over 1 where older segments have been deleted. 0: no record.
    pub first: u64,
    /// The newest record.
    pub head: ChainHead,
    /// Files.
    pub segments: usize,
    /// Bytes of a last line that a crash has torn; the next start cuts them off.
    pub torn: usize,
}

/// The first place at which the log does not check out.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A line.
    #[error("{path}, line {line}{number}: {reason}", number = named(*number))]
    Line {
        /// The segment.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Of the record, where it can be read.
        number: Option<u64>,
        /// The fault of the line.
        reason: String,
    },
    /// The log lacks what somebody has seen in it.
    #[error("record {number} with the hash {hash} is not in the log: {reason}")]
    Head {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: String,
        /// The record or end that is there instead.
        reason: String,
    },
    /// It can't be read.
    #[error(transparent)]
    Unreadable(#[from] super::Error),
}

fn named(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| format!(" (record {number})"))
}

/// Reads the whole log of the store at `store` and checks every line. `expected`: a head that was
/// kept elsewhere.
///
/// # Errors
/// The first thing that does not fit.
pub fn verify(store: &Path, expected: Option<&ExpectedHead>) -> Result<VerifySummary, ChainError> {
    let folder = Folder::of(store);
    // Else a line that is just being written would look torn.
    let _held = folder.hold_for_reading();
    let segments = folder.segments()?;
    let mut verification = Verification { head: None, first: 0, torn: 0, seen: None };
    let count = segments.len();
    for (index, segment) in segments.iter().enumerate() {
        verification.segment(&segment.path, index + 1 == count, expected)?;
    }
    let head = verification.head.unwrap_or_default();
    if let Some(ChainHead { number, hash }) = expected.filter(|expected| expected.number > 0) {
        let absent = |reason| ChainError::Head { number: *number, hash: hash.clone(), reason };
        match verification.seen {
            Some(seen) if seen == *hash => {}
            Some(seen) => return Err(absent(format!("record {number} has the hash {seen}"))),
            None if *number > head.number => {
                return Err(absent(format!("the log ends with record {}", head.number)));
            }
            None => {
                return Err(absent(format!("the log begins with record {}", verification.first)));
            }
        }
    }
    Ok(VerifySummary { first: verification.first, head, segments: count, torn: verification.torn })
}

struct Verification {
    head: Option<ChainHead>,
    first: u64,
    torn: usize,
    /// The hash of the expected record's number.
    seen: Option<String>,
}

impl Verification {
    fn segment(
        &mut self,
        path: &Path,
        is_last: bool,
        expected: Option<&ExpectedHead>,
    ) -> Result<(), ChainError> {
        let failed = |source| super::Error::Io { path: path.to_owned(), source };
        for (index, line) in lines(path).map_err(failed)?.enumerate() {
            let line = line.map_err(failed)?;
            let broken = |number, reason: String| ChainError::Line {
                path: path.to_owned(),
                line: index + 1,
                number,
                reason,
            };
            if !line.whole && is_last && line.bytes.len() < chain::LINE_BYTES_MAX {
                self.torn = line.bytes.len();
                return Ok(());
            }
            if !line.whole {
                return Err(broken(None, "has no end".to_owned()));
            }
            let record = chain::read(&line.bytes).map_err(|reason| broken(None, reason))?;
            let number = record.number;
            if let Some(before) = &self.head {
                let due = before.number + 1;
                if number != due {
                    let reason = format!("record {due} should stand here: some were taken out");
                    return Err(broken(Some(number), reason));
                }
                if record.prev != before.hash {
                    let reason = format!("does not follow from record {}", before.number);
                    return Err(broken(Some(number), reason));
                }
            } else {
                self.first = number;
                if number <= 1 && (number, &record.prev) != (1, &ChainHead::default().hash) {
                    let reason = "is no beginning: it follows from something else".to_owned();
                    return Err(broken(Some(number), reason));
                }
            }
            if expected.is_some_and(|expected| expected.number == number) {
                self.seen = Some(record.hash.clone());
            }
            self.head = Some(ChainHead { number, hash: record.hash });
        }
        Ok(())
    }
}
