//! The arguments of `keng check`, and what it comes to.

use std::path::PathBuf;

/// Arguments of `keng check`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Verifies what is on the disk instead, while no daemon runs: the alerts with their gaps,
    /// checksums, cursors, indexes and snapshots, the audit log, the ledger; and shows what could
    /// not be delivered.
    #[arg(long)]
    pub store: bool,
    /// Mends what can be mended, and says what is lost.
    #[arg(long, requires = "store")]
    pub repair: bool,
    /// Delivers what this reader has set aside once more, at the next start.
    #[arg(long, requires = "store", value_name = "READER", conflicts_with = "forget")]
    pub retry: Option<String>,
    /// Forgets what this reader has set aside; the alerts themselves stay.
    #[arg(long, requires = "store", value_name = "READER")]
    pub forget: Option<String>,
}

/// The outcome of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The configuration holds; exit code 0.
    Good,
    /// It has faults, which have been written; exit code 78.
    Faulty,
    /// The store has, or can't be looked at; exit code 1.
    Damaged,
}
