//! The commands of `keng`, one file each. `src/main.rs` parses and maps errors to exit codes.

pub mod acl;
pub mod audit;
pub mod camera;
pub mod check;
pub mod demo;
pub mod probe;
pub mod replay;
pub mod report;
pub mod run;
pub mod tune;
mod tune_table;
pub mod user;
