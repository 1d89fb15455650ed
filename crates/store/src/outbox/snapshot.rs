//! The snapshots: a JPEG file an entry, `<store>/snapshots/<sequence>.jpg`.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use super::Sequence;

const END: &str = ".jpg";
const PART: &str = ".part";

/// The folder, and how many bytes each file has.
#[derive(Debug)]
pub(super) struct Snapshots {
    folder: PathBuf,
    sizes: Mutex<BTreeMap<Sequence, u64>>,
}

impl Snapshots {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut sizes = BTreeMap::new();
        for file in fs::read_dir(folder)? {
            let file = file?;
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(PART) {
                // A crash has left it; nobody will finish it.
                absent(fs::remove_file(file.path()))?;
            } else if let Some(sequence) = name.strip_suffix(END).and_then(|at| at.parse().ok()) {
                sizes.insert(Sequence(sequence), file.metadata()?.len());
            }
        }
        Ok(Self { folder: folder.to_owned(), sizes: Mutex::new(sizes) })
    }

    /// Writes some, synced. Each stands under its name whole or not at all. Says which are there.
    pub(super) fn write(&self, jpegs: &[(Sequence, Vec<u8>)]) -> Vec<Sequence> {
        let mut kept = Vec::with_capacity(jpegs.len());
        for (sequence, jpeg) in jpegs {
            match self.write_one(*sequence, jpeg) {
                Ok(()) => kept.push(*sequence),
                Err(error) => {
                    tracing::warn!(sequence = sequence.0, %error, "can't keep a snapshot");
                }
            }
        }
        // Their names are synced together: it costs as much as for one.
        let synced = if kept.is_empty() { Ok(()) } else { self.sync() };
        if let Err(error) = synced {
            tracing::warn!(%error, "can't keep snapshots");
            kept.into_iter().for_each(|sequence| self.forget(sequence));
            return Vec::new();
        }
        kept
    }

    pub(super) fn read(&self, sequence: Sequence) -> io::Result<Option<Vec<u8>>> {
        absent(fs::read(self.path(sequence)))
    }

    pub(super) fn remove(&self, sequence: Sequence) -> io::Result<()> {
        absent(fs::remove_file(self.path(sequence)))?;
        self.sizes().remove(&sequence);
        Ok(())
    }

    /// Removes one that nobody will ask for.
    pub(super) fn forget(&self, sequence: Sequence) {
        if let Err(error) = self.remove(sequence) {
            tracing::warn!(sequence = sequence.0, %error, "can't delete a snapshot");
        }
    }

    /// Removes those behind `last`: their entries never came to be.
    pub(super) fn forget_behind(&self, last: Sequence) {
        let behind: Vec<Sequence> = self.sizes().range(last.next()..).map(|(at, _)| *at).collect();
        behind.into_iter().for_each(|sequence| self.forget(sequence));
    }

    /// All that are there, oldest first, with their bytes.
    pub(super) fn list(&self) -> Vec<(Sequence, u64)> {
        self.sizes().iter().map(|(sequence, bytes)| (*sequence, *bytes)).collect()
    }

    pub(super) fn has(&self, sequence: Sequence) -> bool {
        self.sizes().contains_key(&sequence)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.sizes().values().sum()
    }

    fn write_one(&self, sequence: Sequence, jpeg: &[u8]) -> io::Result<()> {
        let part = self.folder.join(format!("{}{PART}", sequence.0));
        let written = File::create(&part).and_then(|mut file| {
            file.write_all(jpeg)?;
            file.sync_data()?;
            fs::rename(&part, self.path(sequence))
        });
        if written.is_err() {
            // On a full disk the half-written file would take the room that the alert needs.
            drop(fs::remove_file(&part));
        } else {
            self.sizes().insert(sequence, jpeg.len() as u64);
        }
        written
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, sequence: Sequence) -> PathBuf {
        self.folder.join(format!("{}{END}", sequence.0))
    }

    fn sizes(&self) -> MutexGuard<'_, BTreeMap<Sequence, u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
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
