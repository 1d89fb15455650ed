//! The publisher over a store, as the daemon runs it, and alerts for it to carry.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keng::clock::SystemClock;
use keng::metrics::Metrics;
use keng::mqtt;
use keng::mqtt::BrokerState;
use keng::mqtt::Inbound;
use keng::mqtt::RetainedTopics;
use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::time::Clock;
use keng::time::Wall;
use keng::ward::Id;
use keng::ward::Language;
use keng::ward::Ward;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::mosquitto::until;

/// A publisher over a store, as the daemon runs it.
pub(crate) struct Daemon {
    pub(crate) outbox: Outbox,
    pub(crate) retained: RetainedTopics,
    pub(crate) inbound: mpsc::Receiver<Inbound>,
    pub(crate) state: watch::Receiver<BrokerState>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Daemon {
    pub(crate) fn start(store: &Path, config: mqtt::Config) -> Self {
        Self::start_with(store, config, Arc::new(SystemClock::new()))
    }

    /// By another clock.
    pub(crate) fn start_with(store: &Path, config: mqtt::Config, clock: Arc<dyn Clock>) -> Self {
        let outbox = Outbox::open(store).unwrap();
        let retained = RetainedTopics::new();
        let (sender, inbound) = mpsc::channel(8);
        let (state_sender, state) = watch::channel(BrokerState::default());
        let links = mqtt::Links {
            outbox: outbox.clone(),
            retained: retained.clone(),
            inbound: sender,
            state: state_sender,
            metrics: Metrics::new(),
            clock,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(mqtt::publish(config, ward(), links, stop.clone()));
        Self { outbox, retained, inbound, state, stop, task }
    }

    /// An ordered stop.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap();
    }

    /// As if the process had died: the socket closes, nothing more is said.
    pub(crate) async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn all_acknowledged(&self) {
        let (outbox, last) = (&self.outbox, self.outbox.last());
        until("all acknowledged", || outbox.cursor(mqtt::CURSOR).unwrap() == last).await;
    }
}

pub(crate) fn ward() -> Ward {
    Ward {
        id: Id::new("p14").unwrap(),
        name: "Phường 14".to_owned(),
        timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
        language: Language::Vi,
    }
}

pub(crate) fn config(port: u16) -> mqtt::Config {
    mqtt::Config {
        url: Some(format!("mqtt://127.0.0.1:{port}").parse().unwrap()),
        listen: "127.0.0.1:1883".parse().unwrap(),
        username: None,
        password: None,
        ca_file: None,
        client_cert: None,
        client_key: None,
        keep_alive: Duration::from_secs(15),
        signed_age_max: Duration::from_secs(900),
        reports_per_minute: 30,
    }
}

pub(crate) fn alert(sequence: Sequence, id: &str, state: &str) -> Vec<u8> {
    let closed = if state == "resolved" { "\"2026-11-21T22:14:03.120+07:00\"" } else { "null" };
    format!(
        "{{\"schema\":\"keng.alert/1\",\"sequence\":{},\"id\":\"{id}\",\"khu_pho\":\"kp3\",\
         \"state\":\"{state}\",\"closed_at\":{closed},\"message\":\"CHÁY tại Hẻm 42\"}}",
        sequence.0
    )
    .into_bytes()
}

pub(crate) fn add(outbox: &Outbox, id: &str, state: &str) -> Vec<u8> {
    add_with(outbox, id, state, None)
}

pub(crate) fn add_with(
    outbox: &Outbox,
    id: &str,
    state: &str,
    snapshot: Option<Vec<u8>>,
) -> Vec<u8> {
    let live = state != "resolved";
    let append = Append { subject: format!("kp3/{id}"), live, wall: Wall(1), snapshot };
    let at = outbox.append(append, |at| alert(at, id, state)).unwrap();
    alert(at, id, state)
}
