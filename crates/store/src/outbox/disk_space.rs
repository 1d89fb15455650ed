//! The room that the disk has, and the outbox's bounds on it.

use std::io;
use std::path::Path;

/// The room that the store may take of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageLimits {
    /// Snapshots take no more, bytes; the oldest go first.
    pub snapshots_bytes_max: u64,
    /// With less free on the disk, bytes, no more snapshots are kept: what is left is for alerts.
    pub reserve_bytes: u64,
}

impl Default for StorageLimits {
    /// No bounds at all.
    fn default() -> Self {
        Self { snapshots_bytes_max: u64::MAX, reserve_bytes: 0 }
    }
}

/// The room that the disk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DiskSpace {
    /// As much as is wanted.
    #[default]
    Enough,
    /// Less than the reserve: alerts are kept, snapshots are not.
    Low,
    /// The last append has failed: alerts wait, and are tried again.
    Stuck,
}

impl DiskSpace {
    /// One word, as the topics tell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enough => "ok",
            Self::Low => "low",
            Self::Stuck => "stuck",
        }
    }
}

/// Bytes that we may still write on the disk of `folder`.
pub(super) fn free(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
