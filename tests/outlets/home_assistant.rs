//! Home Assistant's discovery over a real broker.

use std::process::Command;

use keng::outbox::Append;
use keng::outlet::home_assistant::Announcer;
use keng::outlet::home_assistant::Config;
use keng::time::Wall;
use keng::ward::Id;
use keng::ward::KhuPho;
use keng::ward::Location;
use keng::ward::Site;
use serde_json::Value;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::mosquitto::Mosquitto;
use super::mosquitto::Subscriber;
use super::mosquitto::until;
use super::publisher::Daemon;
use super::publisher::config;
use super::publisher::ward;

const CAMERA: &str = "homeassistant/device/keng_p14/camera_hem-42/config";
const GONE: &str = "homeassistant/device/keng_p14/camera_gone/config";
const STATUS: &str = "keng/p14/kp3/status";

fn khu_pho() -> KhuPho {
    KhuPho { id: Id::new("kp3").unwrap(), name: "Khu phố 3".to_owned(), team: None }
}

fn site() -> Site {
    Site {
        id: Id::new("hem-42").unwrap(),
        khu_pho: Id::new("kp3").unwrap(),
        place: Location { address: "Hẻm 42".to_owned(), coordinates: None },
        owner: None,
        neighbours: Vec::new(),
    }
}

fn append(daemon: &Daemon, live: bool) {
    let state = if live { "open" } else { "resolved" };
    let alert = json!({
        "khu_pho": "kp3", "id": "i-1", "kind": "fire", "state": state, "exercise": false,
        "cameras": [{ "id": "hem-42" }],
    });
    let append = Append { subject: "kp3/i-1".into(), live, wall: Wall(1), snapshot: None };
    daemon.outbox.append(append, |_| alert.to_string().into_bytes()).unwrap();
}

/// Leaves something with the broker.
fn keep(port: u16, topic: &str) {
    let kept = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-r", "-t", topic])
        .args(["-m", "{}"])
        .status()
        .expect("the tests need mosquitto_pub (Debian package mosquitto-clients)");
    assert!(kept.success());
}

fn newest(ears: &Subscriber, topic: &str) -> Value {
    let heard = ears.on(topic);
    heard.last().map_or(Value::Null, |bytes| serde_json::from_slice(bytes).unwrap_or_default())
}

#[tokio::test]
async fn devices_are_announced_told_again_and_taken_back() {
    let broker = Mosquitto::start().await;
    // Left there by an earlier configuration, and by somebody else.
    let ears = Subscriber::new(broker.port, "ears", "#").await;
    for topic in [GONE, "homeassistant/device/theirs/config"] {
        keep(broker.port, topic);
    }
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), config(broker.port));
    let announcer =
        Announcer::new(Config { prefix: "homeassistant".into() }, ward(), daemon.retained.clone());
    announcer.configure(&[khu_pho()], &[&site()]);
    let stop = CancellationToken::new();
    let follower = tokio::spawn(announcer.clone().follow(daemon.outbox.clone(), stop.clone()));

    until("the camera is announced", || newest(&ears, CAMERA)["device"].is_object()).await;
    until("what was left is cleared", || ears.on(GONE).last().is_some_and(Vec::is_empty)).await;
    assert_eq!(ears.on("homeassistant/device/theirs/config").len(), 1);
    until("all is quiet", || newest(&ears, STATUS)["kinds"] == json!([])).await;

    append(&daemon, true);
    until("it burns", || newest(&ears, STATUS)["cameras"]["hem-42"] == json!(["fire"])).await;
    append(&daemon, false);
    until("it is out", || newest(&ears, STATUS)["kinds"] == json!([])).await;

    // Home Assistant comes back.
    let before = ears.on(CAMERA).len();
    ears.say("homeassistant/status", b"online").await;
    until("announced again", || ears.on(CAMERA).len() > before).await;
    assert!(newest(&ears, CAMERA)["device"].is_object());
    // A late subscriber finds it retained.
    let late = Subscriber::new(broker.port, "late", "homeassistant/#").await;
    until("retained", || late.heard().iter().any(|m| m.topic == CAMERA && m.retain)).await;

    announcer.configure(&[khu_pho()], &[]);
    until("taken back", || ears.on(CAMERA).last().is_some_and(Vec::is_empty)).await;
    stop.cancel();
    follower.await.unwrap();
    daemon.stop().await;
}
