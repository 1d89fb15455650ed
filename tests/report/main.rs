//! `keng report`: its four forms, and the way of an incident from the daemon into a figure.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/ears.rs"]
mod ears;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mosquitto.rs"]
mod mosquitto;

mod daemon_run;
mod forms;
mod markup;
mod sample;
