//! `{store}/access/`: files that nobody else may read, replaced whole.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use super::error::Error;

/// Below the store's own folder.
const NAME: &str = "access";
/// The users.
pub(super) const USERS: &str = "users.toml";
/// The sessions that are open.
pub(super) const SESSIONS: &str = "sessions.json";
/// The file of the key that addresses of pictures and tokens are made with.
pub(super) const KEY: &str = "key";
const LOCK: &str = "lock";
/// A longer file is none of ours.
const BYTES_MAX: u64 = 4 << 20;

/// Tells a changed file from the one before, at the price of one system call.
pub(super) type FileStamp = (u64, u64, i64, i64);

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Of the store at `store`; need not be there yet.
    pub(super) fn of(store: &Path) -> Self {
        Self { path: store.join(NAME) }
    }

    /// The same, there.
    pub(crate) fn make(store: &Path) -> Result<Self, Error> {
        let folder = Self::of(store);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder.path);
        made.map_err(|source| folder.failed(source))?;
        Ok(folder)
    }

    /// Held for as long as nobody else may write here.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let opened = private().read(true).truncate(false).open(self.path.join(LOCK));
        let locked = opened.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| self.failed(source))
    }

    /// A file's text; none where it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let file = match File::open(self.path.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let mut text = String::new();
        let read = file.take(BYTES_MAX).read_to_string(&mut text);
        read.map_err(|source| self.failed(source))?;
        Ok(Some(text))
    }

    /// Replaces a file whole, durably.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let written = || {
            let draft = self.path.join(format!("{name}.new"));
            let mut file = private().truncate(true).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, self.path.join(name))?;
            File::open(&self.path)?.sync_all()
        };
        written().map_err(|source| self.failed(source))
    }

    /// None where the file is not there.
    pub(super) fn stamp(&self, name: &str) -> Option<FileStamp> {
        let found = fs::metadata(self.path.join(name)).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }
}

/// Made readable and writable by its owner alone.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}
