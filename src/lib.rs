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

pub mod time;
pub mod geometry;
pub mod ward;
pub mod meter;
pub mod segments;
pub mod attention;
pub mod camera;
pub mod frame;
pub mod detection;
pub mod track;
pub mod rule;
pub mod incident;
pub mod pipeline;
pub mod alert;
pub mod outbox;
pub mod album;
pub mod ledger;
pub mod report;
pub mod audit;
pub mod diary;
pub mod tune;
pub mod mqtt;
pub mod outlet;
pub mod access;
pub mod push;
pub mod web;
pub mod config;
pub mod telemetry;
pub mod serve;
pub mod app;
pub mod command;
