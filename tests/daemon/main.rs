//! The whole daemon as people run it: real cameras over RTSP, a real broker, a real subscriber,
//! and whatever goes wrong with each of them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

#[path = "../support/daemon.rs"]
mod daemon;
#[path = "../support/ears.rs"]
mod ears;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/gst.rs"]
mod gst;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mosquitto.rs"]
mod mosquitto;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../outlets/receiver.rs"]
mod receiver;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/scene.rs"]
mod scene;

mod answers;
mod described;
mod full;
mod life;
mod outlets;
mod page;
mod people;
mod recovery;
mod reload;
mod siren;
mod streams;
mod teams;
mod troubled;
mod users;
mod wrong;

/// Every alert of khu phố 3.
const ALERTS: &str = "keng/p14/kp3/alert";
/// How the daemon is.
const STATUS: &str = "keng/p14/status";

/// The topic of a camera's status.
fn status_of(camera: &str) -> String {
    format!("keng/p14/kp3/{camera}/status")
}
