//! The pure core of Kẻng: what was seen becomes tracks, events, incidents, alerts and figures.
//!
//! The modules stand in the order in which data travels, and a module uses only what stands
//! before it. **Invariant:** this crate depends on nothing that can do I/O, so nothing in it reads
//! a clock, a file or a socket, and the same inputs give the same bytes.

pub mod time;
pub mod rate_limit;
pub mod geometry;
pub mod ward;
pub mod picture;
pub mod detection;
pub mod attention;
pub mod track;
pub mod rule;
pub mod incident;
pub mod pipeline;
pub mod alert;
pub mod history;
pub mod report;
