//! Checks whether a store that nobody has open is whole, and finds what is lost where it isn't.
//!
//! Opening it does what a start of the daemon does: sled ends its log at the last whole message.
//! All else is left as it is unless a repair is asked for. A repair brings nothing back that is
//! lost; it makes the rest consistent, and notes the loss, so that it is told once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use ::sled::Batch;

use super::DeadLetter;
use super::Entry;
use super::Error;
use super::Sequence;
use super::database;
use super::database::Database;
use super::database::Result;
use super::database::RetentionCounter;
use super::dead_letters;
use super::high_water_mark::HighWaterMark;
use super::record;
use super::snapshot::Snapshots;

/// Places that a fault names one by one; of more it says how many.
const LISTED_MAX: usize = 20;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// The database can't be opened at all; why.
    Unreadable(String),
    /// Alerts that are gone: how many, and between which sequences, as far as that is known.
    Lost(u64, Vec<(Sequence, Sequence)>),
    /// Records that do not fit their checksums.
    Damaged(Vec<Sequence>),
    /// A reader's cursor is far behind the end of the log: its name and place.
    CursorBeyond(String, Sequence),
    /// Subjects whose index does not fit their entries.
    Index(Vec<String>),
    /// Alerts whose snapshot is gone, though retention has not taken it.
    SnapshotsMissing(Vec<Sequence>),
    /// Snapshots that belong to no alert.
    SnapshotsOrphaned(Vec<Sequence>),
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(detail) => write!(f, "the log can't be read: {detail}"),
            Self::Lost(count, spans) => {
                let spans = spans.iter().map(|(first, last)| match first == last {
                    true => first.0.to_string(),
                    false => format!("{} to {}", first.0, last.0),
                });
                let spans: Vec<String> = spans.collect();
                let place =
                    if spans.is_empty() { "among old ones".to_owned() } else { listed(&spans) };
                write!(f, "{count} alerts are lost: {place}")
            }
            Self::Damaged(places) => write!(f, "alerts are damaged: {}", numbers(places)),
            Self::CursorBeyond(name, at) => {
                write!(f, "the reader {name} is said to be at {}, far beyond the end", at.0)
            }
            Self::Index(subjects) => write!(f, "the index is wrong for {}", listed(subjects)),
            Self::SnapshotsMissing(places) => {
                write!(f, "snapshots are missing, their alerts are there: {}", numbers(places))
            }
            Self::SnapshotsOrphaned(places) => {
                write!(f, "snapshots belong to no alert: {}", numbers(places))
            }
        }
    }
}

/// The findings about a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// Whole alerts.
    pub entries: u64,
    /// The last sequence that was ever given.
    pub last: Sequence,
    /// Alerts that retention has deleted.
    pub pruned: u64,
    /// Alerts that were noted as lost before.
    pub lost_before: u64,
    /// The position of each reader, by name.
    pub cursors: Vec<(String, Sequence)>,
    /// The entries that readers have set aside.
    pub set_aside: Vec<DeadLetter>,
    /// The faults; after a repair, those that were there.
    pub faults: Vec<StoreFault>,
    /// The folder that the repair has set aside, if it had to.
    pub aside: Option<PathBuf>,
}

/// Looks through the store in the folder `store_path`, and mends what can be mended if `repair`.
///
/// # Errors
/// [`Error::Locked`] while a daemon has it open, [`Error::Absent`] where there is none, and the
/// others where the disk fails. Damage is no error but a [`StoreFault`].
pub fn verify(store_path: &Path, repair: bool) -> Result<StoreReport> {
    let folder = store_path.join("outbox");
    if !folder.join("db").exists() {
        return Err(Error::Absent { path: folder });
    }
    let looked = Database::open(&folder).and_then(|database| {
        let look = Inspection::take(&database, store_path)?;
        if repair && !look.verdict.faults.is_empty() {
            look.mend(&database)?;
        }
        Ok(look.verdict)
    });
    match looked {
        Err(Error::Damaged { detail, .. }) => unreadable(store_path, detail, repair),
        result => result,
    }
}

/// Nothing of it can be read: a repair begins a new one behind the last known sequence.
fn unreadable(store_path: &Path, detail: String, repair: bool) -> Result<StoreReport> {
    let folder = store_path.join("outbox");
    let system = |error| database::system(&folder, error);
    let last = HighWaterMark::open(&folder).map_err(system)?.1.unwrap_or_default();
    let mut faults = vec![StoreFault::Unreadable(detail)];
    if last > Sequence(0) {
        faults.push(StoreFault::Lost(last.0, vec![(Sequence(1), last)]));
    }
    let mut verdict = StoreReport { last, faults, ..StoreReport::default() };
    if repair {
        let aside = (1..).map(|number| store_path.join(format!("damaged-{number}")));
        let aside = aside.into_iter().find(|path| !path.exists()).unwrap_or_default();
        std::fs::create_dir(&aside).map_err(system)?;
        for name in ["outbox", "snapshots"] {
            if store_path.join(name).exists() {
                std::fs::rename(store_path.join(name), aside.join(name)).map_err(system)?;
            }
        }
        std::fs::create_dir_all(&folder).map_err(system)?;
        let fresh = Database::open(&folder)?;
        let mut batch = Batch::default();
        if last > Sequence(0) {
            database::insert_lost(&mut batch, last);
            batch.insert(RetentionCounter::Lost.key(), &last.0.to_be_bytes());
        }
        fresh.commit(batch)?;
        verdict.aside = Some(aside);
    }
    Ok(verdict)
}

// The mark is a file of the folder that was set aside: the marker in the new log has its place.

/// All that is known of a store.
struct Inspection {
    verdict: StoreReport,
    /// The newest entry of each subject.
    newest: BTreeMap<Arc<str>, Entry>,
    snapshots: Snapshots,
    /// Index keys to be put right, with the sequence that belongs there, or none.
    index: BTreeMap<Vec<u8>, Option<Sequence>>,
}

impl Inspection {
    fn take(database: &Database, store_path: &Path) -> Result<Self> {
        let folder = store_path.join("outbox");
        let system = |error| database::system(&folder, error);
        let snapshots = store_path.join("snapshots");
        std::fs::create_dir_all(&snapshots).map_err(system)?;
        let mut look = Self {
            verdict: StoreReport::default(),
            newest: BTreeMap::new(),
            snapshots: Snapshots::open(&snapshots).map_err(system)?,
            index: BTreeMap::new(),
        };
        let told = HighWaterMark::open(&folder).map_err(system)?.1.unwrap_or_default();
        look.cursors(database, told.max(database.last()?))?;
        look.entries(database)?;
        look.indexes(database)?;
        look.verdict.set_aside = dead_letters::letters(database)?;
        Ok(look)
    }

    fn cursors(&mut self, database: &Database, known: Sequence) -> Result<()> {
        self.verdict.last = known;
        for item in database.raw(b"c") {
            let (key, value) = item?;
            let name = String::from_utf8_lossy(&key[1..]).into_owned();
            let at = database::sequence(&value);
            if !database::is_plausible_cursor(at, known) {
                self.verdict.faults.push(StoreFault::CursorBeyond(name, at));
                continue;
            }
            self.verdict.last = self.verdict.last.max(at);
            self.verdict.cursors.push((name, at));
        }
        Ok(())
    }

    fn entries(&mut self, database: &Database) -> Result<()> {
        let pruned_up_to = database.counter(RetentionCounter::EntriesUpTo)?;
        let pictures_up_to = database.counter(RetentionCounter::SnapshotsUpTo)?;
        let (mut damaged, mut missing, mut spans) = (Vec::new(), Vec::new(), Vec::new());
        let mut with_snapshot = BTreeMap::new();
        let mut next = Sequence(1);
        for item in database.raw(b"e") {
            let (key, value) = item?;
            let at = database::sequence(&key[1..]);
            if value.is_empty() {
                continue;
            }
            gap(&mut spans, next.max(Sequence(pruned_up_to.saturating_add(1))), at);
            next = at.next();
            let Ok(entry) = record::decode(at, &value) else {
                damaged.push(at);
                continue;
            };
            self.verdict.entries += 1;
            with_snapshot.insert(at, entry.snapshot);
            let taken = at.0 <= pictures_up_to;
            if entry.snapshot && !taken && !self.snapshots.has(at) {
                missing.push(at);
            }
            self.newest.insert(entry.subject.clone(), entry);
        }
        let last = self.verdict.last;
        gap(&mut spans, next.max(Sequence(pruned_up_to.saturating_add(1))), last.next());
        self.verdict.pruned = database.counter(RetentionCounter::Entries)?;
        self.verdict.lost_before = database.counter(RetentionCounter::Lost)?;
        let known = self.verdict.entries + damaged.len() as u64;
        let known = known + self.verdict.pruned + self.verdict.lost_before;
        let orphans = self.snapshots.list().into_iter().map(|(at, _)| at);
        let orphans = orphans.filter(|at| with_snapshot.get(at) != Some(&true)).collect();
        let mut add = |places: Vec<Sequence>, fault: fn(Vec<Sequence>) -> StoreFault| {
            if !places.is_empty() {
                self.verdict.faults.push(fault(places));
            }
        };
        add(damaged, StoreFault::Damaged);
        add(missing, StoreFault::SnapshotsMissing);
        add(orphans, StoreFault::SnapshotsOrphaned);
        if last.0 > known {
            self.verdict.faults.push(StoreFault::Lost(last.0 - known, spans));
        }
        Ok(())
    }

    fn indexes(&mut self, database: &Database) -> Result<()> {
        let pruned_up_to = database.counter(RetentionCounter::EntriesUpTo)?;
        let mut wrong = Vec::new();
        // What stands in an index must be there.
        for prefix in [b"s", b"l", b"n"] {
            for item in database.raw(prefix) {
                let (key, value) = item?;
                let subject = String::from_utf8_lossy(&key[1..]).into_owned();
                let newest = self.newest.get(subject.as_str());
                let place = database::sequence(&value);
                let fits = newest.is_some_and(|entry| match prefix {
                    b"s" => entry.sequence == place,
                    b"l" => entry.sequence == place && entry.live,
                    _ => entry.sequence >= place && entry.live,
                });
                if !fits {
                    wrong.push(subject);
                    self.index.insert(key.to_vec(), None);
                }
            }
        }
        // What is there must stand in the index, unless something newer of it was pruned.
        for (subject, entry) in &self.newest {
            let mut keys = vec![database::subject_key(subject)];
            keys.extend(entry.live.then(|| database::live_key(subject)));
            for key in keys {
                let stands = database.place(&key)? == Some(entry.sequence);
                if !stands && entry.sequence.0 > pruned_up_to {
                    wrong.push(subject.to_string());
                    self.index.insert(key, Some(entry.sequence));
                }
            }
        }
        wrong.sort_unstable();
        wrong.dedup();
        if !wrong.is_empty() {
            self.verdict.faults.push(StoreFault::Index(wrong));
        }
        Ok(())
    }

    /// Makes the rest consistent.
    fn mend(&self, database: &Database) -> Result<()> {
        let mut batch = Batch::default();
        let mut lost = self.verdict.lost_before;
        let (mut pictures_up_to, mut orphans) =
            (database.counter(RetentionCounter::SnapshotsUpTo)?, &Vec::new());
        for fault in &self.verdict.faults {
            match fault {
                StoreFault::Unreadable(_) | StoreFault::Index(_) => {}
                StoreFault::Lost(count, _) => lost += count,
                StoreFault::Damaged(places) => {
                    lost += places.len() as u64;
                    places.iter().for_each(|at| database::insert_lost(&mut batch, *at));
                }
                StoreFault::CursorBeyond(name, _) => {
                    let end = self.verdict.last.0.to_be_bytes();
                    batch.insert(database::cursor_key(name), &end);
                }
                StoreFault::SnapshotsMissing(places) => {
                    let newest = places.last().map_or(0, |at| at.0);
                    pictures_up_to = pictures_up_to.max(newest);
                }
                StoreFault::SnapshotsOrphaned(places) => orphans = places,
            }
        }
        for (key, place) in &self.index {
            match place {
                Some(at) => batch.insert(key.clone(), &at.0.to_be_bytes()),
                None => batch.remove(key.clone()),
            }
        }
        if self.verdict.last > database.last()? {
            database::insert_lost(&mut batch, self.verdict.last);
        }
        batch.insert(RetentionCounter::Lost.key(), &lost.to_be_bytes());
        batch.insert(RetentionCounter::SnapshotsUpTo.key(), &pictures_up_to.to_be_bytes());
        database.commit(batch)?;
        orphans.iter().for_each(|at| self.snapshots.forget(*at));
        Ok(())
    }
}

/// Notes what is missing from `next` up to before `at`.
fn gap(spans: &mut Vec<(Sequence, Sequence)>, next: Sequence, at: Sequence) {
    if next < at {
        spans.push((next, Sequence(at.0 - 1)));
    }
}

fn numbers(places: &[Sequence]) -> String {
    listed(&places.iter().map(|at| at.0.to_string()).collect::<Vec<_>>())
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
