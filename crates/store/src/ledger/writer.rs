//! Writes the ledger: follows the outbox, samples the cameras, says that the daemon lives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::folder::LedgerFile;
use super::line::{self, LedgerLine};
use super::{Availability, Error, Folder, IncidentRecord, UptimeEvent, UptimeRecord};
use crate::alert;
use crate::incident::IncidentId;
use crate::outbox::{Entry, Outbox, Sequence};
use crate::time::{Clock, Mono, Stamp, Wall};
use crate::ward::Id;

use super::SIGN_EVERY;

/// The name of the ledger's cursor in the outbox.
pub const CURSOR: &str = "ledger";

/// The interval between writes; nobody waits for the ledger: one write, with its sync, for all that
/// came in meanwhile.
const STEP_INTERVAL: Duration = Duration::from_secs(5);
/// The interval at which cameras are sampled. One that comes and goes all day costs 270 KB.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(30);
/// Entries that are read at once, and how often in one step: what an update finds in the outbox
/// is taken in over several.
const READ_ENTRIES: usize = 256;
const READS_MAX: usize = 64;
/// Open incidents of which it is known what stands there; one more is only written more often.
const OPEN_MAX: usize = 10_000;
/// Files are counted as often.
const PRUNE_INTERVAL: Duration = Duration::from_secs(86_400);

/// The availability of a camera just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraAvailability {
    /// The camera's id.
    pub id: Id,
    /// The neighbourhood that it watches.
    pub khu_pho: Id,
    /// None while it is being connected to.
    pub health: Option<Availability>,
    /// The time since which it is so.
    pub since: Wall,
}

/// A source of all cameras' availability.
pub trait AvailabilitySource: Send + Sync + 'static {
    /// Returns the availability of every camera of the configuration.
    fn availability(&self) -> Vec<CameraAvailability>;
}

/// The writer of the ledger. Its calls block on the disk.
pub struct LedgerWriter {
    outbox: Outbox,
    cameras: Arc<dyn AvailabilitySource>,
    clock: Arc<dyn Clock>,
    file: LedgerFile,
    /// The open incidents, as the ledger has them.
    open: BTreeMap<IncidentId, IncidentRecord>,
    /// The cameras' availability, as the ledger has it.
    known: BTreeMap<Id, (Id, Availability)>,
    /// Up to where the outbox stands in the ledger; the cursor may be behind on a full disk.
    done: Sequence,
    sampled: Option<Stamp>,
    /// The time of its last sign of life.
    signed: Option<Mono>,
    pruned: Option<Mono>,
    complained: bool,
}

/// The lines that one step writes, and the state that holds once they are written.
struct Batch {
    lines: Vec<u8>,
    /// Of incidents that were read of.
    cases: BTreeMap<IncidentId, IncidentRecord>,
    known: BTreeMap<Id, (Id, Availability)>,
    sampled: bool,
    signed: bool,
    /// Up to where the outbox was read; whether there is more.
    read: Option<Sequence>,
    more: bool,
}

impl LedgerWriter {
    /// Of the store at `store`. Nothing is written yet.
    pub fn new(
        store: &Path,
        outbox: Outbox,
        cameras: Arc<dyn AvailabilitySource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            outbox,
            cameras,
            clock,
            file: LedgerFile::new(Folder::of(store)),
            open: BTreeMap::new(),
            known: BTreeMap::new(),
            done: Sequence::default(),
            sampled: None,
            signed: None,
            pruned: None,
            complained: false,
        }
    }

    /// Writes what is new, durably, and then moves the cursor. `last`: the daemon ends. Answers
    /// whether more waits in the outbox.
    ///
    /// # Errors
    /// [`Error`]; nothing is lost, the next step does it again.
    pub fn step(&mut self, last: bool) -> Result<bool, Error> {
        let now = self.clock.now();
        let batch = self.batch(now, last)?;
        if !batch.lines.is_empty() {
            let path = self.file.folder().path().to_owned();
            let written = self.file.append(now.wall, &batch.lines);
            written.map_err(|source| Error::Write { path, source })?;
        }
        let Batch { cases, known, sampled, signed, read, more, .. } = batch;
        for (id, case) in cases {
            if case.state.is_closed() {
                self.open.remove(&id);
            } else if self.open.len() < OPEN_MAX || self.open.contains_key(&id) {
                self.open.insert(id, case);
            }
        }
        self.known = known;
        if sampled {
            self.sampled = Some(now);
        }
        if signed {
            self.signed = Some(now.mono);
        }
        self.done = read.unwrap_or(self.done);
        if self.outbox.cursor(CURSOR)? < self.done {
            self.outbox.advance(CURSOR, self.done)?;
        }
        self.prune(now.mono);
        Ok(more)
    }

    fn batch(&self, now: Stamp, last: bool) -> Result<Batch, Error> {
        let mut batch = Batch {
            lines: Vec::new(),
            cases: BTreeMap::new(),
            known: self.known.clone(),
            sampled: false,
            signed: false,
            read: None,
            more: false,
        };
        if self.signed.is_none() {
            batch.note(now.wall, UptimeEvent::Started);
        } else if self.file.would_begin(now.wall) {
            // A file can be read without the one before.
            batch.note(now.wall, UptimeEvent::Alive);
            for (id, (khu_pho, health)) in &self.known {
                batch.camera(now.wall, id, khu_pho, *health);
            }
        }
        let due = |then: Option<Mono>, every| then.is_none_or(|then| now.mono.since(then) >= every);
        if last || due(self.sampled.map(|at| at.mono), SAMPLE_INTERVAL) {
            self.sample(&mut batch, now);
        }
        self.follow(&mut batch)?;
        if last {
            batch.note(now.wall, UptimeEvent::Stopped);
        } else if !batch.signed && due(self.signed, SIGN_EVERY) {
            batch.note(now.wall, UptimeEvent::Alive);
        }
        Ok(batch)
    }

    /// Writes how cameras have changed since the last sample, in the order of time.
    fn sample(&self, batch: &mut Batch, now: Stamp) {
        batch.sampled = true;
        let from = self.sampled.map_or(now.wall, |at| at.wall.min(now.wall));
        let mut changes = Vec::new();
        let mut gone = self.known.clone();
        for CameraAvailability { id, khu_pho, health, since } in self.cameras.availability() {
            let before = gone.remove(&id);
            let health = match (health, &before) {
                (Some(health), _) => health,
                // What was there and is being connected to again is not there.
                (None, Some((_, Availability::Unwatched))) | (None, None) => continue,
                (None, Some(_)) => Availability::Offline,
            };
            if before.as_ref() != Some(&(khu_pho.clone(), health)) {
                changes.push((since.clamp(from, now.wall), id, khu_pho, health));
            }
        }
        let left = |(id, (khu_pho, _))| (now.wall, id, khu_pho, Availability::Unwatched);
        changes.extend(gone.into_iter().map(left));
        changes.sort();
        for (at, id, khu_pho, health) in changes {
            batch.camera(at, &id, &khu_pho, health);
        }
        batch.known.retain(|_, (_, health)| *health != Availability::Unwatched);
    }

    /// Reads on in the outbox.
    fn follow(&self, batch: &mut Batch) -> Result<(), Error> {
        let mut after = self.outbox.cursor(CURSOR)?.max(self.done);
        for _ in 0..READS_MAX {
            let entries = self.outbox.read_after(after, READ_ENTRIES)?;
            let Some(last) = entries.last() else {
                batch.more = false;
                break;
            };
            after = last.sequence;
            batch.read = Some(after);
            batch.more = entries.len() == READ_ENTRIES;
            for case in entries.iter().filter_map(case) {
                batch.cases.insert(case.id.clone(), case);
            }
            if !batch.more {
                break;
            }
        }
        for (id, case) in &batch.cases {
            if self.open.get(id).is_none_or(|known| known.differs(case)) {
                line::write(&LedgerLine::Case(case.clone()), &mut batch.lines);
            }
        }
        Ok(())
    }

    fn prune(&mut self, now: Mono) {
        if self.pruned.is_some_and(|then| now.since(then) < PRUNE_INTERVAL) {
            return;
        }
        self.pruned = Some(now);
        match self.file.folder().prune() {
            Ok(0) => {}
            Ok(files) => tracing::warn!(files, "the oldest files of the ledger deleted"),
            Err(error) => tracing::warn!(%error, "the ledger's files can't be counted"),
        }
    }

    /// One step, its failure told once.
    fn try_step(&mut self, last: bool) -> bool {
        match self.step(last) {
            Ok(more) => {
                if std::mem::take(&mut self.complained) {
                    tracing::info!("the ledger is written again");
                }
                more
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "the ledger waits for the disk");
                }
                false
            }
        }
    }
}

impl Batch {
    fn note(&mut self, at: Wall, what: UptimeEvent) {
        self.signed = true;
        line::write(&LedgerLine::Note(UptimeRecord { at, what }), &mut self.lines);
    }

    fn camera(&mut self, at: Wall, id: &Id, khu_pho: &Id, health: Availability) {
        let what = UptimeEvent::Camera { id: id.clone(), khu_pho: khu_pho.clone(), health };
        line::write(&LedgerLine::Note(UptimeRecord { at, what }), &mut self.lines);
        self.known.insert(id.clone(), (khu_pho.clone(), health));
    }
}

/// Reads the incident of an entry; none where it is damaged, which the outbox has logged.
fn case(entry: &Entry) -> Option<IncidentRecord> {
    if entry.payload.is_empty() {
        return None;
    }
    match alert::parse(&entry.payload) {
        Ok(incident) => Some(IncidentRecord::of(&incident)),
        Err(error) => {
            tracing::error!(sequence = entry.sequence.0, %error, "left out of the ledger");
            None
        }
    }
}

/// Writes the ledger until `stop`, and then once more.
pub async fn run(mut writer: LedgerWriter, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(STEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut more = false;
    loop {
        let last = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = ticks.tick(), if !more => false,
            () = std::future::ready(()), if more => false,
        };
        let step = move || {
            let more = writer.try_step(last);
            (writer, more)
        };
        match tokio::task::spawn_blocking(step).await {
            Ok((kept, waits)) => (writer, more) = (kept, waits),
            Err(error) => {
                tracing::error!(%error, "the ledger is gone; everything else goes on");
                return;
            }
        }
        if last {
            return;
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
