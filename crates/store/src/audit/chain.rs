//! One line: written, read, and held against its own hash. Pure.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Actor, AuditRecord, StoredRecord, Via};
use crate::time::Wall;

/// Longer lines are none of ours.
pub(super) const LINE_BYTES_MAX: usize = 32 * 1024;
/// Hexadecimal digits of a SHA-256.
const HASH_CHARS: usize = 64;
const HASH_MEMBER: &str = ",\"hash\":\"";

/// The newest record of a log: whoever keeps it elsewhere can tell that all up to it is there
/// and unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The record's number; 0: there is none.
    pub number: u64,
    /// The record's hash, 64 hexadecimal digits.
    pub hash: String,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self { number: 0, hash: "0".repeat(HASH_CHARS) }
    }
}

#[derive(Serialize)]
struct ChainLine<'a> {
    number: u64,
    at: String,
    who: &'a Actor,
    via: Via,
    action: &'a str,
    subject: &'a str,
    detail: &'a str,
    prev: &'a str,
}

/// The line of `record` after `head`, with its newline; `head` becomes the new one.
pub(super) fn write(record: &AuditRecord, at: Wall, head: &mut ChainHead) -> String {
    let number = head.number + 1;
    let millis = Wall(at.as_millis().saturating_mul(1_000));
    let line = ChainLine {
        number,
        at: format!("{:.3}", millis.to_jiff()),
        who: &record.who,
        via: record.via,
        action: record.action,
        subject: &record.subject,
        detail: &record.detail,
        prev: &head.hash,
    };
    let mut text = serde_json::to_string(&line).expect("texts and numbers are JSON");
    let hash = hex(text.as_bytes());
    text.truncate(text.len() - 1);
    text.push_str(HASH_MEMBER);
    text.push_str(&hash);
    text.push_str("\"}\n");
    *head = ChainHead { number, hash };
    text
}

/// Reads a line (without its newline), where its hash is that of its text.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(line: &[u8]) -> Result<StoredRecord, String> {
    let text = std::str::from_utf8(line).map_err(|_| "is no UTF-8 text".to_owned())?;
    let written: StoredRecord =
        serde_json::from_str(text).map_err(|error| format!("is no record: {error}"))?;
    let member = format!("{HASH_MEMBER}{}\"}}", written.hash);
    let Some(rest) = text.strip_suffix(&member) else {
        return Err("does not end with its hash".to_owned());
    };
    if hex(format!("{rest}}}").as_bytes()) != written.hash {
        return Err("was changed: its hash is not that of its text".to_owned());
    }
    Ok(written)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
