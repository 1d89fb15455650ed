//! An outbox with alerts, and webhooks over it as the daemon runs them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keng::camera::backoff::BackoffPolicy;
use keng::clock::SystemClock;
use keng::metrics::Metrics;
use keng::outbox::Append;
use keng::outbox::DeadLetter;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::outlet;
use keng::outlet::Patience;
use keng::outlet::RunnerLinks;
use keng::outlet::Sink;
use keng::outlet::Standings;
use keng::outlet::webhook::Body;
use keng::outlet::webhook::Config;
use keng::outlet::webhook::Filter;
use keng::outlet::webhook::Target;
use keng::outlet::webhook::Webhook;
use keng::time::Clock;
use keng::time::Wall;
use keng::ward::Id;
use keng::ward::Secret;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::mosquitto::until;

const ALERT: &str = include_str!("../testdata/alert_fire.json");

/// A ward's outbox.
pub(crate) struct Street {
    pub(crate) outbox: Outbox,
    pub(crate) metrics: Metrics,
    pub(crate) standings: Standings,
    clock: Arc<dyn Clock>,
    folder: TempDir,
}

/// A webhook at work.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// An ordered stop.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap();
    }

    /// As if the process had died.
    pub(crate) async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

impl Street {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            outbox: Outbox::open(folder.path()).unwrap(),
            metrics: Metrics::new(),
            standings: Standings::default(),
            clock: Arc::new(SystemClock::new()),
            folder,
        }
    }

    /// The same store, opened anew.
    pub(crate) fn restart(self) -> Self {
        let Self { outbox, folder, clock, .. } = self;
        drop(outbox);
        let outbox = Outbox::open(folder.path()).unwrap();
        let (metrics, standings) = (Metrics::new(), Standings::default());
        Self { outbox, metrics, standings, clock, folder }
    }

    /// Appends a revision of the incident `i`, with some members changed; returns its bytes.
    pub(crate) fn add(&self, i: u32, revision: u32, changes: &Value) -> String {
        let mut alert: Value = serde_json::from_str(ALERT).unwrap();
        alert["id"] = format!("2026112{}t151403120z-hem-42", i % 10).into();
        alert["revision"] = revision.into();
        for (key, value) in changes.as_object().into_iter().flatten() {
            alert[key] = value.clone();
        }
        let live = alert["closed_at"].is_null();
        let wall = self.clock.now().wall;
        let subject = format!("{}/{i}", alert["khu_pho"].as_str().unwrap());
        let append = Append { subject, live, wall, snapshot: None };
        let mut bytes = String::new();
        let make = |at: Sequence| {
            alert["sequence"] = at.0.into();
            bytes = alert.to_string();
            bytes.clone().into_bytes()
        };
        self.outbox.append(append, make).unwrap();
        bytes
    }

    /// Appends an alert as it is.
    pub(crate) fn append(&self, subject: &str, alert: &str) {
        let read: Value = serde_json::from_str(alert).unwrap();
        let live = read["closed_at"].is_null();
        append(&self.outbox, subject, alert, live, self.clock.now().wall);
    }

    /// Begins at the present end of the log, as a reader that has been there before.
    pub(crate) fn enrol(&self, config: &Config) {
        self.outbox.register_reader(&reader(config)).unwrap();
    }

    pub(crate) fn run(&self, config: &Config) -> Running {
        self.run_sink(Webhook::new(config.clone(), Arc::clone(&self.clock)))
    }

    pub(crate) fn run_sink(&self, sink: impl Sink) -> Running {
        let links = RunnerLinks {
            outbox: self.outbox.clone(),
            metrics: self.metrics.clone(),
            clock: Arc::clone(&self.clock),
            standings: self.standings.clone(),
        };
        let stop = CancellationToken::new();
        let rng = StdRng::seed_from_u64(1);
        let task = tokio::spawn(outlet::run(sink, links, patience(), rng, stop.clone()));
        Running { stop, task }
    }

    /// Until its cursor stands at the end of the log.
    pub(crate) async fn all_read(&self, config: &Config) {
        let (reader, last) = (reader(config), self.outbox.last());
        until("all read", || self.outbox.cursor(&reader).unwrap() == last).await;
    }

    /// The folder of everything that lasts.
    pub(crate) fn store(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.outbox.set_aside_list().unwrap()
    }
}

/// Appends bytes as they are.
pub(crate) fn append(outbox: &Outbox, subject: &str, alert: &str, live: bool, wall: Wall) {
    let append = Append { subject: subject.to_owned(), live, wall, snapshot: None };
    outbox.append(append, |_| alert.as_bytes().to_vec()).unwrap();
}

/// As the daemon's, a hundred times as fast.
fn patience() -> Patience {
    let (first, longest) = (Duration::from_millis(10), Duration::from_millis(50));
    Patience {
        backoff: BackoffPolicy::new(first, longest, 2.0, 0.2).unwrap(),
        failures: 4,
        failing: Duration::from_millis(100),
        ..Patience::default()
    }
}

pub(crate) fn reader(config: &Config) -> String {
    outlet::webhook::reader(&config.id)
}

/// To `url`, everything as it is.
pub(crate) fn webhook(id: &str, url: &str) -> Config {
    Config {
        id: Id::new(id).unwrap(),
        target: Target::new(url, None).unwrap(),
        ca_file: None,
        secret: None,
        headers: Vec::new(),
        body: Body::Alert,
        content_type: "application/json".to_owned(),
        filter: Filter::default(),
        expect: None,
        timeout: Duration::from_secs(5),
    }
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}
