//! The durable, ordered log of alerts. MQTT and the feed only read from it.
//!
//! It stores bytes and knows no incident: a `subject` says which entries belong together, and
//! `live` whether the subject still goes on, no more.
//!
//! # What is promised
//!
//! - **Who writes.** [`Outbox::append`] and [`Outbox::append_many`] alone add entries, one caller
//!   at a time. Sequences start at 1, have no gaps, and are never used twice, even where the log
//!   has lost its end: a mark beside the log and the readers' cursors say how far it was.
//! - **When an entry is durable.** When `append` has returned `Ok`: sled has written its log (it
//!   uses `sync_file_range`, which leaves the disk's own cache alone), and an `fdatasync` of the
//!   log has succeeded on top; what else sled makes, and the folders, are synced at open. Nobody
//!   sees an entry before: readers and [`Outbox::subscribe`] stop at the last durable sequence.
//!   `append_many` is a group commit: as many as there are for one `fdatasync`.
//! - **Snapshots** are files, written and synced before their entry. One that can't be written is
//!   left out with a warning: a picture never stops an alert.
//! - **What a crash or a power cut loses.** Entries whose `append` had not returned: all of them
//!   or none of a group. Cursor moves since the last sync: they are redelivered, with the same
//!   bytes. Nothing else, as long as a payload has less than 100 KB (an alert has a few): sled
//!   puts larger ones into files that it refers to before they are synced.
//! - **What a full disk loses.** Nothing but snapshots: those are refused while less is free than
//!   [`StorageLimits::reserve_bytes`]. Where an alert finds no room, `append` returns
//!   [`Error::Full`], the entry counts as never written, and the caller tries again. The database
//!   is opened anew at the next call, since sled refuses all work once a write has failed; cleared
//!   space is all it needs. [`Outbox::disk_space`] tells.
//! - **Who deletes.** [`Outbox::prune`] by age: never what a cursor has not passed, never a live
//!   subject's newest entry or newest snapshot, never the last entry. [`Outbox::set_limits`] by
//!   size, snapshots alone: the oldest, never a live subject's newest.
//! - **State.** [`Outbox::append_with_state`] writes small facts in the batch of their entries:
//!   all or nothing. The caller bounds their number.
//! - **Dead letters.** What a reader can never pass on is set aside for it ([`Outbox::set_aside`]),
//!   durably, and stays in the log like any other entry; the rest never waits for it.
//! - **Damage.** Each record carries a checksum over its sequence and bytes. A record that fails
//!   it is returned with an empty payload, so that readers can pass it; they count it. [`verify`]
//!   says of a store that nobody has open what is lost, and mends the rest.
//!
//! # What is not
//!
//! A disk that acknowledges a sync and forgets it, or that flips bits, is beyond this: sled ends
//! its log at the first message that it can't read, so damage in the middle may cost what stands
//! behind it since the last start. That is told, at start and by [`verify`], and the numbering
//! goes on behind what was lost; it is not brought back. The mark is not synced, so a power cut
//! *and* such damage together may leave the loss of the very last entries unnoticed.
//!
//! # Where it runs
//!
//! Every call but [`Outbox::subscribe`] and [`Outbox::last`] blocks on the disk. Call it from a
//! thread of its own or from `tokio::task::spawn_blocking`.

mod database;
mod dead_letters;
mod log;
mod high_water_mark;
mod state;
mod readers;
mod record;
mod disk_space;
mod snapshot;
mod sync;
mod verify;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::dead_letters::DEAD_LETTERS_MAX;
pub use self::dead_letters::DeadLetter;
pub use self::disk_space::DiskSpace;
pub use self::disk_space::StorageLimits;
pub use self::log::Outbox;
pub use self::readers::ReaderPosition;
pub use self::state::StateChange;
pub use self::verify::StoreFault;
pub use self::verify::StoreReport;
pub use self::verify::verify;

use crate::time::Wall;

/// An alert's place in the log; starts at 1, has no gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The place after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// An entry to be appended, but for the payload, which may want to know its sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The name of the entries that belong together, such as `kp3/<incident id>`; 1 to 1024 bytes,
    /// opaque here.
    pub subject: String,
    /// True if the subject goes on; its newest entry decides.
    pub live: bool,
    /// The wall time, for retention.
    pub wall: Wall,
    /// A JPEG that belongs to the entry.
    pub snapshot: Option<Vec<u8>>,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub sequence: Sequence,
    /// The name of the entries that belong together.
    pub subject: Arc<str>,
    /// True if the subject went on.
    pub live: bool,
    /// The wall time at which it was appended.
    pub wall: Wall,
    /// The alert's bytes, the same for ever; empty where the record is damaged.
    pub payload: Arc<[u8]>,
    /// True if [`Outbox::snapshot`] has a JPEG for it.
    pub snapshot: bool,
}

/// A reason for which the outbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it open.
    #[error(
        "the outbox at {path} is in use by another process; stop that one, or give this one \
         a [store] path of its own"
    )]
    Locked {
        /// The outbox's folder.
        path: PathBuf,
    },
    /// No room. Try again: it works as soon as there is.
    #[error("no room for the outbox at {path}; free some disk space")]
    Full {
        /// The outbox's folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The system does not allow it.
    #[error("no permission for the outbox at {path}; check the folder's owner and mode")]
    Denied {
        /// The outbox's folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Not what this program has written.
    #[error(
        "the outbox at {path} can't be read ({detail}); `keng check --store --repair` puts it \
         aside and begins a new one"
    )]
    Damaged {
        /// The outbox's folder.
        path: PathBuf,
        /// The part that does not fit.
        detail: String,
    },
    /// There is no store in the folder.
    #[error("there is no outbox at {path}; the daemon makes it at its first start")]
    Absent {
        /// The outbox's folder.
        path: PathBuf,
    },
    /// A subject of no or too many bytes.
    #[error("a subject has 1 to 1024 bytes, not {0}")]
    Subject(usize),
    /// Anything else of the disk's.
    #[error("the outbox at {path} can't be written or read")]
    Io {
        /// The outbox's folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}
