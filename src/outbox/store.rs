//! sled as the outbox uses it: keys, one atomic batch at a time, and the sync that sled leaves out.
//!
//! | key | value |
//! | --- | --- |
//! | `e` sequence, big-endian | the record |
//! | `s` subject | sequence of the subject's newest entry |
//! | `l` subject | the same, while the subject is live |
//! | `c` cursor's name | sequence up to which its reader is done |
//!
//! One tree holds them all, so that an entry and its indexes are one batch. Readers' dead letters
//! and first backlogs are trees of their own.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use ::sled::Batch;
use ::sled::Db;
use ::sled::IVec;
use ::sled::Tree;

use super::Entry;
use super::Error;
use super::Sequence;
use super::record;
use crate::time::Wall;

/// Bytes of pages that sled keeps in memory.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// How long the folder's lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// An open database.
pub(super) struct Store {
    db: Db,
    folder: PathBuf,
    /// sled's log file, opened once more, only to `fdatasync` it.
    log: File,
    /// sled puts what is too large for its log into files of their own, and syncs none.
    blobs_synced: Mutex<BTreeSet<OsString>>,
}

/// Result of a read or write of the store.
pub(super) type Result<T> = std::result::Result<T, Error>;

impl Store {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let config =
            ::sled::Config::default().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let mut waited = Duration::ZERO;
        let db = loop {
            match config.open().map_err(|error| storage(folder, error)) {
                // sled's own threads give a closed store's lock back a little later, and so does
                // a daemon that is just ending.
                Err(Error::Locked { .. }) if waited < LOCK_WAIT => {
                    std::thread::park_timeout(LOCK_POLL);
                    waited += LOCK_POLL;
                }
                result => break result?,
            }
        };
        let log = File::open(folder.join("db")).map_err(|error| system(folder, error))?;
        let blobs_synced = Mutex::default();
        Ok(Self { db, folder: folder.to_owned(), log, blobs_synced })
    }

    /// Applies `batch` whole, and returns once it is on the disk itself.
    pub(super) fn commit(&self, batch: Batch) -> Result<()> {
        self.apply(batch)?;
        self.flush()?;
        self.sync_blobs().and_then(|()| self.log.sync_data()).map_err(|e| system(&self.folder, e))
    }

    /// Applies `batch` whole, in memory.
    pub(super) fn apply(&self, batch: Batch) -> Result<()> {
        self.db.apply_batch(batch).map_err(|error| storage(&self.folder, error))
    }

    /// Hands all that was applied to the system: safe from a crash, not yet from a power cut.
    pub(super) fn flush(&self) -> Result<()> {
        self.db.flush().map(drop).map_err(|error| storage(&self.folder, error))
    }

    pub(super) fn last(&self) -> Result<Sequence> {
        match self.db.scan_prefix(b"e").next_back().transpose() {
            Ok(found) => Ok(found.map_or(Sequence(0), |(key, _)| sequence(&key[1..]))),
            Err(error) => Err(storage(&self.folder, error)),
        }
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
        found.map(|item| {
            let (key, value) = item.map_err(|error| storage(&self.folder, error))?;
            Ok(decoded(sequence(&key[1..]), &value))
        })
    }

    /// Newest sequences of the subjects that are live.
    pub(super) fn live(&self) -> Result<Vec<Sequence>> {
        self.under(b"l")
    }

    /// The places of all cursors.
    pub(super) fn cursors(&self) -> Result<Vec<Sequence>> {
        self.under(b"c")
    }

    /// What stands at `key`: an index's or a cursor's sequence.
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
    pub(super) fn failed(&self, error: ::sled::Error) -> Error {
        storage(&self.folder, error)
    }

    fn under(&self, prefix: &[u8]) -> Result<Vec<Sequence>> {
        let mut found = Vec::new();
        for value in self.db.scan_prefix(prefix).values() {
            found.push(sequence(&value.map_err(|error| storage(&self.folder, error))?));
        }
        found.sort_unstable();
        Ok(found)
    }

    fn value(&self, key: &[u8]) -> Result<Option<IVec>> {
        self.db.get(key).map_err(|error| storage(&self.folder, error))
    }

    fn sync_blobs(&self) -> io::Result<()> {
        let folder = self.folder.join("blobs");
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut synced = self.blobs_synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = BTreeSet::new();
        for blob in listing {
            let name = blob?.file_name();
            if !synced.contains(&name) {
                match File::open(folder.join(&name)).and_then(|file| file.sync_data()) {
                    // sled has dropped it meanwhile: it is no longer needed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    result => result?,
                }
            }
            present.insert(name);
        }
        if !present.is_subset(&synced) {
            File::open(&folder)?.sync_all()?;
        }
        *synced = present;
        Ok(())
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
    if entry.live {
        batch.insert(live_key(&entry.subject), &place);
    } else {
        batch.remove(live_key(&entry.subject));
    }
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

fn storage(folder: &Path, error: ::sled::Error) -> Error {
    match error {
        ::sled::Error::Io(source) => system(folder, source),
        other => Error::Damaged { path: folder.to_owned(), detail: other.to_string() },
    }
}

/// A sequence's eight bytes; 0 where there are not as many.
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
