//! The ledger, for years of statistics: a few facts of every incident, and when the daemon and each
//! camera worked. Kept when the outbox has long deleted the alerts.
//!
//! # What is promised
//!
//! - **Where it comes from.** [`LedgerWriter`] reads the outbox with a cursor of its own,
//!   [`CURSOR`], which moves only once what was read is on the disk: retention waits for it, and a
//!   crash costs nothing. What it then reads again it writes again.
//! - **Idempotent.** A line says all of an incident; the one of the highest revision holds, however
//!   often and in whatever order it stands there.
//! - **Form.** A file a month of wall time (UTC), one JSON object a line, only ever appended to. A
//!   line that was torn by a power cut is passed over; the next one begins anew.
//! - **Readers need no lock**: the daemon may go on writing.
//! - **Bounds.** At most 120 files and 256 MiB; the oldest go first. A ward writes 5 to 30 MB
//!   a year: 3.5 MB of signs of life, 1 KB an incident, 100 bytes each time that a camera changes.
//! - **Privacy.** No names, words, pictures or places: ids of incidents, cameras and khu phố,
//!   kinds, states and times.
//!
//! Cameras are sampled every half minute, and written when they change; that the daemon lives,
//! every five minutes. What lies between two signs of life that are further apart than two of
//! these is unknown, neither up nor down.
//!
//! Does not belong here: counting. That is `report`'s.

mod folder;
mod writer;
mod line;

use std::path::PathBuf;

pub use folder::Folder;
pub use keng_core::history::{
    Availability, History, IncidentRecord, SIGN_EVERY, UptimeEvent, UptimeRecord,
};
pub use writer::{AvailabilitySource, CURSOR, CameraAvailability, LedgerWriter, run};

use crate::outbox;

/// A reason for which the ledger can't go on just now. It tries again by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger's file can't be written.
    #[error("the ledger in {path} can't be written")]
    Write {
        /// The ledger's folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The outbox that it reads from failed.
    #[error(transparent)]
    Outbox(#[from] outbox::Error),
}
