//! The thread that writes the outbox: revisions in, durable alerts out.
//!
//! Everything that waits is written at the price of one (group commit), up to a bound, since the
//! first of a group waits for the last. An alert is never given up: when the disk is full, the
//! writer tries again until it isn't.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::alert::{AlertContext, Latency};
use crate::detector::Timing;
use crate::frame::Picture;
use crate::frame::redaction;
use crate::incident::Incident;
use crate::metrics::{Metrics, Stage};
use crate::mqtt::Topics;
use crate::outbox::{Append, DiskSpace, Outbox, Sequence, StateChange, StorageLimits};
use crate::time::{Clock, Mono, Stamp};
use crate::ward::Id;

/// Jobs that may wait for the outbox; then the core waits, and with it the detectors.
const JOBS_MAX: usize = 256;
/// Jobs that are written together at most.
const GROUP_MAX: usize = 64;
/// Bytes of snapshots in a group; each costs its encoding and a sync of its own, so this is some
/// eight of them and a tenth of a second.
const GROUP_BYTES_MAX: usize = 512 * 1024;
/// From one attempt to the next while the disk refuses.
const RETRY: Duration = Duration::from_secs(1);
/// Snapshots are no wider: enough for a phone and a duty officer's screen.
const SNAPSHOT_WIDTH_MAX: u32 = 960;
/// The interval at which old entries are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// Revisions that one input brought forth.
pub(super) struct Job {
    /// In order.
    pub(super) revisions: Vec<Incident>,
    /// The frame that showed it, where it was one.
    pub(super) frame: Option<AlertPicture>,
    /// The time at which the core was done.
    pub(super) judged: Stamp,
    /// The context that the alert states.
    pub(super) context: Arc<AlertContext>,
    /// Entries older are of no use.
    pub(super) retention: Duration,
    /// The room that the store may take of the disk.
    pub(super) limits: StorageLimits,
    /// The answer that somebody waits for.
    pub(super) pending: Option<PendingAnswer>,
}

/// The answer to whoever asked for something, due once the revision is durable.
pub(super) struct PendingAnswer {
    /// Noted in the write of the revisions, or alone where there are none.
    pub(super) notes: Vec<StateChange>,
    /// Signalled once all is durable.
    pub(super) done: oneshot::Sender<()>,
}

/// A frame that brought forth revisions.
pub(super) struct AlertPicture {
    /// The camera, and where people are in the picture: for whoever may not see faces.
    pub(super) note: redaction::PeopleNote,
    pub(super) picture: Picture,
    /// The time at which its last packet arrived.
    pub(super) at: Mono,
    pub(super) timing: Timing,
    pub(super) core: Duration,
}

/// Starts the thread `outbox`. It ends when nobody can send any more and all is written.
pub(super) fn spawn(
    outbox: Outbox,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
) -> std::io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel(JOBS_MAX);
    let writer = OutboxWriter { outbox, metrics, clock, pruned: Mono(0) };
    let thread = std::thread::Builder::new()
        .name("outbox".to_owned())
        .spawn(move || writer.run(receiver))?;
    Ok((sender, thread))
}

struct OutboxWriter {
    outbox: Outbox,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    pruned: Mono,
}

/// One revision, ready but for its sequence.
struct UnsavedRevision {
    incident: Incident,
    context: Arc<AlertContext>,
    snapshot: Option<Vec<u8>>,
    timing: Option<(Timing, Duration)>,
    judged: Mono,
}

impl OutboxWriter {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::with_capacity(GROUP_MAX);
        while jobs.blocking_recv_many(&mut waiting, GROUP_MAX) > 0 {
            let newest = waiting.last().map(|job| (job.retention, job.limits));
            let mut group = RevisionBatch::default();
            for job in waiting.drain(..) {
                self.keep_within(job.limits);
                group.add(job, self.outbox.disk_space() == DiskSpace::Enough);
                if group.bytes >= GROUP_BYTES_MAX {
                    self.write(std::mem::take(&mut group));
                }
            }
            self.write(group);
            if let Some((retention, limits)) = newest {
                self.keep_within(limits);
                self.prune(retention);
            }
        }
    }

    fn write(&self, group: RevisionBatch) {
        let RevisionBatch { drafts, notes, frames, waiting, .. } = group;
        if !drafts.is_empty() || !notes.is_empty() {
            let begun = self.clock.now().mono;
            self.append(&drafts, &notes);
            let now = self.clock.now().mono;
            self.metrics.timer(Stage::Store).observe(now.since(begun));
            self.metrics.alerts.inc_by(drafts.len() as u64);
            for at in frames {
                self.metrics.alert_seconds.observe(now.seconds_since(at));
            }
        }
        for done in waiting {
            if done.send(()).is_err() {
                tracing::debug!("whoever asked is gone; it is done all the same");
            }
        }
    }

    fn keep_within(&self, limits: StorageLimits) {
        match self.outbox.set_limits(limits) {
            Ok(0) => {}
            Ok(snapshots) => tracing::info!(snapshots, "old snapshots deleted for their size"),
            Err(error) => tracing::warn!(%error, "old snapshots could not be deleted"),
        }
    }

    /// Until it is durable.
    fn append(&self, drafts: &[UnsavedRevision], notes: &[StateChange]) {
        let mut complained = false;
        loop {
            let now = self.clock.now();
            let appends = drafts
                .iter()
                .map(|draft| {
                    let make = move |sequence: Sequence| draft.render(sequence, now.mono);
                    (draft.append(now), make)
                })
                .collect();
            match self.outbox.append_with_state(appends, notes) {
                Ok(_) => {
                    self.metrics.outbox_stuck.set(0);
                    return;
                }
                Err(error) => {
                    if !std::mem::replace(&mut complained, true) {
                        let alerts = drafts.len();
                        tracing::error!(%error, alerts, "alerts wait for the disk");
                    }
                    self.metrics.outbox_stuck.set(1);
                    pause(RETRY);
                }
            }
        }
    }

    fn prune(&mut self, retention: Duration) {
        let now = self.clock.now();
        if self.pruned != Mono(0) && now.mono.since(self.pruned) < PRUNE_EVERY {
            return;
        }
        self.pruned = now.mono;
        let span = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        match self.outbox.prune(crate::time::Wall(now.wall.0.saturating_sub(span))) {
            Ok(0) => {}
            Ok(entries) => tracing::info!(entries, "old alerts deleted"),
            Err(error) => tracing::warn!(%error, "old alerts could not be deleted"),
        }
        super::outlets::count_set_aside(&self.outbox, &self.metrics);
    }
}

/// Jobs that become one append.
#[derive(Default)]
struct RevisionBatch {
    drafts: Vec<UnsavedRevision>,
    notes: Vec<StateChange>,
    /// The time at which the last packets of the frames arrived that showed them.
    frames: Vec<Mono>,
    /// Those who wait for them to be durable.
    waiting: Vec<oneshot::Sender<()>>,
    /// Of snapshots.
    bytes: usize,
}

impl RevisionBatch {
    fn add(&mut self, job: Job, pictured: bool) {
        if let Some(PendingAnswer { notes, done }) = job.pending {
            self.notes.extend(notes);
            self.waiting.push(done);
        }
        self.frames.extend(job.frame.as_ref().map(|shown| shown.at));
        let picture = job.frame.as_ref().filter(|_| pictured);
        let snapshot = picture.and_then(|shown| snapshot(shown, &job.revisions));
        for incident in job.revisions {
            // The picture belongs to the incident that the frame's camera is part of.
            let shown = job.frame.as_ref().filter(|shown| sees(&incident, &shown.note.camera));
            let snapshot = shown.and(snapshot.clone());
            self.bytes += snapshot.as_ref().map_or(0, Vec::len);
            self.drafts.push(UnsavedRevision {
                snapshot,
                timing: shown.map(|shown| (shown.timing, shown.core)),
                context: Arc::clone(&job.context),
                judged: job.judged.mono,
                incident,
            });
        }
    }
}

impl UnsavedRevision {
    fn append(&self, now: Stamp) -> Append {
        Append {
            subject: format!("{}/{}", self.incident.khu_pho, self.incident.id),
            live: !self.incident.state.is_closed(),
            wall: now.wall,
            snapshot: self.snapshot.clone(),
        }
    }

    fn render(&self, sequence: Sequence, now: Mono) -> Vec<u8> {
        let topics = Topics::new(self.context.ward.id.clone());
        let incident = Id::new(self.incident.id.as_str());
        let topic = incident.ok().map(|id| topics.snapshot(&self.incident.khu_pho, &id));
        let latency = self.timing.map(|(timing, core)| Latency {
            decode: Duration::from_micros(timing.decode_us),
            queue: Duration::from_micros(timing.queue_us),
            inference: Duration::from_micros(timing.inference_us),
            core,
            store: now.since(self.judged),
        });
        let topic = topic.filter(|_| self.snapshot.is_some());
        self.context.render(&self.incident, sequence.0, topic, latency)
    }
}

fn sees(incident: &Incident, camera: &Id) -> bool {
    incident.cameras.iter().any(|seen| seen.camera == *camera)
}

/// The frame as a JPEG with a box around what it shows.
fn snapshot(shown: &AlertPicture, revisions: &[Incident]) -> Option<Vec<u8>> {
    let sightings = revisions.iter().flat_map(|incident| &incident.cameras);
    let boxes: Vec<_> = sightings
        .filter(|seen| seen.camera == shown.note.camera)
        .filter_map(|seen| seen.bbox)
        .collect();
    shown.picture.size()?;
    match shown.picture.jpeg_with_people(SNAPSHOT_WIDTH_MAX, &boxes, &shown.note) {
        Ok(jpeg) => Some(jpeg),
        Err(error) => {
            tracing::warn!(camera = %shown.note.camera, %error, "alert without a picture");
            None
        }
    }
}

/// Nothing can be done before; a stop comes through all the same, since the process may be killed
/// here without loss: what waits was never said to be durable.
#[expect(clippy::disallowed_methods, reason = "this thread has nothing else to wait on")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
