//! People who report and answer, and know what the broker has taken from them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use jiff::tz::TimeZone;
use keng::clock::SystemClock;
use keng::mqtt::signed_text;
use keng::time::Clock as _;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rumqttc::AsyncClient;
use rumqttc::Event;
use rumqttc::EventLoop;
use rumqttc::MqttOptions;
use rumqttc::Packet;
use rumqttc::QoS;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ledger::Ledger;

/// From one message of somebody's to the next, milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 60..420;
/// One message in so many is an answer to an open incident.
const ANSWERS: u32 = 12;
/// The broker acknowledges within, or it is asked again.
const PUBACK: Duration = Duration::from_secs(2);

/// The khu phố whose people sign.
pub(crate) const SIGNING: &str = "kp5";

/// The people.
pub(crate) struct Load {
    /// Reports that the broker has acknowledged, by number.
    pub(crate) acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    stop: CancellationToken,
    people: TaskTracker,
}

impl Load {
    /// Two people in each khu phố; the same seed, the same words. `key`: what those of `kp5` sign
    /// with.
    pub(crate) fn start(
        port: u16,
        ledger: &Arc<Ledger>,
        seed: u64,
        key: Option<&'static str>,
    ) -> Self {
        let (stop, people) = (CancellationToken::new(), TaskTracker::new());
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let numbers = Arc::new(AtomicU64::new(1));
        for (index, khu_pho) in ["kp3", "kp5", "kp3", "kp5"].into_iter().enumerate() {
            let person = Person {
                khu_pho,
                key,
                voice: Voice::new(port, &format!("person-{index}")),
                ledger: ledger.clone(),
                acknowledged: acknowledged.clone(),
                numbers: numbers.clone(),
                rng: SmallRng::seed_from_u64(seed + index as u64),
            };
            people.spawn(person.speak(stop.clone()));
        }
        people.close();
        Self { acknowledged, stop, people }
    }

    /// Everybody ends the sentence: what the broker has is known exactly.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.people.wait().await;
    }
}

struct Person {
    khu_pho: &'static str,
    key: Option<&'static str>,
    voice: Voice,
    ledger: Arc<Ledger>,
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    numbers: Arc<AtomicU64>,
    rng: SmallRng,
}

impl Person {
    async fn speak(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = Duration::from_millis(self.rng.random_range(PAUSE_MS));
            tokio::time::sleep(pause).await;
            let pick = self.rng.random_range(0..usize::MAX);
            let open = self.ledger.book().some_open(pick);
            match open.filter(|_| self.rng.random_range(0..ANSWERS) == 0) {
                Some((khu_pho, id)) => {
                    let topic = format!("keng/p14/{khu_pho}/incident/{id}/command");
                    let action = ["acknowledge", "on_scene", "resolve"][pick % 3];
                    let answer = json!({ "action": action, "by": format!("Tổ {pick}") });
                    let key = self.key.filter(|_| khu_pho == SIGNING);
                    self.voice.say(&topic, &worded(&topic, answer, key)).await;
                }
                None => {
                    let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                    let kind = ["fire", "smoke", "loitering", "other"][pick % 4];
                    let report =
                        json!({ "kind": kind, "by": "Bà Tám", "note": number.to_string() });
                    let topic = format!("keng/p14/{}/report", self.khu_pho);
                    let key = self.key.filter(|_| self.khu_pho == SIGNING);
                    self.voice.say(&topic, &worded(&topic, report, key)).await;
                    self.acknowledged.lock().unwrap().insert(number);
                }
            }
        }
    }
}

/// The payload, signed if there is a key: what comes again after a kill must count, and only once.
fn worded(topic: &str, mut members: Value, key: Option<&str>) -> String {
    let Some(key) = key else { return members.to_string() };
    let map = members.as_object_mut().unwrap();
    let at = SystemClock::new().now().wall.to_rfc3339(&TimeZone::UTC);
    map.insert("at".to_owned(), at.into());
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(signed_text(topic, map).unwrap().as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    map.insert("hmac".to_owned(), hex.into());
    members.to_string()
}

/// Says one thing after another, each until the broker has acknowledged it.
pub(crate) struct Voice {
    port: u16,
    name: String,
    session: Option<(AsyncClient, EventLoop)>,
}

impl Voice {
    pub(crate) fn new(port: u16, name: &str) -> Self {
        Self { port, name: name.to_owned(), session: None }
    }

    pub(crate) async fn say(&mut self, topic: &str, payload: &str) {
        loop {
            let (client, mut events) = self.session.take().unwrap_or_else(|| {
                AsyncClient::new(MqttOptions::new(&self.name, "127.0.0.1", self.port), 4)
            });
            client.try_publish(topic, QoS::AtLeastOnce, false, payload.as_bytes()).unwrap();
            let taken = async {
                loop {
                    match events.poll().await {
                        Ok(Event::Incoming(Packet::PubAck(_))) => return true,
                        Ok(_) => {}
                        Err(_) => return false,
                    }
                }
            };
            if tokio::time::timeout(PUBACK, taken).await == Ok(true) {
                self.session = Some((client, events));
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
