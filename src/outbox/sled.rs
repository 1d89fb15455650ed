//! The outbox itself: who may write when, and what readers may see.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;

use ::sled::Batch;
use tokio::sync::watch;

use super::Append;
use super::Entry;
use super::Error;
use super::Sequence;
use super::record::SUBJECT_BYTES_MAX;
use super::snapshot::Snapshots;
use super::store;
use super::store::Result;
use super::store::Store;
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
    /// None while a failed store could not be reopened. Taken after `writer`.
    store: RwLock<Option<Store>>,
    writer: Mutex<Writer>,
    durable: watch::Sender<Sequence>,
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
        std::fs::create_dir_all(&folder).map_err(|error| store::system(&folder, error))?;
        let store = Store::open(&folder)?;
        let snapshots = Snapshots::open(&store_path.join("snapshots"))
            .map_err(|error| store::system(&folder, error))?;
        let last = store.last()?;
        let shared = Shared {
            folder,
            snapshots,
            store: RwLock::new(Some(store)),
            writer: Mutex::new(Writer { last, broken: false }),
            durable: watch::Sender::new(last),
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
        for (append, _) in &appends {
            if !(1..=SUBJECT_BYTES_MAX).contains(&append.subject.len()) {
                return Err(Error::Subject(append.subject.len()));
            }
        }
        let mut writer = self.writer()?;
        let mut batch = Batch::default();
        let mut last = writer.last;
        for (append, make) in appends {
            last = last.next();
            let snapshot = append.snapshot.is_some_and(|jpeg| self.keep_snapshot(last, &jpeg));
            let entry = Entry {
                sequence: last,
                subject: append.subject.into(),
                live: append.live,
                wall: append.wall,
                payload: make(last).into(),
                snapshot,
            };
            store::insert(&mut batch, &entry);
        }
        self.write(&mut writer, |store| store.commit(batch))?;
        writer.last = last;
        self.shared.durable.send_replace(last);
        Ok(last)
    }

    /// Up to `limit` entries behind `after`, oldest first.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn read_after(&self, after: Sequence, limit: usize) -> Result<Vec<Entry>> {
        self.read(|store, last| store.entries(after.next(), last).take(limit).collect())
    }

    /// The `count` newest entries, newest first.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn newest(&self, count: usize) -> Result<Vec<Entry>> {
        self.read(|store, last| store.entries(Sequence(1), last).rev().take(count).collect())
    }

    /// The entry at `sequence`, where there is one.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn get(&self, sequence: Sequence) -> Result<Option<Entry>> {
        self.read(|store, last| if sequence > last { Ok(None) } else { store.entry(sequence) })
    }

    /// The JPEG that belongs to the entry at `sequence`, where there is one.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn snapshot(&self, sequence: Sequence) -> Result<Option<Vec<u8>>> {
        let read = self.shared.snapshots.read(sequence);
        read.map_err(|error| store::system(&self.shared.folder, error))
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
        self.read(|store, last| {
            let places = store.live()?.into_iter().filter(|place| *place <= last);
            places.filter_map(|place| store.entry(place).transpose()).collect()
        })
    }

    /// The newest entry of `subject`, where it has one.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn latest_of(&self, subject: &str) -> Result<Option<Entry>> {
        self.read(|store, last| match store.place(&store::subject_key(subject))? {
            Some(place) if place <= last => store.entry(place),
            _ => Ok(None),
        })
    }

    /// Up to where the reader `name` is done; 0 for one that never said.
    ///
    /// # Errors
    /// [`Error`], as every call that reads the disk.
    pub fn cursor(&self, name: &str) -> Result<Sequence> {
        let place = self.read(|store, _| store.place(&store::cursor_key(name)))?;
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
        let key = store::cursor_key(name);
        self.write(&mut writer, |store| {
            if store.place(&key)?.is_some_and(|place| place >= sequence) {
                return Ok(());
            }
            let mut batch = Batch::default();
            batch.insert(key, &sequence.0.to_be_bytes());
            store.apply(batch)?;
            store.flush()
        })
    }

    /// Deletes entries, snapshots and dead letters from before `older_than`; returns how many
    /// entries. Keeps
    /// what a cursor has not passed, the newest entry of each live subject, and the last entry.
    ///
    /// # Errors
    /// [`Error`]; what was deleted until then stays deleted.
    pub fn prune(&self, older_than: Wall) -> Result<usize> {
        let (old, newest) = self.read(|store, last| {
            let passed = store.cursors()?.first().copied().unwrap_or(last);
            let live = store.live()?;
            let mut old = Vec::new();
            for entry in store.entries(Sequence(1), passed) {
                let entry = entry?;
                let kept = entry.sequence >= last || live.binary_search(&entry.sequence).is_ok();
                if entry.wall < older_than && !kept {
                    old.push((entry.sequence, entry.subject, entry.snapshot));
                }
            }
            Ok((old, last))
        })?;
        for chunk in old.chunks(PRUNE_BATCH) {
            let mut writer = self.writer()?;
            self.write(&mut writer, |store| {
                let mut batch = Batch::default();
                for (sequence, subject, _) in chunk {
                    batch.remove(&store::entry_key(*sequence));
                    let key = store::subject_key(subject);
                    if store.place(&key)? == Some(*sequence) && *sequence < newest {
                        batch.remove(key);
                    }
                }
                store.commit(batch)
            })?;
            for (sequence, ..) in chunk.iter().filter(|(.., snapshot)| *snapshot) {
                if let Err(error) = self.shared.snapshots.remove(*sequence) {
                    tracing::warn!(sequence = sequence.0, %error, "can't delete an old snapshot");
                }
            }
        }
        self.forget_letters(|letter| letter.at < older_than)?;
        Ok(old.len())
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Store, Sequence) -> Result<T>) -> Result<T> {
        let last = self.last();
        let store = self.shared.store.read().unwrap_or_else(PoisonError::into_inner);
        read(store.as_ref().ok_or_else(|| self.closed())?, last)
    }

    /// Takes the right to write, with a store that works.
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
        write: impl FnOnce(&Store) -> Result<()>,
    ) -> Result<()> {
        let result = self.read(|store, _| write(store));
        writer.broken = result.is_err();
        result
    }

    /// Opens the store anew, and takes back what a failed write may have left behind `last`:
    /// nobody has heard of it, and its sequence will be given to another one.
    fn reopen(&self, last: Sequence) -> Result<()> {
        let mut slot = self.shared.store.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock of the folder.
        *slot = None;
        let store = Store::open(&self.shared.folder)?;
        let mut batch = Batch::default();
        for unheard in store.entries(last.next(), Sequence(u64::MAX - 1)) {
            let unheard = unheard?;
            batch.remove(&store::entry_key(unheard.sequence));
            batch.remove(store::subject_key(&unheard.subject));
            batch.remove(store::live_key(&unheard.subject));
            for earlier in store.entries(Sequence(1), last).rev() {
                let earlier = earlier?;
                if earlier.subject == unheard.subject {
                    store::index(&mut batch, &earlier);
                    break;
                }
            }
        }
        store.commit(batch)?;
        *slot = Some(store);
        Ok(())
    }

    fn keep_snapshot(&self, sequence: Sequence, jpeg: &[u8]) -> bool {
        let written = self.shared.snapshots.write(sequence, jpeg);
        if let Err(error) = &written {
            tracing::warn!(sequence = sequence.0, %error, "can't keep the snapshot of an alert");
        }
        written.is_ok()
    }

    fn closed(&self) -> Error {
        Error::Io {
            path: self.shared.folder.clone(),
            source: std::io::Error::other("it is closed after a failed write"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(subject: &str, live: bool, wall: i64) -> Append {
        Append { subject: subject.into(), live, wall: Wall(wall), snapshot: None }
    }

    fn add(outbox: &Outbox, append: Append) -> Sequence {
        outbox.append(append, |at| format!("alert {}", at.0).into_bytes()).unwrap()
    }

    fn places(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.sequence.0).collect()
    }

    #[test]
    fn the_log_goes_on_without_a_gap_after_a_reopen() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let outbox = Outbox::open(folder.path()).unwrap();
            assert_eq!(outbox.last(), Sequence(round * 4));
            for _ in 0..2 {
                add(&outbox, incident("kp3/a", true, 1));
            }
            let two =
                vec![(incident("kp3/b", true, 1), |at: Sequence| at.0.to_string().into_bytes()); 2];
            assert_eq!(outbox.append_many(two).unwrap(), Sequence(round * 4 + 4));
        }
        let outbox = Outbox::open(folder.path()).unwrap();
        let all = outbox.read_after(Sequence(0), 100).unwrap();
        assert_eq!(places(&all), (1..=12).collect::<Vec<_>>());
        assert_eq!(&*all[4].payload, b"alert 5");
        assert_eq!(places(&outbox.read_after(Sequence(3), 2).unwrap()), [4, 5]);
        assert_eq!(places(&outbox.newest(3).unwrap()), [12, 11, 10]);
        assert_eq!(outbox.get(Sequence(13)).unwrap(), None);
    }

    #[test]
    fn live_subjects_are_known_by_their_newest_entry() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        for (subject, live) in [("a", true), ("b", true), ("a", true), ("b", false)] {
            add(&outbox, incident(subject, live, 1));
        }
        assert_eq!(places(&outbox.live().unwrap()), [3]);
        assert_eq!(outbox.latest_of("b").unwrap().unwrap().sequence, Sequence(4));
        assert_eq!(outbox.latest_of("c").unwrap(), None);
    }

    #[test]
    fn a_second_daemon_is_told_that_the_store_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Outbox::open(folder.path()).unwrap();
        assert!(matches!(Outbox::open(folder.path()), Err(Error::Locked { .. })));
    }

    #[test]
    fn pruning_keeps_what_somebody_still_needs() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        add(&outbox, incident("live", true, 1));
        for wall in [1, 2, 9, 1, 1, 1] {
            add(&outbox, incident("done", false, wall));
        }
        outbox.advance("mqtt", Sequence(5)).unwrap();
        assert_eq!(outbox.prune(Wall(5)).unwrap(), 3);
        assert_eq!(places(&outbox.read_after(Sequence(0), 9).unwrap()), [1, 4, 6, 7]);
        outbox.advance("mqtt", Sequence(7)).unwrap();
        assert_eq!(outbox.prune(Wall(99)).unwrap(), 2);
        assert_eq!(places(&outbox.read_after(Sequence(0), 9).unwrap()), [1, 7]);
        assert_eq!(add(&outbox, incident("done", false, 1)), Sequence(8));
    }

    #[test]
    fn a_cursor_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        outbox.advance("mqtt", Sequence(5)).unwrap();
        outbox.advance("mqtt", Sequence(3)).unwrap();
        assert_eq!(outbox.cursor("mqtt").unwrap(), Sequence(5));
        assert_eq!(outbox.cursor("feed").unwrap(), Sequence(0));
    }

    #[test]
    fn a_snapshot_that_cannot_be_kept_stops_no_alert() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let pictured = Append { snapshot: Some(vec![7; 9]), ..incident("a", true, 1) };
        let first = add(&outbox, pictured.clone());
        assert_eq!(outbox.snapshot(first).unwrap(), Some(vec![7; 9]));
        std::fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
        let second = add(&outbox, pictured);
        assert!(!outbox.get(second).unwrap().unwrap().snapshot);
        assert_eq!(outbox.snapshot(second).unwrap(), None);
    }

    #[test]
    fn large_entries_are_kept_as_well() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let outbox = Outbox::open(folder.path()).unwrap();
            outbox.append(incident("a", true, 1), |_| vec![7; 300_000]).unwrap();
        }
        let outbox = Outbox::open(folder.path()).unwrap();
        let all = outbox.read_after(Sequence(0), 9).unwrap();
        assert!(all.len() == 3 && all.iter().all(|entry| entry.payload.len() == 300_000));
    }

    #[test]
    fn a_torn_tail_costs_only_what_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let log = folder.path().join("outbox/db");
        for _ in 0..20 {
            add(&outbox, incident("a", true, 1));
        }
        let whole = std::fs::read(&log).unwrap();
        add(&outbox, incident("a", true, 1));
        drop(outbox);
        // What the last append has changed, half of it lost.
        let grown = std::fs::read(&log).unwrap();
        let changed = (0..grown.len()).filter(|at| whole.get(*at) != grown.get(*at));
        let changed: Vec<usize> = changed.collect();
        let mut torn = grown.clone();
        for at in &changed[changed.len() / 2..] {
            torn[*at] = whole.get(*at).copied().unwrap_or(0);
        }
        std::fs::write(&log, torn).unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let all = outbox.read_after(Sequence(0), 99).unwrap();
        assert!(all.len() >= 20, "{}", all.len());
        assert!(all.iter().all(|entry| entry.payload.starts_with(b"alert ")));
        assert_eq!(add(&outbox, incident("a", true, 1)).0, all.len() as u64 + 1);
    }
}
