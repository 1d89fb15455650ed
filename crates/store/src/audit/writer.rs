//! Appends lines to the newest segment, durably, beside other processes that may do the same.

use std::fs;
use std::fs::File;
use std::io;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::chain::ChainHead;
use super::folder::{Folder, lines};
use super::{AuditRecord, Error, chain};
use crate::time::Wall;

/// A segment that has grown over this is followed by another one.
const SEGMENT_BYTES_MAX: u64 = 4 << 20;
/// The end of a segment is looked for within as much.
const TAIL_BYTES: u64 = 64 * 1024;

/// The writer of the newest segment.
pub(super) struct Writer {
    folder: Folder,
    lock: Option<File>,
    open: Option<OpenSegment>,
    segment_bytes_max: u64,
}

/// The newest segment as this process has left it.
struct OpenSegment {
    file: File,
    number: u64,
    bytes: u64,
    head: ChainHead,
}

/// The end of the newest segment, as it was found.
struct SegmentEnd {
    open: OpenSegment,
    /// The record that is to be written about it.
    noted: Option<AuditRecord>,
}

impl Writer {
    /// Of the store at `store`; its folder is made with the first record, where it is not there.
    pub(super) fn new(store: &Path) -> Self {
        let folder = Folder::of(store);
        Self { folder, lock: None, open: None, segment_bytes_max: SEGMENT_BYTES_MAX }
    }

    #[cfg(test)]
    pub(super) fn with_segments_of(self, segment_bytes_max: u64) -> Self {
        Self { segment_bytes_max, ..self }
    }

    /// Returns the folder of the log.
    pub(super) fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Writes all of `records` with their times, or none, and answers with the newest record once
    /// they are durable. Without records it looks at the log's end alone, and mends it.
    pub(super) fn append(
        &mut self,
        records: &[(AuditRecord, Wall)],
        now: Wall,
    ) -> Result<ChainHead, Error> {
        self.append_locked(records, now).map_err(|source| {
            // Whatever was known of the folder is looked at anew.
            (self.open, self.lock) = (None, None);
            Error::Io { path: self.folder.path.clone(), source }
        })
    }

    fn append_locked(
        &mut self,
        records: &[(AuditRecord, Wall)],
        now: Wall,
    ) -> io::Result<ChainHead> {
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None => {
                make_private_folder(&self.folder.path)?;
                let path = self.folder.lock_path();
                private_file().create(true).truncate(false).open(path)?
            }
        };
        // Given back with the file where something goes wrong in between.
        lock.lock()?;
        let head = self.append_alone(records, now)?;
        lock.unlock()?;
        self.lock = Some(lock);
        Ok(head)
    }

    fn append_alone(
        &mut self,
        records: &[(AuditRecord, Wall)],
        now: Wall,
    ) -> io::Result<ChainHead> {
        let (mut open, noted) = match self.open.take() {
            // Nobody else has written in the meantime.
            Some(open) if self.is_newest(&open)? => (open, None),
            _ => {
                let SegmentEnd { open, noted } = self.find_end()?;
                (open, noted)
            }
        };
        if open.bytes >= self.segment_bytes_max {
            open = self.begin(open.number + 1, open.head)?;
        }
        let mut head = open.head.clone();
        let mut text = String::new();
        let noted = noted.map(|record| (record, now));
        for (record, at) in noted.iter().chain(records) {
            text.push_str(&chain::write(record, *at, &mut head));
        }
        if !text.is_empty() {
            open.append(text.as_bytes())?;
            open.head = head.clone();
        }
        self.open = Some(open);
        Ok(head)
    }

    fn is_newest(&self, open: &OpenSegment) -> io::Result<bool> {
        let next = self.folder.segment(open.number + 1);
        Ok(open.file.metadata()?.len() == open.bytes && !next.try_exists()?)
    }

    /// The newest segment's end; a torn last line is cut off.
    fn find_end(&self) -> io::Result<SegmentEnd> {
        let segments = self.folder.segments().map_err(io::Error::other)?;
        let Some(newest) = segments.last() else {
            return Ok(SegmentEnd { open: self.begin(1, ChainHead::default())?, noted: None });
        };
        let mut file = private_file().open(&newest.path)?;
        let bytes = file.metadata()?.len();
        let whole = whole_bytes(&mut file, bytes)?;
        let mut noted = None;
        if whole < bytes {
            file.set_len(whole)?;
            let cut = bytes - whole;
            noted =
                Some(AuditRecord::of_log("audit_repaired", &format!("cut off {cut} torn bytes")));
            tracing::warn!(bytes = cut, path = %newest.path.display(), "a torn line is cut off");
        }
        let mut is_end = true;
        for segment in segments.iter().rev() {
            let mut found = None;
            let mut damaged = false;
            for line in lines(&segment.path)? {
                match chain::read(&line?.bytes) {
                    Ok(record) => {
                        found = Some(ChainHead { number: record.number, hash: record.hash });
                        damaged = false;
                    }
                    Err(_) => damaged = true,
                }
            }
            is_end &= !damaged;
            let Some(head) = found else { continue };
            if is_end {
                let open = OpenSegment { file, number: newest.number, bytes: whole, head };
                return Ok(SegmentEnd { open, noted });
            }
            return self.after_damage(newest.number, head);
        }
        if is_end {
            let head = ChainHead::default();
            return Ok(SegmentEnd {
                open: OpenSegment { file, number: newest.number, bytes: whole, head },
                noted,
            });
        }
        self.after_damage(newest.number, ChainHead::default())
    }

    /// Begins a segment behind damage, which stays as it is for whoever looks into it.
    fn after_damage(&self, newest: u64, head: ChainHead) -> io::Result<SegmentEnd> {
        let path = self.folder.segment(newest);
        tracing::error!(path = %path.display(), "the audit log's end does not check out");
        let detail = format!("the end of segment {newest} does not check out");
        let noted = Some(AuditRecord::of_log("audit_damaged", &detail));
        Ok(SegmentEnd { open: self.begin(newest + 1, head)?, noted })
    }

    fn begin(&self, number: u64, head: ChainHead) -> io::Result<OpenSegment> {
        let path = self.folder.segment(number);
        let file = private_file().create_new(true).open(path)?;
        // The name must be as durable as what will stand in it.
        File::open(&self.folder.path)?.sync_all()?;
        Ok(OpenSegment { file, number, bytes: 0, head })
    }
}

impl OpenSegment {
    /// All of it durably, or nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.bytes += bytes.len() as u64,
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        written
    }
}

/// Returns the number of a segment's bytes that are whole lines.
fn whole_bytes(file: &mut File, bytes: u64) -> io::Result<u64> {
    let from = bytes.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    match tail.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => Ok(from + at as u64 + 1),
        // A tail without an end of line is no line of ours, however it came there.
        None => Ok(if from == 0 { 0 } else { bytes }),
    }
}

/// Readable and writable by this user alone.
fn private_file() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
