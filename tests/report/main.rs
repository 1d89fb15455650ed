//! `keng report`: its four forms, and the way of an incident from the daemon into a figure.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use keng_testkit::daemon;
use keng_testkit::mosquitto;
use keng_testkit::subscriber;

mod daemon_run;
mod forms;
mod markup;
mod sample;
