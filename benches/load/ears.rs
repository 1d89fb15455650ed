//! A subscriber: when each alert arrives, against when its frame did.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use keng::time::Clock;
use keng::time::SystemClock;
use rumqttc::AsyncClient;
use rumqttc::Event;
use rumqttc::MqttOptions;
use rumqttc::Packet;
use rumqttc::QoS;
use serde_json::Value;
use tokio::task::JoinHandle;

/// What was received.
#[derive(Default)]
pub(crate) struct Heard {
    /// From a frame's last packet to the receipt of its alert, in milliseconds.
    pub(crate) latency_ms: Vec<f64>,
    /// All alerts, those without a frame of their own too.
    pub(crate) alerts: usize,
    /// The least share of the wanted rate that the status topic has granted.
    pub(crate) granted_min: Option<f64>,
}

pub(crate) struct Ears {
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Subscribes to every khu phố's alerts and the ward's status, and goes on doing so.
pub(crate) fn listen(broker: SocketAddr) -> Ears {
    let mut options = MqttOptions::new("load-ears", broker.ip().to_string(), broker.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 64);
    let heard = Arc::new(Mutex::new(Heard::default()));
    let hears = Arc::clone(&heard);
    let clock = SystemClock::new();
    let task = tokio::spawn(async move {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    for topic in ["keng/load/+/alert", "keng/load/status"] {
                        if client.subscribe(topic, QoS::AtLeastOnce).await.is_err() {
                            return;
                        }
                    }
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let now = clock.now().wall.to_jiff();
                    if let Ok(payload) = serde_json::from_slice(&publish.payload) {
                        note(&mut lock(&hears), &payload, now);
                    }
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    });
    Ears { heard, task }
}

fn note(heard: &mut Heard, payload: &Value, now: Timestamp) {
    if let Some(granted) = payload["granted"].as_f64() {
        heard.granted_min = Some(heard.granted_min.map_or(granted, |least| least.min(granted)));
    }
    let Some(updated) = payload["updated_at"].as_str() else { return };
    heard.alerts += 1;
    if payload["latency_ms"].is_object()
        && let Ok(updated) = updated.parse::<Timestamp>()
    {
        heard.latency_ms.push((now - updated).total(jiff::Unit::Millisecond).unwrap_or(f64::NAN));
    }
}

impl Ears {
    /// What was heard so far doesn't count.
    pub(crate) fn forget(&self) {
        *lock(&self.heard) = Heard::default();
    }

    pub(crate) fn stop(self) -> Heard {
        self.task.abort();
        std::mem::take(&mut *lock(&self.heard))
    }
}
