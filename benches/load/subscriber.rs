//! A subscriber: when each alert arrives, against when its frame did; and what the retained topics
//! say of the machine and of the cameras.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use keng::attention::Level;
use keng::clock::SystemClock;
use keng::time::Clock;
use rumqttc::AsyncClient;
use rumqttc::Event;
use rumqttc::MqttOptions;
use rumqttc::Packet;
use rumqttc::QoS;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The command by which a team ends an incident.
const RESOLVE: &str = r#"{"action":"resolve","by":"load"}"#;
const TOPICS: [&str; 3] = ["keng/load/+/alert", "keng/load/status", "keng/load/+/+/status"];

/// What was received.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    /// From a frame's last packet to the receipt of its alert, in milliseconds.
    pub(crate) latency_ms: Vec<f64>,
    /// Of these alerts' frames, the age at which the detector was done, in milliseconds.
    pub(crate) analysed_ms: Vec<f64>,
    /// All alerts by incident and revision, those without a frame of their own too.
    pub(crate) alerts: BTreeSet<(String, u64)>,
    /// The shares of the wanted rate that the status topic has granted, since when.
    granted: Vec<(Instant, f64)>,
    /// The level at which each camera is watched, and the frames that this asked for until then.
    levels: BTreeMap<String, Watched>,
}

#[derive(Clone)]
struct Watched {
    level: Level,
    since: Instant,
    wanted: f64,
}

impl Watched {
    fn turn(&mut self, level: Level, now: Instant) {
        let spent = now.duration_since(self.since).as_secs_f64();
        self.wanted += spent / self.level.period().as_secs_f64();
        (self.level, self.since) = (level, now);
    }
}

impl Heard {
    /// Frames that each camera's level has asked for; nothing of cameras that said nothing.
    pub(crate) fn wanted(&self, name: &str) -> Option<f64> {
        self.levels.get(name).map(|watched| watched.wanted)
    }

    /// Takes in a message; the topic of its incident where somebody should answer.
    fn note(&mut self, topic: &str, payload: &Value, wall: Timestamp) -> Option<String> {
        let now = Instant::now();
        let word: Vec<&str> = topic.split('/').collect();
        match word[..] {
            [_, _, "status"] => self.note_ward(payload, now),
            [_, _, _, camera, "status"] => {
                // Of those in focus, what is promised: the topic does not tell which are followed.
                let named = |level: &Level| payload["attention"] == level.as_str();
                let level = Level::ALL.into_iter().find(named)?;
                let fresh = Watched { level, since: now, wanted: 0.0 };
                self.levels.entry(camera.to_owned()).or_insert(fresh).turn(level, now);
            }
            [_, ward, khu_pho, "alert"] => {
                self.note_alert(payload, wall);
                let id = payload["id"].as_str().filter(|_| payload["state"] == "open")?;
                return Some(format!("keng/{ward}/{khu_pho}/incident/{id}/command"));
            }
            _ => {}
        }
        None
    }

    fn note_ward(&mut self, payload: &Value, now: Instant) {
        let degraded = payload["degraded"].as_bool().unwrap_or_default();
        let granted = payload["granted"].as_f64().filter(|_| degraded).unwrap_or(1.0);
        self.granted.push((now, granted));
    }

    /// The least share of the wanted rate that was granted; 1 where nothing else was said.
    pub(crate) fn granted_min(&self) -> f64 {
        self.granted.iter().map(|(_, granted)| *granted).fold(1.0, f64::min)
    }

    /// The share of the wanted rate that is granted now.
    pub(crate) fn granted_now(&self) -> f64 {
        self.granted.last().map_or(1.0, |(_, granted)| *granted)
    }

    /// Seconds from `begun` until `least` of the wanted rate was granted for good; none: it isn't.
    pub(crate) fn granted_again_s(&self, least: f64, begun: Instant) -> Option<f64> {
        let lacked = self.granted.iter().rposition(|(_, granted)| *granted < least);
        let again = self.granted.get(lacked.map_or(0, |last| last + 1));
        again.map(|(at, _)| at.saturating_duration_since(begun).as_secs_f64())
    }

    fn note_alert(&mut self, payload: &Value, wall: Timestamp) {
        let Some(updated) = payload["updated_at"].as_str() else { return };
        let id = payload["id"].as_str().unwrap_or_default().to_owned();
        let first = self.alerts.insert((id, payload["revision"].as_u64().unwrap_or_default()));
        let Some(stages) = payload["latency_ms"].as_object().filter(|_| first) else { return };
        if let Ok(updated) = updated.parse::<Timestamp>() {
            let took = (wall - updated).total(jiff::Unit::Millisecond).unwrap_or(f64::NAN);
            self.latency_ms.push(took);
        }
        let stage = |name: &str| stages.get(name).and_then(Value::as_f64).unwrap_or_default();
        self.analysed_ms.push(stage("decode") + stage("queue") + stage("inference"));
    }
}

pub(crate) struct AlertSubscriber {
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Subscribes to every khu phố's alerts and to what is retained, and goes on doing so. Incidents
/// are resolved `answer` after each of their alerts.
pub(crate) fn listen(broker: SocketAddr, answer: Duration) -> AlertSubscriber {
    let mut options = MqttOptions::new("load-subscriber", broker.ip().to_string(), broker.port());
    options.set_keep_alive(Duration::from_secs(30)).set_max_packet_size(1 << 20, 1 << 20);
    // What comes while the subscriber is away waits for it.
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 64);
    let heard = Arc::new(Mutex::new(Heard::default()));
    let hears = Arc::clone(&heard);
    let clock = SystemClock::new();
    let task = tokio::spawn(async move {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    for topic in TOPICS {
                        if client.subscribe(topic, QoS::AtLeastOnce).await.is_err() {
                            return;
                        }
                    }
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let now = clock.now().wall.to_jiff();
                    let Ok(payload) = serde_json::from_slice(&publish.payload) else { continue };
                    let open = lock(&hears).note(&publish.topic, &payload, now);
                    // The next fire there shall be an incident of its own.
                    if let Some(topic) = open {
                        let client = client.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(answer).await;
                            // Whoever has stopped listening answers nothing any more.
                            let answered = client.publish(topic, QoS::AtLeastOnce, false, RESOLVE);
                            answered.await.unwrap_or_default();
                        });
                    }
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    AlertSubscriber { heard, task }
}

impl AlertSubscriber {
    /// What was heard so far doesn't count; what holds goes on to hold.
    pub(crate) fn forget(&self) {
        let mut heard = lock(&self.heard);
        let (now, old) = (Instant::now(), std::mem::take(&mut *heard));
        heard.granted = vec![(now, old.granted_now())];
        heard.levels = old.levels;
        for watched in heard.levels.values_mut() {
            (watched.since, watched.wanted) = (now, 0.0);
        }
    }

    /// Returns what was heard so far.
    pub(crate) fn snapshot(&self) -> Heard {
        let mut heard = lock(&self.heard).clone();
        let now = Instant::now();
        heard.levels.values_mut().for_each(|watched| watched.turn(watched.level, now));
        heard
    }

    /// Returns the number of different alerts.
    pub(crate) fn distinct(&self) -> usize {
        lock(&self.heard).alerts.len()
    }

    pub(crate) fn stop(self) -> Heard {
        self.task.abort();
        self.snapshot()
    }
}
