//! Storage on the disk: the outbox of alerts, their pictures, the ledger of figures, the audit log
//! and the log of detections.
//!
//! **Invariant:** sled's types never leave this crate.

use keng_core::alert;
use keng_core::detection;
use keng_core::geometry;
use keng_core::incident;
use keng_core::pipeline;
use keng_core::rule;
use keng_core::time;
use keng_core::ward;
#[cfg(test)]
use keng_runtime::clock;
use keng_runtime::metrics;

pub mod segments;
pub mod outbox;
pub mod album;
pub mod ledger;
pub mod audit;
pub mod detection_log;
