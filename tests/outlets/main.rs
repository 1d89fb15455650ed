//! From the outbox to real receivers: in order, nothing lost, nobody slowed, secrets kept.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

mod golden;
mod home_assistant;
mod limits;
mod phone;
mod push;
#[path = "../support/mosquitto.rs"]
#[expect(dead_code, reason = "other tests use what these don't")]
mod mosquitto;
#[path = "../support/publisher.rs"]
#[expect(dead_code, reason = "other tests use what these don't")]
mod publisher;
mod receiver;
mod street;
mod telegram;
mod webhooks;
