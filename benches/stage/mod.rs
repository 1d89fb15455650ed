//! The stages, each measured by a function that adds its rows to a [`bench::Bench`].

pub(crate) mod bench;
pub(crate) mod core;
pub(crate) mod decode;
pub(crate) mod depacketise;
pub(crate) mod network;
pub(crate) mod outbox;
pub(crate) mod pipeline;
pub(crate) mod postprocess;
mod report;
