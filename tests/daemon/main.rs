//! The whole daemon as people run it: real cameras over RTSP, a real broker, a real subscriber,
//! and whatever goes wrong with each of them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use keng_testkit::daemon;
use keng_testkit::gst;
use keng_testkit::mosquitto;
use keng_testkit::receiver;
use keng_testkit::scene;
use keng_testkit::subscriber;

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
/// The daemon's state.
const STATUS: &str = "keng/p14/status";

/// The topic of a camera's status.
fn status_of(camera: &str) -> String {
    format!("keng/p14/kp3/{camera}/status")
}
