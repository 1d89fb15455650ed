//! From the outbox to real receivers: in order, nothing lost, nobody slowed, secrets kept.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

mod broker;
mod delivery;
mod golden;
mod home_assistant;
mod limits;
mod push;
mod publisher;
mod street;
mod telegram;
mod webhooks;

use keng_testkit::mosquitto;
use keng_testkit::phone;
use keng_testkit::receiver;
