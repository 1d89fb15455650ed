//! Kẻng: a ward's gong for the age of street cameras.
//!
//! The modules stand in the order in which a frame travels, and a module uses only what stands
//! before it (`tests/layering/` checks that):
//!
//! ```text
//! camera ─packet→ frame ─picture→ detection ─boxes→ track ─identities→ rule ─events→ incident
//!   ─revisions→ alert ─bytes→ outbox ─→ mqtt, outlet, push, web
//! ```
//!
//! Beside it `diary` keeps what the core was told, and `tune` replays it:
//!
//! ```text
//! pipeline ─records→ diary ─→ tune
//! ```
//!
//! and `ledger` what `report` counts years later:
//!
//! ```text
//! outbox ─alerts→ ledger ─→ report
//! ```

pub use keng_core::{
    alert, attention, detection, geometry, incident, pipeline, rate_limit, report, rule, time,
    track, ward,
};
pub use keng_media::{camera, detector, frame, rtsp_server};
pub use keng_runtime::{clock, metrics};
pub use keng_store::{album, audit, detection_log, ledger, outbox, segments};

pub mod tune;
pub mod mqtt;
pub mod outlet;
pub mod access;
pub mod push;
pub mod web;
pub mod config;
pub mod telemetry;
pub mod app;
pub mod command;
