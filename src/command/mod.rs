//! What the command line can do, one file a command.
//!
//! A command writes to the writers it is given and answers with an exit code's meaning; only
//! `main` ends the process.

pub mod check;
