//! The folder of segments: which there are, and reading their lines.

use std::fs::File;
use std::io;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::chain::LINE_BYTES_MAX;
use super::{Error, StoredRecord, chain};
use crate::segments;

/// Below the store's own folder.
const NAME: &str = "audit";
const ENDING: &str = "jsonl";
const LOCK: &str = "lock";

/// The segments of one store.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

/// One file of lines.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl Folder {
    /// Of the store at `store`; need not be there yet.
    pub(super) fn of(store: &Path) -> Self {
        Self { path: store.join(NAME) }
    }

    /// Every segment, oldest first.
    pub(super) fn segments(&self) -> Result<Vec<Segment>, Error> {
        let listed = segments::numbered(&self.path, ENDING);
        let listed = listed.map_err(|source| Error::Io { path: self.path.clone(), source })?;
        Ok(listed.into_iter().map(|(number, path)| Segment { number, path }).collect())
    }

    /// Returns the path of the segment of this number.
    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:010}.{ENDING}"))
    }

    /// The file that whoever writes holds locked.
    pub(super) fn lock_path(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    /// Keeps writers out while the file is held; `None` where there is nothing to hold, or no right
    /// to.
    pub(super) fn hold_for_reading(&self) -> Option<File> {
        let lock = File::open(self.lock_path()).ok()?;
        lock.lock_shared().ok().map(|()| lock)
    }
}

/// One line of a segment.
pub(super) struct ChainLine {
    pub(super) bytes: Vec<u8>,
    /// True if its end is there.
    pub(super) whole: bool,
}

/// The lines of a segment, without their newlines; one that is too long is given in pieces.
pub(super) fn lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<ChainLine>>> {
    let mut reader = BufReader::new(File::open(path)?);
    Ok(std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        let most = LINE_BYTES_MAX as u64;
        match reader.by_ref().take(most).read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                let whole = bytes.last() == Some(&b'\n');
                if whole {
                    bytes.pop();
                }
                Some(Ok(ChainLine { bytes, whole }))
            }
            Err(error) => Some(Err(error)),
        }
    }))
}

/// The newest `count` records, oldest first. What can't be read is left out.
///
/// # Errors
/// The file system's.
pub fn last(store: &Path, count: usize) -> Result<Vec<StoredRecord>, Error> {
    let folder = Folder::of(store);
    let _held = folder.hold_for_reading();
    let mut newest: Vec<StoredRecord> = Vec::new();
    for segment in folder.segments()?.into_iter().rev() {
        let failed = |source| Error::Io { path: segment.path.clone(), source };
        let mut records = Vec::new();
        for line in lines(&segment.path).map_err(failed)? {
            records.extend(chain::read(&line.map_err(failed)?.bytes));
        }
        let surplus = records.len().saturating_sub(count - newest.len());
        records.drain(..surplus);
        records.append(&mut newest);
        newest = records;
        if newest.len() == count {
            break;
        }
    }
    Ok(newest)
}
