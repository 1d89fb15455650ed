//! The log itself: who may write when, and what readers may see.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use sled::Batch;
use tokio::sync::watch;

use super::database::{Database, Result, RetentionCounter};
use super::disk_space;
use super::high_water_mark::HighWaterMark;
use super::record::SUBJECT_BYTES_MAX;
use super::snapshot::Snapshots;
use super::state;
use super::{Append, DiskSpace, Entry, Error, Sequence, StateChange, StorageLimits, database};
use crate::time::Wall;

/// Entries deleted in one batch.
const PRUNE_BATCH: usize = 256;

/// A handle of the log; clones share it. Every call blocks on the disk but [`Outbox::last`] and
/// [`Outbox::subscribe`]; all of them fail with [`Error`] where the disk does.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    snapshots: Snapshots,
    /// None while a failed database could not be reopened. Taken after `writer`.
    database: RwLock<Option<Database>>,
    writer: Mutex<Writer>,
    high_water_mark: HighWaterMark,
    durable: watch::Sender<Sequence>,
    disk_space: watch::Sender<DiskSpace>,
}

pub(super) struct Writer {
    last: Sequence,
    /// sled does no more work after a failed write: reopen it first.
    broken: bool,
}

impl Outbox {
    /// Opens, or makes, the outbox in the folder `store_path`. Takes longer after a crash.
    ///
    /// # Errors
    /// [`Error`] says whether another process has it, the disk is full, or it can't be read.
    pub fn open(store_path: &Path) -> Result<Self> {
        let folder = store_path.join("outbox");
        let system = |error| database::system(&folder, error);
        // Snapshots show people: nobody else on this machine is to look at them.
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(&folder).map_err(system)?;
        let snapshots = store_path.join("snapshots");
        private.create(&snapshots).map_err(system)?;
        let database = Database::open(&folder)?;
        let snapshots = Snapshots::open(&snapshots).map_err(system)?;
        let (high_water_mark, told) = HighWaterMark::open(&folder).map_err(system)?;
        let last = number_on(&database, told)?;
        high_water_mark.set(last).and_then(|()| high_water_mark.sync()).map_err(system)?;
        // A crash between a snapshot and its entry; that sequence will be another one's.
        snapshots.forget_behind(last);
        let shared = Shared {
            snapshots,
            database: RwLock::new(Some(database)),
            writer: Mutex::new(Writer { last, broken: false }),
            high_water_mark,
            durable: watch::Sender::new(last),
            disk_space: watch::Sender::default(),
            folder,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Appends one entry; it is durable once this returns `Ok`. `make` gets its sequence.
    ///
    /// # Errors
    /// [`Error`]; the entry then counts as never written, and the same call may be tried again.
    pub fn append(
        &self,
        append: Append,
        make: impl FnOnce(Sequence) -> Vec<u8>,
    ) -> Result<Sequence> {
        self.append_many(vec![(append, make)])
    }

    /// Appends several entries at the price of one: all or none. Returns the last one's place.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn append_many<M>(&self, appends: Vec<(Append, M)>) -> Result<Sequence>
    where
        M: FnOnce(Sequence) -> Vec<u8>,
    {
        self.append_with_state(appends, &[])
    }

    /// As [`Outbox::append_many`], with `notes` in the same write: all or nothing. Without entries
    /// the notes are written alone.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn append_with_state<M>(
        &self,
        appends: Vec<(Append, M)>,
        state: &[StateChange],
    ) -> Result<Sequence>
    where
        M: FnOnce(Sequence) -> Vec<u8>,
    {
        for (append, _) in &appends {
            if !(1..=SUBJECT_BYTES_MAX).contains(&append.subject.len()) {
                return Err(Error::Subject(append.subject.len()));
            }
        }
        let mut writer =
            self.writer().inspect_err(|_| self.publish_disk_space(DiskSpace::Stuck))?;
        let mut drafts = Vec::with_capacity(appends.len());
        let (mut jpegs, mut last) = (Vec::new(), writer.last);
        for (append, make) in appends {
            last = last.next();
            // Once the disk is short, what is left of it is for alerts.
            jpegs.extend(
                append
                    .snapshot
                    .filter(|_| self.disk_space() == DiskSpace::Enough)
                    .map(|j| (last, j)),
            );
            drafts.push((last, append.subject, append.live, append.wall, make));
        }
        let kept = self.shared.snapshots.write(&jpegs);
        let mut batch = Batch::default();
        state::insert(&mut batch, state, (last > writer.last).then_some(last));
        for (sequence, subject, live, wall, make) in drafts {
            let entry = Entry {
                sequence,
                subject: subject.into(),
                live,
                wall,
                payload: make(sequence).into(),
                snapshot: kept.binary_search(&sequence).is_ok(),
            };
            database::insert(&mut batch, &entry);
        }
        if let Err(error) = self.write(&mut writer, |database| database.commit(batch)) {
            // Their sequences will be given to others.
            kept.into_iter().for_each(|sequence| self.shared.snapshots.forget(sequence));
            self.publish_disk_space(DiskSpace::Stuck);
            return Err(error);
        }
        writer.last = last;
        if let Err(error) = self.shared.high_water_mark.set(last) {
            tracing::warn!(%error, "can't mark how far the outbox is");
        }
        self.shared.durable.send_replace(last);
        if self.disk_space() == DiskSpace::Stuck {
            self.publish_disk_space(DiskSpace::Low);
        }
        Ok(last)
    }

    /// Returns the room that the disk had when it was last looked at.
    pub fn disk_space(&self) -> DiskSpace {
        *self.shared.disk_space.borrow()
    }

    /// Tells each change of [`Outbox::disk_space`].
    pub fn watch_disk_space(&self) -> watch::Receiver<DiskSpace> {
        self.shared.disk_space.subscribe()
    }

    /// Looks how much room there is, and deletes the oldest snapshots beyond the bound, but for
    /// the newest one of each live subject; their entries stay. Returns how many. Cheap where
    /// there is nothing to do: call it before each append.
    ///
    /// # Errors
    /// [`Error`]; what was deleted until then stays deleted.
    pub fn set_limits(&self, limits: StorageLimits) -> Result<usize> {
        let free = disk_space::free(&self.shared.folder)
            .map_err(|error| database::system(&self.shared.folder, error))?;
        // Stuck is what an append has found; only an append that succeeds ends it.
        if self.disk_space() != DiskSpace::Stuck {
            let low = free < limits.reserve_bytes;
            self.publish_disk_space(if low { DiskSpace::Low } else { DiskSpace::Enough });
        }
        let mut excess = self.shared.snapshots.bytes().saturating_sub(limits.snapshots_bytes_max);
        if excess == 0 {
            return Ok(0);
        }
        // A twentieth more, so that it is not one file at a time for ever after.
        excess = excess.saturating_add(limits.snapshots_bytes_max / 20);
        let kept = self.read(|database, _| database.with_snapshot())?;
        let mut going = Vec::new();
        for (sequence, bytes) in self.shared.snapshots.list() {
            if excess == 0 {
                break;
            }
            if kept.binary_search(&sequence).is_err() {
                excess = excess.saturating_sub(bytes);
                going.push(sequence);
            }
        }
        let Some(newest) = going.last() else { return Ok(0) };
        let mut writer = self.writer()?;
        self.write(&mut writer, |database| {
            database.set_counter(RetentionCounter::SnapshotsUpTo, newest.0)
        })?;
        drop(writer);
        going.iter().for_each(|sequence| self.shared.snapshots.forget(*sequence));
        Ok(going.len())
    }

    /// Up to `limit` entries behind `after`, oldest first.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn read_after(&self, after: Sequence, limit: usize) -> Result<Vec<Entry>> {
        self.read(|database, last| database.entries(after.next(), last).take(limit).collect())
    }

    /// The `count` newest entries, newest first.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn newest(&self, count: usize) -> Result<Vec<Entry>> {
        self.read(|database, last| database.entries(Sequence(1), last).rev().take(count).collect())
    }

    /// The entry at `sequence`, where there is one.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn get(&self, sequence: Sequence) -> Result<Option<Entry>> {
        self.read(
            |database, last| if sequence > last { Ok(None) } else { database.entry(sequence) },
        )
    }

    /// The JPEG that belongs to the entry at `sequence`, where there is one; retention may have
    /// taken it before the entry.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn snapshot(&self, sequence: Sequence) -> Result<Option<Vec<u8>>> {
        // Never the picture of another one that was to have this place.
        if sequence > self.last() {
            return Ok(None);
        }
        let read = self.shared.snapshots.read(sequence);
        read.map_err(|error| database::system(&self.shared.folder, error))
    }

    /// The last durable entry's place; 0 before the first one.
    pub fn last(&self) -> Sequence {
        *self.shared.durable.borrow()
    }

    /// Tells each new last durable place.
    pub fn subscribe(&self) -> watch::Receiver<Sequence> {
        self.shared.durable.subscribe()
    }

    /// The newest entry of each live subject, oldest first.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn live(&self) -> Result<Vec<Entry>> {
        self.read(|database, last| {
            let places = database.live()?.into_iter().filter(|place| *place <= last);
            places.filter_map(|place| database.entry(place).transpose()).collect()
        })
    }

    /// The newest entry of `subject`, where it has one.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn latest_of(&self, subject: &str) -> Result<Option<Entry>> {
        self.read(|database, last| match database.place(&database::subject_key(subject))? {
            Some(place) if place <= last => database.entry(place),
            _ => Ok(None),
        })
    }

    /// Up to where the reader `name` is done; 0 for one that never said.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn cursor(&self, name: &str) -> Result<Sequence> {
        let place = self.read(|database, _| database.place(&database::cursor_key(name)))?;
        Ok(place.unwrap_or_default())
    }

    /// Says that the reader `name` is done up to `sequence`. From the first call on, even with 0,
    /// [`Outbox::prune`] keeps what it has not passed. A cursor never goes back.
    ///
    /// Safe from a crash of the process on return; a power cut may set it back, which costs a
    /// redelivery.
    ///
    /// # Errors
    /// [`Error`]; the cursor may then stay behind, which costs a redelivery.
    pub fn advance(&self, name: &str, sequence: Sequence) -> Result<()> {
        let mut writer = self.writer()?;
        let key = database::cursor_key(name);
        self.write(&mut writer, |database| {
            if database.place(&key)?.is_some_and(|place| place >= sequence) {
                return Ok(());
            }
            let mut batch = Batch::default();
            batch.insert(key, &sequence.0.to_be_bytes());
            database.apply(batch)?;
            database.flush()
        })
    }

    /// Deletes entries, snapshots and dead letters from before `older_than`; returns how many
    /// entries. Keeps
    /// what a cursor has not passed, the newest entry of each live subject, and the last entry.
    ///
    /// # Errors
    /// [`Error`]; what was deleted until then stays deleted.
    pub fn prune(&self, older_than: Wall) -> Result<usize> {
        let (old, newest) = self.read(|database, last| {
            let passed = database.cursors()?.first().copied().unwrap_or(last);
            let (live, with_snapshot) = (database.live()?, database.with_snapshot()?);
            let mut old = Vec::new();
            for entry in database.entries(Sequence(1), passed) {
                let entry = entry?;
                let at = entry.sequence;
                let needed = |places: &[Sequence]| places.binary_search(&at).is_ok();
                let kept = at >= last || needed(&live) || needed(&with_snapshot);
                if entry.wall < older_than && !kept {
                    old.push((at, entry.subject, entry.snapshot));
                }
            }
            Ok((old, last))
        })?;
        for chunk in old.chunks(PRUNE_BATCH) {
            let mut writer = self.writer()?;
            self.write(&mut writer, |database| {
                let mut batch = Batch::default();
                for (sequence, subject, _) in chunk {
                    batch.remove(&database::entry_key(*sequence));
                    let key = database::subject_key(subject);
                    if database.place(&key)? == Some(*sequence) && *sequence < newest {
                        batch.remove(key);
                    }
                }
                let pruned =
                    database.counter(RetentionCounter::Entries)?.saturating_add(chunk.len() as u64);
                let up_to = chunk.iter().map(|(at, ..)| at.0).max().unwrap_or(0);
                let up_to = up_to.max(database.counter(RetentionCounter::EntriesUpTo)?);
                batch.insert(RetentionCounter::Entries.key(), &pruned.to_be_bytes());
                batch.insert(RetentionCounter::EntriesUpTo.key(), &up_to.to_be_bytes());
                database.commit(batch)
            })?;
            for (sequence, ..) in chunk.iter().filter(|(.., snapshot)| *snapshot) {
                self.shared.snapshots.forget(*sequence);
            }
        }
        self.forget_letters(|letter| letter.at < older_than)?;
        Ok(old.len())
    }

    /// News once, however often it is found so.
    fn publish_disk_space(&self, disk_space: DiskSpace) {
        let changed = self.shared.disk_space.send_if_modified(|told| {
            let changed = *told != disk_space;
            *told = disk_space;
            changed
        });
        let store = self.shared.folder.display().to_string();
        match disk_space {
            _ if !changed => {}
            DiskSpace::Enough => {
                tracing::info!(store, "the disk has room again; snapshots are kept")
            }
            DiskSpace::Low => {
                tracing::warn!(store, "the disk is nearly full; no snapshots are kept")
            }
            DiskSpace::Stuck => {
                tracing::error!(store, "the disk takes nothing; alerts wait for it")
            }
        }
    }

    /// Returns the state at keys that begin with `prefix`: keys and values, by key.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn state(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.read(|database, _| state::read(database, prefix))
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Database, Sequence) -> Result<T>) -> Result<T> {
        let last = self.last();
        let database = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
        read(database.as_ref().ok_or_else(|| self.closed())?, last)
    }

    /// Takes the right to write, with a database that works.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let mut writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.broken {
            self.reopen(writer.last)?;
            writer.broken = false;
            tracing::info!("the outbox takes alerts again");
        }
        Ok(writer)
    }

    pub(super) fn write(
        &self,
        writer: &mut Writer,
        write: impl FnOnce(&Database) -> Result<()>,
    ) -> Result<()> {
        let result = self.read(|database, _| write(database));
        writer.broken = result.is_err();
        result
    }

    /// Opens the database anew, and takes back what a failed write may have left behind `last`:
    /// nobody has heard of it, and its sequence will be given to another one.
    fn reopen(&self, last: Sequence) -> Result<()> {
        let mut slot = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock of the folder.
        *slot = None;
        let database = Database::open(&self.shared.folder)?;
        let mut batch = Batch::default();
        state::take_back(&database, &mut batch, last)?;
        let mut subjects = BTreeSet::new();
        for unheard in database.entries(last.next(), Sequence(u64::MAX - 1)) {
            let unheard = unheard?;
            batch.remove(&database::entry_key(unheard.sequence));
            subjects.insert(unheard.subject);
        }
        for subject in &subjects {
            batch.remove(database::subject_key(subject));
            batch.remove(database::live_key(subject));
            let with_snapshot = database::snapshot_key(subject);
            if database.place(&with_snapshot)?.is_some_and(|place| place > last) {
                batch.remove(with_snapshot);
            }
        }
        // Once through the log for all of them, newest first; mostly they are found at once.
        for earlier in database.entries(Sequence(1), last).rev() {
            if subjects.is_empty() {
                break;
            }
            let earlier = earlier?;
            if subjects.remove(&earlier.subject) {
                database::index(&mut batch, &earlier);
            }
        }
        database.commit(batch)?;
        *slot = Some(database);
        Ok(())
    }

    fn closed(&self) -> Error {
        Error::Io {
            path: self.shared.folder.clone(),
            source: std::io::Error::other("it is closed after a failed write"),
        }
    }
}

/// Returns the sequence at which the numbering goes on: behind all that anybody was ever told of,
/// though the log may have lost its end. The lost end is put down as such.
fn number_on(database: &Database, told: Option<Sequence>) -> Result<Sequence> {
    let found = database.last()?;
    let known = found.max(told.unwrap_or_default());
    let cursors = database.cursors()?.into_iter();
    let last =
        cursors.filter(|at| database::is_plausible_cursor(*at, known)).fold(known, Sequence::max);
    if last > found {
        tracing::error!(
            from = found.0 + 1,
            to = last.0,
            "the outbox has lost its newest alerts; `keng check --store` tells more"
        );
        let mut batch = Batch::default();
        database::insert_lost(&mut batch, last);
        database.commit(batch)?;
    }
    Ok(last)
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
