//! The audit log of who did what, and when: an append-only log whose records hold each other by
//! their hashes.
//!
//! One JSON object a line below `{store}/audit/`, in segments that follow each other:
//!
//! ```json
//! {"number":7,"at":"2026-11-21T15:14:03.120Z","who":{"kind":"team","name":"Tổ 3"},"via":"mqtt",
//!  "action":"acknowledge","subject":"kp3/20261121t151403120z-hem-42","detail":"","prev":"…",
//!  "hash":"…"}
//! ```
//!
//! `hash` is the SHA-256 of the line without its member `hash`; `prev` is the `hash` of the record
//! before, zeros in the first. So [`verify()`] finds whatever was changed, taken out, put in or
//! moved afterwards, but two things: records cut off at the end, and a log that was written anew
//! from some record on. Both need a head (the newest record's number and hash) that is kept where
//! whoever may write the store may not, such as the ward's retained status: [`ExpectedHead`].
//!
//! **Durability.** [`AuditLog::record`] answers once its record has survived an `fdatasync`; what
//! [`AuditLog::note`] takes is written within moments, and lost where the process dies before.
//! Nothing waits for this log that an alert waits for: what a full disk or a full queue keeps out
//! is counted, logged, and told by the next record that gets in (`audit_gap`). A last line that a
//! crash has torn is cut off at the next start, which is told too (`audit_repaired`).
//!
//! **Writers.** One at a time, over processes: each takes `audit/lock` for as long as it writes,
//! so that `keng user` can record what it does while the daemon runs.
//!
//! Segments are never deleted here. An admin may delete the oldest ones; what is left still
//! verifies, and says with which record it begins.

mod chain;
mod folder;
mod log;
mod quota;
mod verify;
mod writer;

use std::path::PathBuf;

pub use self::chain::ChainHead;
pub use self::folder::last;
pub use self::log::AuditLog;
pub use self::log::record_once;
pub use self::quota::Quota;
pub use self::verify::ChainError;
pub use self::verify::ExpectedHead;
pub use self::verify::VerifySummary;
pub use self::verify::verify;

/// Longer names and subjects are cut, characters.
const NAME_CHARS_MAX: usize = 200;
/// Longer details are cut, characters.
const DETAIL_CHARS_MAX: usize = 1_000;

/// The kind of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A user who has signed in.
    User,
    /// Whoever holds the key of a khu phố's team.
    Team,
    /// Whoever the broker has let write there, by the name they give.
    Mqtt,
    /// The daemon itself, or whoever works on its machine.
    System,
}

impl ActorKind {
    /// As the log writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Mqtt => "mqtt",
            Self::System => "system",
        }
    }
}

/// The person or part of the system that acts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// The kind of actor.
    pub kind: ActorKind,
    /// Their name, as far as it is known.
    pub name: String,
}

impl Actor {
    /// Makes an actor of this kind.
    pub fn new(kind: ActorKind, name: &str) -> Self {
        Self { kind, name: cut(name, NAME_CHARS_MAX) }
    }
}

/// The way on which an action came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The page in a browser.
    Page,
    /// The broker.
    Mqtt,
    /// A command on the daemon's machine.
    Cli,
    /// The daemon itself: nobody asked for it.
    System,
}

impl Via {
    /// As the log writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Mqtt => "mqtt",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }
}

/// A record to be written; the log adds number, time and hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// The actor that did it.
    pub who: Actor,
    /// The way on which it came in.
    pub via: Via,
    /// The action, in one word of lower-case letters and underscores, such as `sign_in`.
    pub action: &'static str,
    /// To what: an incident, a camera, a user.
    pub subject: String,
    /// Further facts that are worth knowing; never a secret.
    pub detail: String,
}

impl AuditRecord {
    /// With nothing else worth knowing. Long texts are cut.
    pub fn new(who: Actor, via: Via, action: &'static str, subject: &str) -> Self {
        let subject = cut(subject, NAME_CHARS_MAX);
        Self { who, via, action, subject, detail: String::new() }
    }

    /// The same with a detail, cut where it is long.
    #[must_use]
    pub fn detail(self, detail: &str) -> Self {
        Self { detail: cut(detail, DETAIL_CHARS_MAX), ..self }
    }

    /// A record that the log writes about itself.
    fn of_log(action: &'static str, detail: &str) -> Self {
        let who = Actor::new(ActorKind::System, "keng");
        Self::new(who, Via::System, action, "audit").detail(detail)
    }
}

/// A record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct StoredRecord {
    /// Counts up by one from 1.
    pub number: u64,
    /// The time of the action, RFC 3339, UTC, by the wall clock of its moment.
    pub at: String,
    /// The actor that did it.
    pub who: Actor,
    /// The way on which it came in.
    pub via: Via,
    /// The action, in one word.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Further facts.
    pub detail: String,
    /// The record's before.
    pub prev: String,
    /// Its own.
    pub hash: String,
}

/// A reason for which something could not be recorded or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system's.
    #[error("the audit log at {path} can't be used")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// More waits than is kept.
    #[error("too much waits for the audit log")]
    Full,
    /// The thread that writes is gone.
    #[error("the audit log is closed")]
    Closed,
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests;
