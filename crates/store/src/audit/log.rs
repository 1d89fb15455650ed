//! The thread that writes, and the way to it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;

use super::chain::ChainHead;
use super::writer::Writer;
use super::{AuditRecord, Error};
use crate::metrics::Metrics;
use crate::time::{Clock, Stamp};

/// Records that may wait for the disk; more are dropped and counted.
const QUEUE_MAX: usize = 1_024;
/// Records that one `fdatasync` makes durable at most.
const GROUP_MAX: usize = 256;

enum Job {
    Write(AuditRecord, Stamp, Option<oneshot::Sender<Result<u64, Error>>>),
    /// Answered once all before is done with.
    Flush(oneshot::Sender<()>),
}

/// The way to the log. Clones share it; the thread ends with the last of them.
#[derive(Clone)]
pub struct AuditLog {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

struct Shared {
    head: Mutex<ChainHead>,
    /// Kept out since the last record that got in.
    missing: AtomicU64,
    lost: Counter,
}

impl AuditLog {
    /// Opens the log of the store at `store`, mends what a crash has torn, and starts the thread
    /// `audit`. Blocks on the disk; one that refuses is logged, and tried again with each record.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn open(store: &Path, clock: Arc<dyn Clock>, metrics: &Metrics) -> Result<Self, Error> {
        let mut writer = Writer::new(store);
        let opened = writer.append(&[], clock.now().wall);
        let complained = opened.as_ref().is_err_and(complain);
        let head = opened.unwrap_or_default();
        let shared = Arc::new(Shared {
            head: Mutex::new(head),
            missing: AtomicU64::new(0),
            lost: metrics.audit_lost.clone(),
        });
        let (jobs, waiting) = sync_channel(QUEUE_MAX);
        let writer = LogWriter { writer, shared: Arc::clone(&shared), complained };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(|source| Error::Io { path: store.to_owned(), source })?;
        Ok(Self { jobs, shared, clock })
    }

    /// Writes a record down within moments. Never waits, never fails: what can't be recorded is
    /// counted, logged, and told by the next record that gets in.
    pub fn note(&self, record: AuditRecord) {
        let job = Job::Write(record, self.clock.now(), None);
        if self.jobs.try_send(job).is_err() {
            self.shared.lose(1);
        }
    }

    /// Writes a record down; answers with its number once it is durable.
    ///
    /// # Errors
    /// Where it could not be; it is counted then as for [`AuditLog::note`].
    pub async fn record(&self, record: AuditRecord) -> Result<u64, Error> {
        let (done, written) = oneshot::channel();
        if let Err(error) = self.jobs.try_send(Job::Write(record, self.clock.now(), Some(done))) {
            self.shared.lose(1);
            return Err(match error {
                TrySendError::Full(_) => Error::Full,
                TrySendError::Disconnected(_) => Error::Closed,
            });
        }
        written.await.unwrap_or(Err(Error::Closed))
    }

    /// Answers once all that was noted before is durable, or counted as lost.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let jobs = self.jobs.clone();
        // Waits where the queue is full; the thread empties it whatever the disk says.
        let sent = tokio::task::spawn_blocking(move || jobs.send(Job::Flush(done)).is_ok());
        if sent.await.is_ok_and(|sent| sent) {
            // An error means that the thread is gone, and nothing waits any more.
            drop(flushed.await);
        }
    }

    /// The newest record.
    pub fn head(&self) -> ChainHead {
        self.shared.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Shared {
    fn lose(&self, records: u64) {
        self.missing.fetch_add(records, Ordering::SeqCst);
        self.lost.inc_by(records);
    }
}

struct LogWriter {
    writer: Writer,
    shared: Arc<Shared>,
    complained: bool,
}

impl LogWriter {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut group = Vec::new();
        while let Ok(job) = jobs.recv() {
            group.push(job);
            while group.len() < GROUP_MAX
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            self.write(std::mem::take(&mut group));
        }
    }

    fn write(&mut self, group: Vec<Job>) {
        let (mut records, mut waiting, mut flushed) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = None;
        for job in group {
            match job {
                Job::Write(record, stamp, done) => {
                    at = Some(stamp.wall);
                    records.push((record, stamp));
                    waiting.push(done);
                }
                Job::Flush(done) => flushed.push(done),
            }
        }
        if let Some(at) = at {
            let missing = self.shared.missing.swap(0, Ordering::SeqCst);
            let gap = (missing > 0).then(|| {
                let detail = format!("{missing} records before could not be written");
                AuditRecord::of_log("audit_gap", &detail)
            });
            let count = records.len() as u64;
            let gap = gap.into_iter().map(|gap| (gap, at));
            let lines = gap.chain(records.into_iter().map(|(record, stamp)| (record, stamp.wall)));
            let written = self.writer.append(&lines.collect::<Vec<_>>(), at);
            self.tell(&written, missing, count);
            let failed = written.as_ref().err().map(ToString::to_string);
            let first = written.map_or(0, |head| head.number + 1 - count);
            let asked = (first..).zip(waiting).filter_map(|(number, done)| Some((number, done?)));
            for (number, done) in asked {
                let answer = match &failed {
                    None => Ok(number),
                    Some(error) => Err(Error::Io {
                        path: self.writer.path().to_owned(),
                        source: std::io::Error::other(error.clone()),
                    }),
                };
                // Whoever asked may be gone.
                drop(done.send(answer));
            }
        }
        for done in flushed {
            if done.send(()).is_err() {
                tracing::debug!("whoever waited for the audit log is gone");
            }
        }
    }

    fn tell(&mut self, written: &Result<ChainHead, Error>, missing: u64, records: u64) {
        match written {
            Ok(head) => {
                *self.shared.head.lock().unwrap_or_else(PoisonError::into_inner) = head.clone();
                if std::mem::take(&mut self.complained) || missing > 0 {
                    tracing::warn!(missing, "the audit log is written again, with a gap");
                }
            }
            Err(error) => {
                self.shared.missing.fetch_add(missing, Ordering::SeqCst);
                self.shared.lose(records);
                self.complained = self.complained || complain(error);
            }
        }
    }
}

/// Says what keeps records out; true.
fn complain(error: &Error) -> bool {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "the audit log can't be written; alerts go on");
    true
}

/// Writes one record down, from a process that does nothing else; answers with its number once it
/// is durable. Blocks on the disk, and on whoever writes just now.
///
/// # Errors
/// The file system's.
pub fn record_once(store: &Path, clock: &dyn Clock, record: AuditRecord) -> Result<u64, Error> {
    let at = clock.now().wall;
    Writer::new(store).append(&[(record, at)], at).map(|head| head.number)
}
