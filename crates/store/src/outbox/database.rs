//! sled as the outbox uses it: keys, one atomic batch at a time, and the sync that sled leaves out.
//!
//! | key | value |
//! | --- | --- |
//! | `e` sequence, big-endian | the record |
//! | `s` subject | sequence of the subject's newest entry |
//! | `l` subject | the same, while the subject is live |
//! | `n` subject | sequence of its newest entry with a snapshot, while the subject is live |
//! | `c` cursor's name | sequence up to which its reader is done |
//! | `k` key | a note: sequence of the entry that it came with, then what is noted |
//! | `t` word | what retention has taken, so that nothing that is absent goes unexplained |
//!
//! One tree holds them all, so that an entry and its indexes are one batch. Readers' dead letters
//! and first backlogs are trees of their own.

use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sled::Batch;
use sled::Db;
use sled::IVec;
use sled::Tree;

use super::Entry;
use super::Error;
use super::Sequence;
use super::record;
use super::sync;
use super::sync::Files;
use crate::time::Wall;

/// Bytes of pages that sled keeps in memory.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// The time for which the folder's lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// An open database.
pub(super) struct Database {
    db: Db,
    folder: PathBuf,
    files: Files,
}

/// Result of a read or write of the database.
pub(super) type Result<T> = std::result::Result<T, Error>;

impl Database {
    /// Opens, or makes, the database in `folder`. What a crash has left half-made is put right.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        if sync::clear_unfinished(folder).map_err(|error| system(folder, error))? {
            tracing::info!("a half-written index of the outbox is put away");
        }
        let db = match Self::recover(folder) {
            Err(Error::Damaged { detail, .. }) => {
                let aside = sync::set_indexes_aside(folder);
                if aside.map_err(|error| system(folder, error))? == 0 {
                    return Err(Error::Damaged { path: folder.to_owned(), detail });
                }
                tracing::error!(detail, "the outbox's index does not fit; reading its log anew");
                Self::recover(folder)?
            }
            result => result?,
        };
        let files = Files::open(folder).map_err(|error| system(folder, error))?;
        Ok(Self { db, folder: folder.to_owned(), files })
    }

    fn recover(folder: &Path) -> Result<Db> {
        let config =
            sled::Config::default().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let mut waited = Duration::ZERO;
        loop {
            // sled takes some damage for an error of its own and panics.
            let opened = guarded(folder, || config.open());
            match opened {
                // sled's own threads give a closed database's lock back a little later, and so does
                // a daemon that is just ending.
                Err(Error::Locked { .. }) if waited < LOCK_WAIT => {
                    std::thread::park_timeout(LOCK_POLL);
                    waited += LOCK_POLL;
                }
                result => return result,
            }
        }
    }

    /// Applies `batch` whole, and returns once it is on the disk itself.
    pub(super) fn commit(&self, batch: Batch) -> Result<()> {
        self.apply(batch)?;
        self.flush()?;
        self.files.sync().map_err(|error| system(&self.folder, error))
    }

    /// Applies `batch` whole, in memory.
    pub(super) fn apply(&self, batch: Batch) -> Result<()> {
        guarded(&self.folder, || self.db.apply_batch(batch))
    }

    /// Hands all that was applied to the system: safe from a crash, not yet from a power cut.
    pub(super) fn flush(&self) -> Result<()> {
        guarded(&self.folder, || self.db.flush().map(drop))
    }

    pub(super) fn last(&self) -> Result<Sequence> {
        let found = guarded(&self.folder, || self.db.scan_prefix(b"e").next_back().transpose())?;
        Ok(found.map_or(Sequence(0), |(key, _)| sequence(&key[1..])))
    }

    pub(super) fn entry(&self, at: Sequence) -> Result<Option<Entry>> {
        Ok(self.value(&entry_key(at))?.map(|value| decoded(at, &value)))
    }

    /// The entries of `first..=last` that there are, oldest first.
    pub(super) fn entries(
        &self,
        first: Sequence,
        last: Sequence,
    ) -> impl DoubleEndedIterator<Item = Result<Entry>> {
        let range = if first <= last { (first, last) } else { (Sequence(1), Sequence(0)) };
        let found = self.db.range(entry_key(range.0)..entry_key(range.1.next()));
        Guarded { found, folder: &self.folder }.map(|item| {
            let (key, value) = item?;
            Ok(decoded(sequence(&key[1..]), &value))
        })
    }

    /// Newest sequences of the subjects that are live.
    pub(super) fn live(&self) -> Result<Vec<Sequence>> {
        self.under(b"l")
    }

    /// Sequences whose snapshots are the newest ones of live subjects.
    pub(super) fn with_snapshot(&self) -> Result<Vec<Sequence>> {
        self.under(b"n")
    }

    /// Keys and values that begin with `prefix`, for whoever verifies them.
    pub(super) fn raw(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(IVec, IVec)>> {
        Guarded { found: self.db.scan_prefix(prefix), folder: &self.folder }
    }

    /// A number that retention has noted; 0 before the first time.
    pub(super) fn counter(&self, what: RetentionCounter) -> Result<u64> {
        Ok(self.place(what.key())?.unwrap_or_default().0)
    }

    /// Notes a number, at least as high as the one before.
    pub(super) fn set_counter(&self, what: RetentionCounter, number: u64) -> Result<()> {
        let number = number.max(self.counter(what)?);
        let mut batch = Batch::default();
        batch.insert(what.key(), &number.to_be_bytes());
        self.apply(batch)?;
        self.flush()
    }

    /// The places of all cursors.
    pub(super) fn cursors(&self) -> Result<Vec<Sequence>> {
        self.under(b"c")
    }

    /// Returns the value at `key`: an index's or a cursor's sequence.
    pub(super) fn place(&self, key: &[u8]) -> Result<Option<Sequence>> {
        Ok(self.value(key)?.map(|value| sequence(&value)))
    }

    /// The names of all cursors.
    pub(super) fn cursor_names(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for key in self.db.scan_prefix(b"c").keys() {
            let key = key.map_err(|error| self.failed(error))?;
            found.push(String::from_utf8_lossy(&key[1..]).into_owned());
        }
        Ok(found)
    }

    /// Another tree of the same database.
    pub(super) fn tree(&self, name: &str) -> Result<Tree> {
        self.db.open_tree(name).map_err(|error| self.failed(error))
    }

    /// Sets a key of `tree`, in memory.
    pub(super) fn inserted(&self, tree: &Tree, key: &[u8], value: Vec<u8>) -> Result<()> {
        tree.insert(key, value).map(drop).map_err(|error| self.failed(error))
    }

    /// Takes a key out of `tree`, in memory.
    pub(super) fn removed(&self, tree: &Tree, key: &[u8]) -> Result<()> {
        tree.remove(key).map(drop).map_err(|error| self.failed(error))
    }

    /// Brings all that was changed in memory to the disk itself.
    pub(super) fn sync(&self) -> Result<()> {
        self.commit(Batch::default())
    }

    /// sled's error in our words.
    pub(super) fn failed(&self, error: sled::Error) -> Error {
        storage(&self.folder, error)
    }

    fn under(&self, prefix: &[u8]) -> Result<Vec<Sequence>> {
        let mut found = Vec::new();
        for item in (Guarded { found: self.db.scan_prefix(prefix), folder: &self.folder }) {
            found.push(sequence(&item?.1));
        }
        found.sort_unstable();
        Ok(found)
    }

    fn value(&self, key: &[u8]) -> Result<Option<IVec>> {
        guarded(&self.folder, || self.db.get(key))
    }
}

/// A number that retention keeps.
#[derive(Clone, Copy)]
pub(super) enum RetentionCounter {
    /// The number of entries that were pruned.
    Entries,
    /// The sequence up to which any were.
    EntriesUpTo,
    /// The sequence up to which snapshots were deleted while their entries stayed.
    SnapshotsUpTo,
    /// The number of entries that were lost, and reported as such.
    Lost,
}

impl RetentionCounter {
    pub(super) fn key(self) -> &'static [u8] {
        match self {
            Self::Entries => b"tentries",
            Self::EntriesUpTo => b"tentries-up-to",
            Self::SnapshotsUpTo => b"tsnapshots-up-to",
            Self::Lost => b"tlost",
        }
    }
}

/// To an iterator's next item, from either end.
type Step = fn(&mut sled::Iter) -> Option<sled::Result<(IVec, IVec)>>;

/// Items of the database, damage as an error; nothing comes after one.
struct Guarded<'a> {
    found: sled::Iter,
    folder: &'a Path,
}

impl Guarded<'_> {
    fn step(&mut self, step: Step) -> Option<Result<(IVec, IVec)>> {
        guarded(self.folder, || step(&mut self.found).transpose()).transpose()
    }
}

impl Iterator for Guarded<'_> {
    type Item = Result<(IVec, IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(sled::Iter::next)
    }
}

impl DoubleEndedIterator for Guarded<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(sled::Iter::next_back)
    }
}

/// Runs `work` of sled's: an assertion of its that damage has broken is damage, too.
fn guarded<T>(folder: &Path, work: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| storage(folder, error)),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            let detail = said.unwrap_or_else(|| "the database gave up".to_owned());
            Err(Error::Damaged { path: folder.to_owned(), detail })
        }
    }
}

pub(super) fn entry_key(at: Sequence) -> [u8; 9] {
    let mut key = [b'e'; 9];
    key[1..].copy_from_slice(&at.0.to_be_bytes());
    key
}

pub(super) fn subject_key(subject: &str) -> Vec<u8> {
    [b"s", subject.as_bytes()].concat()
}

pub(super) fn live_key(subject: &str) -> Vec<u8> {
    [b"l", subject.as_bytes()].concat()
}

pub(super) fn snapshot_key(subject: &str) -> Vec<u8> {
    [b"n", subject.as_bytes()].concat()
}

pub(super) fn cursor_key(name: &str) -> Vec<u8> {
    [b"c", name.as_bytes()].concat()
}

/// Adds `entry` and its indexes to `batch`.
pub(super) fn insert(batch: &mut Batch, entry: &Entry) {
    batch.insert(&entry_key(entry.sequence), record::encode(entry));
    index(batch, entry);
}

/// Makes `entry` its subject's newest in `batch`.
pub(super) fn index(batch: &mut Batch, entry: &Entry) {
    let place = entry.sequence.0.to_be_bytes();
    batch.insert(subject_key(&entry.subject), &place);
    if !entry.live {
        batch.remove(live_key(&entry.subject));
        batch.remove(snapshot_key(&entry.subject));
        return;
    }
    batch.insert(live_key(&entry.subject), &place);
    if entry.snapshot {
        batch.insert(snapshot_key(&entry.subject), &place);
    }
}

/// Puts what is known as lost at `at`: the numbering goes on behind it, and readers pass it.
pub(super) fn insert_lost(batch: &mut Batch, at: Sequence) {
    batch.insert(&entry_key(at), &[]);
}

/// The system's error about `folder` in our words.
pub(super) fn system(folder: &Path, source: io::Error) -> Error {
    let path = folder.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::FileTooLarge
        | io::ErrorKind::WriteZero => Error::Full { path, source },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::Denied { path, source }
        }
        // sled tells a held lock by its words alone.
        _ if source.to_string().contains("could not acquire lock") => Error::Locked { path },
        _ => Error::Io { path, source },
    }
}

fn storage(folder: &Path, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => system(folder, source),
        other => Error::Damaged { path: folder.to_owned(), detail: other.to_string() },
    }
}

/// Farther ahead of the log than any power cut leaves a cursor.
const CURSOR_AHEAD_MAX: u64 = 100_000;

/// Returns whether a cursor may truly have been at `cursor`, with the log known up to `known`: the
/// log may have lost its end, but a number out of nowhere is damage.
pub(super) fn is_plausible_cursor(cursor: Sequence, known: Sequence) -> bool {
    cursor.0 <= known.0.saturating_add(CURSOR_AHEAD_MAX)
}

/// The number in an index's or a cursor's value, or in an entry's key.
pub(super) fn sequence(bytes: &[u8]) -> Sequence {
    let mut number = [0; 8];
    if bytes.len() == number.len() {
        number.copy_from_slice(bytes);
    }
    Sequence(u64::from_be_bytes(number))
}

/// Damage is passed on as an entry without a payload: it must not hide those behind it.
fn decoded(at: Sequence, bytes: &[u8]) -> Entry {
    record::decode(at, bytes).unwrap_or_else(|damage| {
        tracing::error!(sequence = at.0, %damage, "a record of the outbox is damaged");
        Entry {
            sequence: at,
            subject: Arc::from(""),
            live: false,
            wall: Wall::default(),
            payload: Arc::from([]),
            snapshot: false,
        }
    })
}
