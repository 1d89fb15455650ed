//! The syncs that sled leaves out.
//!
//! | file | sled | here |
//! | --- | --- | --- |
//! | `db`, the log: grown and reused in place | `sync_file_range` | `fdatasync` a commit |
//! | `blobs/*`, what is too large for the log | nothing | `fdatasync` each, and their folder |
//! | `conf` | nothing | `fsync` at open |
//! | `snap.*`, an index of the log, made at open | `fsync`, a rename | their folder at open |
//! | the folder and those above it | nothing | `fsync` at open |
//!
//! `fdatasync` covers the log's length where that has grown, since the data could not be found
//! without it; so a segment that is added needs no more.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

const LOG: &str = "db";
const BLOBS: &str = "blobs";
const UNFINISHED: &str = ".generating";
const INDEX: &str = "snap.";

/// sled's files, to be synced.
pub(super) struct Files {
    folder: PathBuf,
    /// sled's log, opened once more, only to `fdatasync` it. sled never puts another in its place.
    log: File,
    blobs_synced: Mutex<BTreeSet<OsString>>,
}

impl Files {
    /// The files of a database that has just been opened; all that it made is on the disk then.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let log = File::open(folder.join(LOG))?;
        log.sync_all()?;
        File::open(folder.join("conf"))?.sync_all()?;
        let files = Self { folder: folder.to_owned(), log, blobs_synced: Mutex::default() };
        files.sync_blobs()?;
        File::open(folder.join(BLOBS))?.sync_all()?;
        for folder in folder.ancestors().take(3).filter(|above| !above.as_os_str().is_empty()) {
            match File::open(folder).and_then(|folder| folder.sync_all()) {
                // One above may be none of ours; whoever made it has answered for it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                result => result?,
            }
        }
        Ok(files)
    }

    /// Returns once all that sled has written is on the disk itself.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_blobs()?;
        self.log.sync_data()
    }

    fn sync_blobs(&self) -> io::Result<()> {
        let folder = self.folder.join(BLOBS);
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut synced = self.blobs_synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = BTreeSet::new();
        for blob in listing {
            let name = blob?.file_name();
            if !synced.contains(&name) {
                match File::open(folder.join(&name)).and_then(|file| file.sync_data()) {
                    // sled has dropped it meanwhile: it is no longer needed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    result => result?,
                }
            }
            present.insert(name);
        }
        if !present.is_subset(&synced) {
            File::open(&folder)?.sync_all()?;
        }
        *synced = present;
        Ok(())
    }
}

/// Deletes the index that a crash has left half-written: sled 0.34 would take it for the newest
/// one and refuse to open. Says whether there was one.
pub(super) fn clear_unfinished(folder: &Path) -> io::Result<bool> {
    let unfinished: Vec<PathBuf> =
        indexes(folder)?.into_iter().filter(|path| ends_with(path, UNFINISHED)).collect();
    if unfinished.is_empty() {
        return Ok(false);
    }
    // The lock that sled takes: nobody is writing one just now.
    let log = folder.join(LOG);
    let log = File::options().read(true).write(true).create(true).truncate(false).open(log)?;
    if log.try_lock().is_err() {
        return Ok(false);
    }
    for path in &unfinished {
        fs::remove_file(path)?;
    }
    Ok(true)
}

/// Takes sled's indexes out of its sight, so that it reads its whole log anew. Returns how many.
pub(super) fn set_indexes_aside(folder: &Path) -> io::Result<usize> {
    let all = indexes(folder)?;
    for path in &all {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::rename(path, folder.join(format!("torn.{name}")))?;
    }
    Ok(all.len())
}

fn indexes(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(INDEX) {
            found.push(path);
        }
    }
    Ok(found)
}

fn ends_with(path: &Path, end: &str) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().ends_with(end)
}
