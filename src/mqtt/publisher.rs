//! The publisher's state that outlives a session with the broker: the entries under way, and how
//! far the broker has acknowledged them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::watch;

use super::Config;
use super::Inbound;
use super::connect;
use super::connect::Error;
use super::in_flight::InFlight;
use super::in_flight::Part;
use super::in_flight::Progress;
use super::outgoing::OutgoingAlert;
use super::retained::RetainedTopics;
use super::suspect::Suspicion;
use super::topic::Topics;
use crate::alert::Head;
use crate::frame::redaction;
use crate::metrics::FlowCounters;
use crate::metrics::Metrics;
use crate::metrics::Stage;
use crate::metrics::Timer;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outbox::Sequence;
use crate::time::Clock;
use crate::time::Mono;
use crate::ward::Ward;

/// The name of the publisher's cursor in the outbox.
pub const CURSOR: &str = "mqtt";

/// Entries under way at once.
const WINDOW: usize = 20;

/// The publisher's connections to the rest of the daemon.
#[derive(Clone)]
pub struct Links {
    /// The log that alerts come from.
    pub outbox: Outbox,
    /// The retained statuses. The one on the ward's own status topic takes the place of the plain
    /// `{"state":"online"}`.
    pub retained: RetainedTopics,
    /// The queue of commands, reports and patrols. Closed: they stay with the broker.
    pub inbound: mpsc::Sender<Inbound>,
    /// The state of the session, for page and health check.
    pub state: watch::Sender<BrokerState>,
    /// `flow("mqtt", Stage::Publish)` counts entries, `flow("mqtt", Stage::Receive)` what comes in.
    pub metrics: Metrics,
    /// Tells since when.
    pub clock: Arc<dyn Clock>,
}

/// The state of the session with the broker.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum BrokerState {
    /// The first attempt is under way.
    #[default]
    Connecting,
    /// It stands.
    Online,
    /// It does not, and why; attempts go on.
    Failing(String),
    /// The publisher has been told to stop.
    Stopped,
}

/// The state that outlives a session: the bookkeeping, and the entries under way.
pub(super) struct SessionState {
    pub(super) config: Config,
    pub(super) ward: Ward,
    pub(super) topics: Topics,
    pub(super) links: Links,
    pub(super) in_flight: InFlight,
    /// Entries that the cursor has not passed, and since when they are under way.
    outgoing: BTreeMap<Sequence, (OutgoingAlert, Mono)>,
    saved: Sequence,
    /// Tells whether the session got as far as its greeting.
    pub(super) stood: bool,
    suspicion: Suspicion,
    pub(super) incoming_bytes: usize,
    flow: FlowCounters,
    pub(super) came_in: FlowCounters,
    timer: Timer,
}

impl SessionState {
    pub(super) async fn open(config: Config, ward: Ward, links: Links) -> Result<Self, Error> {
        // The cursor is made at once, so that nothing is pruned before it was sent.
        let cursor = blocking(&links.outbox, |outbox| {
            outbox.advance(CURSOR, Sequence(0))?;
            outbox.cursor(CURSOR)
        });
        let cursor = cursor.await?;
        let topics = Topics::new(ward.id.clone());
        Ok(Self {
            config,
            ward,
            topics,
            in_flight: InFlight::new(cursor, WINDOW),
            outgoing: BTreeMap::new(),
            saved: cursor,
            stood: false,
            suspicion: Suspicion::default(),
            incoming_bytes: connect::INCOMING_BYTES,
            flow: links.metrics.flow("mqtt", Stage::Publish),
            came_in: links.metrics.flow("mqtt", Stage::Receive),
            timer: links.metrics.timer(Stage::Publish),
            links,
        })
    }

    /// Counts the entries that the broker has not acknowledged.
    pub(super) fn measure(&self) {
        let last = self.links.outbox.last();
        let depth = last.0.saturating_sub(self.in_flight.cursor().0);
        self.links.metrics.outbox_depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Takes in as many entries as there is room for.
    pub(super) async fn fill(&mut self) -> Result<(), Error> {
        let (after, room) = (self.in_flight.loaded(), self.in_flight.room());
        self.measure();
        if room == 0 || after >= self.links.outbox.last() {
            return Ok(());
        }
        let entries = blocking(&self.links.outbox, move |outbox| {
            let entries = outbox.read_after(after, room)?;
            entries.into_iter().map(|entry| with_snapshot(outbox, entry)).collect()
        });
        let entries: Vec<(Entry, Option<Vec<u8>>)> = entries.await?;
        let now = self.links.clock.now().mono;
        for (entry, snapshot) in entries {
            let at = entry.sequence;
            self.flow.taken.inc();
            let progress = match OutgoingAlert::new(&self.topics, &entry, snapshot) {
                Ok(outgoing) => {
                    let parts = outgoing.parts();
                    self.outgoing.insert(at, (outgoing, now));
                    self.in_flight.load(at, &parts)
                }
                Err(poison) => {
                    // It would never get better: the rest must not wait for it.
                    self.set_aside(at, poison.to_string()).await?;
                    self.in_flight.load(at, &[])
                }
            };
            self.progress(progress);
        }
        Ok(())
    }

    /// A session has ended with `oldest` unanswered. A publish that ends all of them is given up:
    /// a picture alone, or else the whole entry, since its parts are alike.
    pub(super) async fn suspect(&mut self, oldest: Option<(Sequence, Part)>) -> Result<(), Error> {
        let now = self.links.clock.now().mono;
        let Some((sequence, part)) = self.suspicion.ended(oldest, now) else { return Ok(()) };
        let reason = "the broker ends the session whenever it is sent; \
                      check the broker's limit on packets";
        let only = (part == Part::Snapshot).then_some(part);
        if only.is_some() {
            tracing::error!(sequence = sequence.0, reason, "an alert goes without its picture");
        } else {
            self.set_aside(sequence, reason.to_owned()).await?;
        }
        let progress = self.in_flight.abandon(sequence, only);
        self.progress(progress);
        Ok(())
    }

    /// Returns how many publishes may be under way at once.
    pub(super) fn publishes_max(&self, most: usize) -> usize {
        if self.suspicion.is_careful() { 1 } else { most }
    }

    /// Notes that the entry at `sequence` can never be published.
    async fn set_aside(&self, sequence: Sequence, reason: String) -> Result<(), Error> {
        self.flow.dropped.inc();
        self.links.metrics.set_aside(CURSOR).inc();
        tracing::error!(sequence = sequence.0, reason, "an alert can't be published: set aside");
        let at = self.links.clock.now().wall;
        let kept = blocking(&self.links.outbox, move |outbox| {
            outbox.set_aside(CURSOR, sequence, &reason, at)
        });
        let kept = i64::try_from(kept.await?).unwrap_or(i64::MAX);
        self.links.metrics.set_aside_now.set(kept);
        Ok(())
    }

    /// The entry at `sequence`, where it is under way.
    pub(super) fn outgoing(&self, sequence: Sequence) -> Option<&OutgoingAlert> {
        self.outgoing.get(&sequence).map(|(outgoing, _)| outgoing)
    }

    /// Drops what is next where it comes too late to be of any use.
    pub(super) fn drops(&mut self, sequence: Sequence, part: Part) -> bool {
        let now = self.links.clock.now().wall;
        if !self.outgoing(sequence).is_some_and(|outgoing| outgoing.is_stale(part, now)) {
            return false;
        }
        self.links.metrics.siren_orders_dropped.inc();
        tracing::warn!(sequence = sequence.0, "an order to the siren comes too late: dropped");
        let progress = self.in_flight.withdraw(sequence, part);
        self.progress(progress);
        true
    }

    /// Notes what an acknowledgement has brought.
    pub(super) fn progress(&mut self, progress: Progress) {
        if let Some((_, since)) = progress.done.and_then(|at| self.outgoing.get(&at)) {
            self.flow.passed.inc();
            self.timer.observe(self.links.clock.now().mono.since(*since));
        }
        if let Some(cursor) = progress.cursor {
            self.suspicion.clear();
            self.outgoing = self.outgoing.split_off(&cursor.next());
        }
    }

    /// Writes the cursor down if it has moved. A failure costs a redelivery, no more.
    pub(super) async fn save_cursor(&mut self) {
        let cursor = self.in_flight.cursor();
        if cursor == self.saved {
            return;
        }
        self.saved = cursor;
        let saved = blocking(&self.links.outbox, move |outbox| outbox.advance(CURSOR, cursor));
        if let Err(error) = saved.await {
            tracing::warn!(%error, "can't note what the broker has; some will be sent again");
        }
    }
}

fn with_snapshot(outbox: &Outbox, entry: Entry) -> Result<(Entry, Option<Vec<u8>>), outbox::Error> {
    if !entry.snapshot {
        return Ok((entry, None));
    }
    let snapshot = outbox.snapshot(entry.sequence).unwrap_or_else(|error| {
        // The alert goes without its picture rather than not at all.
        tracing::warn!(sequence = entry.sequence.0, %error, "can't read a snapshot");
        None
    });
    // A khu phố's team may not see the faces of a street's neighbours: not at the page, nor here.
    let snapshot = match hides_faces(&entry) {
        true => snapshot.and_then(|jpeg| {
            let hidden = redaction::redact_jpeg(&jpeg);
            hidden
                .inspect_err(|error| {
                    tracing::warn!(sequence = entry.sequence.0, %error, "faces can't be hidden");
                })
                .ok()
        }),
        false => snapshot,
    };
    Ok((entry, snapshot))
}

/// Tells whether its picture may show people whom not everybody who gets it may see.
fn hides_faces(entry: &Entry) -> bool {
    Head::read(&entry.payload).is_ok_and(|head| head.has_kind() && !head.shows_faces())
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T, F>(outbox: &Outbox, work: F) -> Result<T, outbox::Error>
where
    T: Send + 'static,
    F: FnOnce(&Outbox) -> Result<T, outbox::Error> + Send + 'static,
{
    let outbox = outbox.clone();
    match tokio::task::spawn_blocking(move || work(&outbox)).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
