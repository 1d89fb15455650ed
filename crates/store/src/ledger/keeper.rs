//! Writes the ledger: follows the outbox, samples the cameras, says that the daemon lives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::folder::Pen;
use super::line::{self, Line};
use super::{Case, Error, Folder, Health, Note, Noted};
use crate::alert;
use crate::incident::IncidentId;
use crate::outbox::{Entry, Outbox, Sequence};
use crate::time::{Clock, Mono, Stamp, Wall};
use crate::ward::Id;

use super::SIGN_EVERY;

/// The name of the ledger's cursor in the outbox.
pub const CURSOR: &str = "ledger";

/// Nobody waits for the ledger: one write, with its sync, for all that came in meanwhile.
const STEP_EVERY: Duration = Duration::from_secs(5);
/// How often cameras are looked at. One that comes and goes all day costs 270 KB.
const SAMPLE_EVERY: Duration = Duration::from_secs(30);
/// Entries that are read at once, and how often in one step: what an update finds in the outbox
/// is taken in over several.
const CHUNK: usize = 256;
const CHUNKS_MAX: usize = 64;
/// Open incidents of which it is known what stands there; one more is only written more often.
const KNOWN_MAX: usize = 10_000;
/// Files are counted as often.
const PRUNE_EVERY: Duration = Duration::from_secs(86_400);

/// How a camera is just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub id: Id,
    /// The neighbourhood that it watches.
    pub khu_pho: Id,
    /// None while it is being connected to.
    pub health: Option<Health>,
    /// Since when.
    pub since: Wall,
}

/// Tells how all cameras are.
pub trait Cameras: Send + Sync + 'static {
    /// Every camera of the configuration.
    fn seen(&self) -> Vec<Seen>;
}

/// The ledger's writer. Calls block on the disk.
pub struct Keeper {
    outbox: Outbox,
    cameras: Arc<dyn Cameras>,
    clock: Arc<dyn Clock>,
    pen: Pen,
    /// What the ledger says of incidents that go on.
    open: BTreeMap<IncidentId, Case>,
    /// What it says of cameras.
    known: BTreeMap<Id, (Id, Health)>,
    /// Up to where the outbox stands in the ledger; the cursor may be behind on a full disk.
    done: Sequence,
    sampled: Option<Stamp>,
    /// Its last sign of life.
    signed: Option<Mono>,
    pruned: Option<Mono>,
    complained: bool,
}

/// What one step writes, and what holds once it is written.
struct Page {
    lines: Vec<u8>,
    /// Of incidents that were read of.
    cases: BTreeMap<IncidentId, Case>,
    known: BTreeMap<Id, (Id, Health)>,
    sampled: bool,
    signed: bool,
    /// Up to where the outbox was read; whether there is more.
    read: Option<Sequence>,
    more: bool,
}

impl Keeper {
    /// Of the store at `store`. Nothing is written yet.
    pub fn new(
        store: &Path,
        outbox: Outbox,
        cameras: Arc<dyn Cameras>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            outbox,
            cameras,
            clock,
            pen: Pen::new(Folder::of(store)),
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
        let page = self.page(now, last)?;
        if !page.lines.is_empty() {
            let path = self.pen.folder().path().to_owned();
            let written = self.pen.append(now.wall, &page.lines);
            written.map_err(|source| Error::Write { path, source })?;
        }
        let Page { cases, known, sampled, signed, read, more, .. } = page;
        for (id, case) in cases {
            if case.state.is_closed() {
                self.open.remove(&id);
            } else if self.open.len() < KNOWN_MAX || self.open.contains_key(&id) {
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

    fn page(&self, now: Stamp, last: bool) -> Result<Page, Error> {
        let mut page = Page {
            lines: Vec::new(),
            cases: BTreeMap::new(),
            known: self.known.clone(),
            sampled: false,
            signed: false,
            read: None,
            more: false,
        };
        if self.signed.is_none() {
            page.note(now.wall, Noted::Started);
        } else if self.pen.would_begin(now.wall) {
            // A file can be read without the one before.
            page.note(now.wall, Noted::Alive);
            for (id, (khu_pho, health)) in &self.known {
                page.camera(now.wall, id, khu_pho, *health);
            }
        }
        let due = |then: Option<Mono>, every| then.is_none_or(|then| now.mono.since(then) >= every);
        if last || due(self.sampled.map(|at| at.mono), SAMPLE_EVERY) {
            self.sample(&mut page, now);
        }
        self.follow(&mut page)?;
        if last {
            page.note(now.wall, Noted::Stopped);
        } else if !page.signed && due(self.signed, SIGN_EVERY) {
            page.note(now.wall, Noted::Alive);
        }
        Ok(page)
    }

    /// Writes how cameras have changed since the last sample, in the order of time.
    fn sample(&self, page: &mut Page, now: Stamp) {
        page.sampled = true;
        let from = self.sampled.map_or(now.wall, |at| at.wall.min(now.wall));
        let mut changes = Vec::new();
        let mut gone = self.known.clone();
        for Seen { id, khu_pho, health, since } in self.cameras.seen() {
            let before = gone.remove(&id);
            let health = match (health, &before) {
                (Some(health), _) => health,
                // What was there and is being connected to again is not there.
                (None, Some((_, Health::Unwatched))) | (None, None) => continue,
                (None, Some(_)) => Health::Offline,
            };
            if before.as_ref() != Some(&(khu_pho.clone(), health)) {
                changes.push((since.clamp(from, now.wall), id, khu_pho, health));
            }
        }
        let left = |(id, (khu_pho, _))| (now.wall, id, khu_pho, Health::Unwatched);
        changes.extend(gone.into_iter().map(left));
        changes.sort();
        for (at, id, khu_pho, health) in changes {
            page.camera(at, &id, &khu_pho, health);
        }
        page.known.retain(|_, (_, health)| *health != Health::Unwatched);
    }

    /// Reads on in the outbox.
    fn follow(&self, page: &mut Page) -> Result<(), Error> {
        let mut after = self.outbox.cursor(CURSOR)?.max(self.done);
        for _ in 0..CHUNKS_MAX {
            let entries = self.outbox.read_after(after, CHUNK)?;
            let Some(last) = entries.last() else {
                page.more = false;
                break;
            };
            after = last.sequence;
            page.read = Some(after);
            page.more = entries.len() == CHUNK;
            for case in entries.iter().filter_map(case) {
                page.cases.insert(case.id.clone(), case);
            }
            if !page.more {
                break;
            }
        }
        for (id, case) in &page.cases {
            if self.open.get(id).is_none_or(|known| known.differs(case)) {
                line::write(&Line::Case(case.clone()), &mut page.lines);
            }
        }
        Ok(())
    }

    fn prune(&mut self, now: Mono) {
        if self.pruned.is_some_and(|then| now.since(then) < PRUNE_EVERY) {
            return;
        }
        self.pruned = Some(now);
        match self.pen.folder().prune() {
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

impl Page {
    fn note(&mut self, at: Wall, what: Noted) {
        self.signed = true;
        line::write(&Line::Note(Note { at, what }), &mut self.lines);
    }

    fn camera(&mut self, at: Wall, id: &Id, khu_pho: &Id, health: Health) {
        let what = Noted::Camera { id: id.clone(), khu_pho: khu_pho.clone(), health };
        line::write(&Line::Note(Note { at, what }), &mut self.lines);
        self.known.insert(id.clone(), (khu_pho.clone(), health));
    }
}

/// What an entry tells; none where it is damaged, which the outbox has said.
fn case(entry: &Entry) -> Option<Case> {
    if entry.payload.is_empty() {
        return None;
    }
    match alert::parse(&entry.payload) {
        Ok(incident) => Some(Case::of(&incident)),
        Err(error) => {
            tracing::error!(sequence = entry.sequence.0, %error, "left out of the ledger");
            None
        }
    }
}

/// Keeps the ledger until `stop`, and then once more.
pub async fn keep(mut keeper: Keeper, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(STEP_EVERY);
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
            let more = keeper.try_step(last);
            (keeper, more)
        };
        match tokio::task::spawn_blocking(step).await {
            Ok((kept, waits)) => (keeper, more) = (kept, waits),
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
#[path = "keeper_tests.rs"]
mod tests;
