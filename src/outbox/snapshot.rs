//! The snapshots: a JPEG file an entry, `<store>/snapshots/<sequence>.jpg`.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use super::Sequence;

#[derive(Debug)]
pub(super) struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes one, synced. It stands under its name whole or not at all.
    pub(super) fn write(&self, sequence: Sequence, jpeg: &[u8]) -> io::Result<()> {
        let part = self.folder.join(format!("{}.part", sequence.0));
        let written = File::create(&part).and_then(|mut file| {
            file.write_all(jpeg)?;
            file.sync_data()?;
            fs::rename(&part, self.path(sequence))?;
            File::open(&self.folder)?.sync_all()
        });
        if written.is_err() {
            // On a full disk the half-written file would take the room that the alert needs.
            drop(fs::remove_file(&part));
        }
        written
    }

    pub(super) fn read(&self, sequence: Sequence) -> io::Result<Option<Vec<u8>>> {
        absent(fs::read(self.path(sequence)))
    }

    pub(super) fn remove(&self, sequence: Sequence) -> io::Result<()> {
        absent(fs::remove_file(self.path(sequence))).map(drop)
    }

    fn path(&self, sequence: Sequence) -> PathBuf {
        self.folder.join(format!("{}.jpg", sequence.0))
    }
}

/// Takes "there is none" for an answer.
fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
