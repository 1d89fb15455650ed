//! The process's own state: the machine's clocks and the registry of metrics.
//!
//! Every other crate may use it, but for the core, which is told the time and counts nothing.

pub mod clock;
pub mod metrics;
