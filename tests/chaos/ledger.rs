//! A subscriber with a persistent session that holds what it hears against what was promised.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::hash::DefaultHasher;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;

use rumqttc::AsyncClient;
use rumqttc::Event;
use rumqttc::MqttOptions;
use rumqttc::Packet;
use rumqttc::QoS;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

/// What was heard so far.
#[derive(Default)]
pub(crate) struct Book {
    /// Of each incident each revision's bytes, hashed.
    revisions: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Numbers of reports that stood in an alert.
    pub(crate) told: BTreeSet<u64>,
    /// The same of the publishers without an outbox, QoS 0 and 1.
    pub(crate) bare: [BTreeSet<u64>; 2],
    /// Incidents that were open when last heard of, with their khu phố.
    open: BTreeMap<String, String>,
    /// Alerts heard for the first time.
    pub(crate) news: u64,
    /// Alerts heard again with the same bytes.
    pub(crate) again: u64,
    /// Alerts heard again with other bytes.
    pub(crate) differing: u64,
    /// Alerts that were not the one after the last of their incident.
    pub(crate) disordered: u64,
}

impl Book {
    fn take(&mut self, topic: &str, payload: &[u8]) {
        if let Some(qos) = topic.strip_prefix("bare/") {
            let number = std::str::from_utf8(payload).unwrap().parse().unwrap();
            self.bare[qos.parse::<usize>().unwrap()].insert(number);
            return;
        }
        let alert: Value = serde_json::from_slice(payload).unwrap();
        let (id, revision) = (alert["id"].as_str().unwrap(), alert["revision"].as_u64().unwrap());
        let known = self.revisions.entry(id.to_owned()).or_default();
        let last = known.last_key_value().map_or(0, |(revision, _)| *revision);
        match known.insert(revision, hash(payload)) {
            Some(bytes) if bytes == hash(payload) => self.again += 1,
            Some(_) => self.differing += 1,
            None => {
                self.news += 1;
                self.disordered += u64::from(revision != last + 1);
            }
        }
        for report in alert["reports"].as_array().unwrap() {
            self.told.extend(report["note"].as_str().and_then(|note| note.parse::<u64>().ok()));
        }
        if alert["closed_at"].is_null() {
            self.open.insert(id.to_owned(), alert["khu_pho"].as_str().unwrap().to_owned());
        } else {
            self.open.remove(id);
        }
    }

    /// Tells whether an alert of the log was heard as it stands there.
    pub(crate) fn has(&self, payload: &[u8]) -> bool {
        let alert: Value = serde_json::from_slice(payload).unwrap();
        let (id, revision) = (alert["id"].as_str().unwrap(), alert["revision"].as_u64().unwrap());
        self.revisions.get(id).and_then(|known| known.get(&revision)) == Some(&hash(payload))
    }

    /// Some incident that goes on: khu phố and id.
    pub(crate) fn some_open(&self, pick: usize) -> Option<(String, String)> {
        let (id, khu_pho) = self.open.iter().nth(pick % self.open.len().max(1))?;
        Some((khu_pho.clone(), id.clone()))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The subscriber.
pub(crate) struct Ledger {
    book: Arc<Mutex<Book>>,
    _task: AbortOnDropHandle<()>,
}

impl Ledger {
    /// Listens on the broker at `port`, whatever becomes of it.
    pub(crate) fn new(port: u16) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let written = book.clone();
        let mut options = MqttOptions::new("ledger", "127.0.0.1", port);
        options.set_clean_session(false).set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::new(options, 16);
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        for filter in ["keng/p14/+/alert", "bare/+"] {
                            client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(heard))) => {
                        written.lock().unwrap().take(&heard.topic, &heard.payload);
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        Self { book, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}
