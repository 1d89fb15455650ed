//! The thread that writes the detection log: records in, blocks out every few seconds.
//!
//! Nothing waits for the disk (no `fdatasync`): a power cut costs some seconds of detections. A
//! disk that refuses costs what would have been written meanwhile; it is counted, told once, and
//! goes on by itself.

use std::fs;
use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::codec::{Encoder, HEADER};
use super::{DaemonRun, Folder, LoggedInput};
use crate::metrics::Metrics;
use crate::time::{Clock, Mono, Stamp, Wall};

/// Records that may wait for the thread; 300 cameras bring some 2000 a second at the most.
const QUEUE_MAX: usize = 8_192;
/// A block holds what came in as long, or as many records.
const BLOCK_SPAN: Duration = Duration::from_secs(5);
const BLOCK_RECORDS_MAX: usize = 16_384;
/// A segment holds no more time, and hardly more bytes, nor more than this part of all.
const SEGMENT_SPAN: Duration = Duration::from_secs(3_600);
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
const SEGMENT_PART: u64 = 8;
/// The interval at which segments that are too old or too many are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// The configuration of the log: its folder, retention and bound.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of segments.
    pub folder: Folder,
    /// The age from which segments are deleted.
    pub retention: Duration,
    /// More bytes are never kept; 0: nothing is.
    pub bytes_max: u64,
}

impl Config {
    fn segment_bytes(&self) -> u64 {
        (self.bytes_max / SEGMENT_PART).min(SEGMENT_BYTES_MAX)
    }
}

/// The handle of the writer's thread. Its calls never wait.
#[derive(Clone, Debug)]
pub struct DetectionLogWriter {
    records: Option<SyncSender<LoggedInput>>,
    dropped: Counter,
}

impl DetectionLogWriter {
    /// Appends a record; drops and counts it where the thread is behind.
    pub fn append(&self, record: LoggedInput) {
        if let Some(records) = &self.records
            && records.try_send(record).is_err()
        {
            self.dropped.inc();
        }
    }

    /// Returns whether anything is kept at all.
    pub fn is_enabled(&self) -> bool {
        self.records.is_some()
    }
}

/// Starts the thread `diary`. It ends when nobody can send any more and all is written. Where
/// nothing is to be kept it deletes what there is and ends.
///
/// # Errors
/// The system has no thread left.
pub fn spawn(
    config: Config,
    metrics: &Metrics,
    clock: Arc<dyn Clock>,
) -> io::Result<(DetectionLogWriter, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::sync_channel(QUEUE_MAX);
    let dropped = metrics.detections_dropped.clone();
    let records = (config.bytes_max > 0).then_some(sender);
    let log = DetectionLogWriter { records, dropped: dropped.clone() };
    let mut writer = WriterThread::new(config, clock, dropped);
    let thread = std::thread::Builder::new()
        .name("diary".to_owned())
        .spawn(move || writer.run(&receiver))?;
    Ok((log, thread))
}

/// The segment that is being written.
struct OpenSegment {
    file: fs::File,
    path: PathBuf,
    encoder: Encoder,
    begun: Mono,
    bytes: u64,
}

struct WriterThread {
    config: Config,
    clock: Arc<dyn Clock>,
    dropped: Counter,
    run: DaemonRun,
    open: Option<OpenSegment>,
    waiting: Vec<LoggedInput>,
    pruned: Option<Mono>,
    complained: bool,
}

impl WriterThread {
    fn new(config: Config, clock: Arc<dyn Clock>, dropped: Counter) -> Self {
        // Tells this start from others; that two have the same wall time would take a clock that
        // was set back to the microsecond.
        let run = DaemonRun(clock.now().wall.0.unsigned_abs());
        Self {
            config,
            clock,
            dropped,
            run,
            open: None,
            waiting: Vec::new(),
            pruned: None,
            complained: false,
        }
    }

    fn run(&mut self, records: &Receiver<LoggedInput>) {
        self.prune();
        loop {
            match records.recv_timeout(BLOCK_SPAN) {
                Ok(record) => {
                    let first = self.waiting.first().map_or(record.at(), LoggedInput::at);
                    let full = record.at().mono.since(first.mono) >= BLOCK_SPAN
                        || self.waiting.len() >= BLOCK_RECORDS_MAX;
                    if full {
                        self.flush();
                    }
                    self.waiting.push(record);
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
        }
    }

    fn flush(&mut self) {
        if !self.waiting.is_empty() {
            let written = self.write();
            if let Err(error) = &written {
                self.dropped.inc_by(self.waiting.len() as u64);
                if !self.complained {
                    let folder = self.config.folder.path().display();
                    tracing::error!(%folder, %error, "detections can't be kept; alerts go on");
                }
            } else if self.complained {
                tracing::info!("detections are kept again");
            }
            self.complained = written.is_err();
            self.waiting.clear();
        }
        let now = self.clock.now().mono;
        if self.pruned.is_none_or(|last| now.since(last) >= PRUNE_EVERY) {
            self.prune();
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let now = self.waiting.first().map_or(Stamp::default(), LoggedInput::at).mono;
        let over = |open: &OpenSegment| {
            now.since(open.begun) >= SEGMENT_SPAN || open.bytes >= self.config.segment_bytes()
        };
        if self.open.as_ref().is_some_and(over) {
            self.open = None;
            self.prune();
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let (file, path) = self.config.folder.begin()?;
                let encoder = Encoder::default();
                let mut open = OpenSegment { file, path, encoder, begun: now, bytes: 0 };
                open.append(&HEADER)?;
                none.insert(open)
            }
        };
        let Some(block) = open.encoder.block(self.run, &self.waiting) else { return Ok(()) };
        let written = open.append(&block);
        if written.is_err() {
            // What comes afterwards needs no names from a block that isn't there.
            self.open = None;
        }
        written
    }

    fn prune(&mut self) {
        let now = self.clock.now();
        self.pruned = Some(now.mono);
        let Config { folder, retention, bytes_max } = &self.config;
        let span = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        // The segment that is being written may still grow.
        let room = bytes_max.saturating_sub(self.config.segment_bytes());
        match folder.prune(Wall(now.wall.0.saturating_sub(span)), room) {
            Ok(0) => {}
            Ok(segments) => tracing::info!(segments, "old detections deleted"),
            Err(error) => tracing::warn!(%error, "old detections could not be deleted"),
        }
    }
}

impl OpenSegment {
    /// All of it, or nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        if written.is_ok() {
            self.bytes += bytes.len() as u64;
        } else if self.bytes == 0 {
            drop(fs::remove_file(&self.path));
        } else {
            drop(self.file.set_len(self.bytes));
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::FrameResult;
    use crate::time::{ManualClock, Wall};
    use crate::ward::Id;

    fn frame(second: u64) -> LoggedInput {
        let at = Stamp { mono: Mono(second * 1_000_000), wall: Wall(0) };
        let camera = Id::new("hem-42").unwrap();
        LoggedInput::Frame(FrameResult { camera, at, detections: Vec::new() })
    }

    #[test]
    fn writing_resumes_when_the_disk_recovers() {
        let store = tempfile::tempdir().unwrap();
        let blocked = store.path().join("store");
        std::fs::write(&blocked, "x").unwrap();
        let folder = Folder::of(&blocked);
        let retention = Duration::from_secs(86_400);
        let config = Config { folder: folder.clone(), retention, bytes_max: 1 << 30 };
        let dropped = Counter::default();
        let mut writer =
            WriterThread::new(config, Arc::new(ManualClock::default()), dropped.clone());
        let mut give = |seconds: std::ops::Range<u64>| {
            writer.waiting.extend(seconds.map(frame));
            writer.flush();
            writer.complained
        };
        assert!(give(0..3) && give(3..5), "it refuses");
        std::fs::remove_file(&blocked).unwrap();
        assert!(!give(5..9) && !give(9..10), "it takes");
        assert_eq!(dropped.get(), 5);
        let mut kept = Vec::new();
        let all = Wall(i64::MIN)..Wall(i64::MAX);
        folder.read(&all, |part| kept.extend(part)).unwrap();
        let kept: Vec<LoggedInput> = kept.into_iter().map(|(_, record)| record).collect();
        assert_eq!(kept, (5..10).map(frame).collect::<Vec<_>>());
    }

    #[test]
    fn segment_ends_after_an_hour_or_its_share_of_space() {
        let store = tempfile::tempdir().unwrap();
        let folder = Folder::of(store.path());
        let retention = Duration::from_secs(86_400);
        let config = Config { folder: folder.clone(), retention, bytes_max: 8_000 };
        let now = crate::clock::SystemClock::new().now();
        let clock = Arc::new(ManualClock::new(now));
        let mut writer = WriterThread::new(config, clock, Counter::default());
        let mut most = 0;
        for second in (0..36_000u64).step_by(1_800) {
            writer.waiting.extend((second..second + 60).map(frame));
            writer.flush();
            let segments = folder.segments().unwrap();
            most = most.max(segments.iter().map(|segment| segment.bytes).sum());
        }
        assert_eq!(folder.segments().unwrap().last().unwrap().number, 10, "two blocks each");
        assert!((4_000..=8_000).contains(&most), "{most} bytes");
    }

    #[test]
    fn full_queue_drops_records_without_blocking() {
        let (sender, receiver) = mpsc::sync_channel(2);
        let dropped = Counter::default();
        let log = DetectionLogWriter { records: Some(sender), dropped: dropped.clone() };
        (0..5).for_each(|second| log.append(frame(second)));
        assert_eq!((receiver.try_iter().count(), dropped.get()), (2, 3));
    }
}
