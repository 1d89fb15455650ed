//! The folder of segments: which there are, reading them, and what retention takes away.
//!
//! Segments are numbered in the order in which they were begun, whatever the clock said, and
//! the oldest goes first. A segment's age is that of its last write.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use super::codec;
use super::{DaemonRun, Damage, LoggedInput};
use crate::segments;
use crate::time::Wall;

/// Below the store's own folder.
const NAME: &str = "detections";
const ENDING: &str = "keng";
/// A file of ours is never so long.
const SEGMENT_BYTES_MAX: u64 = 256 << 20;
/// Clocks and file systems may differ by as much.
const SLACK: Duration = Duration::from_secs(86_400);

/// From when until when, in wall time; the end is not part of it.
pub type TimeRange = Range<Wall>;

/// The segments of one store. Reading needs no lock: the daemon may go on writing.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) written: Wall,
}

impl Folder {
    /// Of the store at `store`, `[store] path`; need not be there yet.
    pub fn of(store: &Path) -> Self {
        Self { path: store.join(NAME) }
    }

    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what was kept of `span`, in the order in which the core was told, a segment at a
    /// time, and answers with what of it could not be read.
    ///
    /// # Errors
    /// The file system's. A folder that is not there holds nothing.
    pub fn read(
        &self,
        span: &TimeRange,
        mut take: impl FnMut(Vec<(DaemonRun, LoggedInput)>),
    ) -> io::Result<Damage> {
        let mut damage = Damage::default();
        for segment in self.segments()? {
            if segment.written + SLACK < span.start {
                continue;
            }
            let bytes = match fs::read(&segment.path) {
                Ok(bytes) => bytes,
                // The daemon has deleted it in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut records = Vec::new();
            damage.add(codec::decode(&bytes, &mut |run, record| {
                if span.contains(&record.at().wall) {
                    records.push((run, record));
                }
            }));
            take(records);
        }
        Ok(damage)
    }

    /// Every segment, oldest first.
    pub(super) fn segments(&self) -> io::Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for (number, path) in segments::numbered(&self.path, ENDING)? {
            let Ok(found) = fs::metadata(&path) else { continue };
            if found.len() > SEGMENT_BYTES_MAX {
                tracing::warn!(path = %path.display(), "too long for a segment: left alone");
                continue;
            }
            let since = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            segments.push(Segment { number, path, bytes: found.len(), written: Wall(0) + since });
        }
        Ok(segments)
    }

    /// Begins the segment after all others; the folder is made where it is not there.
    pub(super) fn begin(&self) -> io::Result<(fs::File, PathBuf)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let number = self.segments()?.last().map_or(1, |last| last.number + 1);
        let path = self.path.join(format!("{number:010}.{ENDING}"));
        Ok((fs::File::create_new(&path)?, path))
    }

    /// Deletes segments that were last written before `cutoff`, and the oldest ones until no more
    /// than `bytes_max` are left. Answers with how many.
    pub(super) fn prune(&self, cutoff: Wall, bytes_max: u64) -> io::Result<usize> {
        let segments = self.segments()?;
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let mut deleted = 0;
        for segment in segments {
            if bytes <= bytes_max && segment.written >= cutoff {
                continue;
            }
            fs::remove_file(&segment.path)?;
            bytes -= segment.bytes;
            deleted += 1;
        }
        Ok(deleted)
    }
}
