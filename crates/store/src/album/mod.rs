//! Pictures of before, at and after, of each camera of an incident.
//!
//! A JPEG file each, `<store>/album/<incident>/<camera>.<moment>.<milliseconds>.jpg`. They are
//! there to look at: no alert waits for one, and none is ever sent anywhere. Who may see one is
//! for `web` to say, by the note in the picture itself.
//!
//! - **Who writes.** One thread of `app`'s, by [`Album::store`]: each picture is synced, and stands
//!   under its name whole or not at all.
//! - **Who deletes.** [`Album::prune`], whole incidents: by age as alerts, and by size, those that
//!   were opened first.
//! - **What is kept in memory.** An id, a time and a number an incident.
//!
//! Every call blocks on the disk: call it from a thread of its own or from
//! `tokio::task::spawn_blocking`.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::incident::IncidentId;
use crate::time::Wall;
use crate::ward::Id;

const FOLDER: &str = "album";
const PART_SUFFIX: &str = ".part";

/// The moment of an incident at which a picture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Some seconds before the camera's part of the incident.
    Before,
    /// In the frame that made it a part.
    At,
    /// Some seconds later.
    After,
}

impl Moment {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Before, Self::At, Self::After];

    /// Returns the word that names and answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::At => "at",
            Self::After => "after",
        }
    }
}

/// The identity of one picture of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureKey {
    /// The camera that took it.
    pub camera: Id,
    /// The one of its three moments.
    pub moment: Moment,
    /// The time at which its frame's last packet arrived, to the millisecond.
    pub at: Wall,
}

impl PictureKey {
    /// Returns its file name without an ending; no id has a dot, which parts its fields.
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.camera, self.moment.as_str(), self.at.as_millis())
    }

    /// Parses such a name; `None` where it can't be one.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (camera, moment, at) = (parts.next()?, parts.next()?, parts.next()?);
        let moment = Moment::ALL.into_iter().find(|one| one.as_str() == moment)?;
        let at = Wall(at.parse::<i64>().ok()?.checked_mul(1_000)?);
        let shot = Self { camera: Id::new(camera).ok()?, moment, at };
        // One name a picture: what is read is what would be written.
        (parts.next().is_none() && shot.name() == name).then_some(shot)
    }
}

/// The album of incidents' pictures. Clones share it.
#[derive(Clone, Debug)]
pub struct Album {
    folder: PathBuf,
    usage: Arc<Mutex<BTreeMap<IncidentId, Usage>>>,
}

/// The room that one incident's pictures take.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    newest: Wall,
    bytes: u64,
}

impl Album {
    /// Opens, or makes, the album below `store_path`. What a crash has left half-written goes.
    ///
    /// # Errors
    /// The file system's, where the folder can't be made or read.
    pub fn open(store_path: &Path) -> io::Result<Self> {
        let album = Self { folder: store_path.join(FOLDER), usage: Arc::default() };
        private(&album.folder)?;
        for entry in fs::read_dir(&album.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(incident) = name.to_str().and_then(IncidentId::parse) else { continue };
            for file in fs::read_dir(entry.path())? {
                let file = file?;
                if file.path().to_string_lossy().ends_with(PART_SUFFIX) {
                    fs::remove_file(file.path())?;
                } else if let Some(shot) = key_of(&file.file_name().to_string_lossy()) {
                    album.note(&incident, shot.at, file.metadata()?.len());
                }
            }
        }
        Ok(album)
    }

    /// Stores a picture, the first one of a camera and moment. Returns false where there is one
    /// already.
    ///
    /// # Errors
    /// The file system's; then nothing of it is left.
    pub fn store(&self, incident: &IncidentId, shot: &PictureKey, jpeg: &[u8]) -> io::Result<bool> {
        let same = |kept: &PictureKey| kept.camera == shot.camera && kept.moment == shot.moment;
        if self.shots(incident)?.iter().any(same) {
            return Ok(false);
        }
        let folder = self.folder.join(incident.as_str());
        private(&folder)?;
        let part = folder.join(format!("{}{PART_SUFFIX}", shot.name()));
        let written = File::create(&part).and_then(|mut file| {
            file.write_all(jpeg)?;
            file.sync_data()?;
            fs::rename(&part, self.path(incident, shot))?;
            File::open(&folder)?.sync_all()
        });
        if let Err(error) = written {
            // A half-written one would take the room that alerts need.
            drop(fs::remove_file(&part));
            return Err(error);
        }
        self.note(incident, shot.at, jpeg.len() as u64);
        Ok(true)
    }

    /// Lists the pictures of an incident: by camera, in the order of the moments.
    ///
    /// # Errors
    /// The file system's.
    pub fn shots(&self, incident: &IncidentId) -> io::Result<Vec<PictureKey>> {
        if !self.usage().contains_key(incident) {
            return Ok(Vec::new());
        }
        let mut shots = Vec::new();
        for file in fs::read_dir(self.folder.join(incident.as_str()))? {
            shots.extend(key_of(&file?.file_name().to_string_lossy()));
        }
        shots.sort_by(|a, b| (&a.camera, a.moment, a.at).cmp(&(&b.camera, b.moment, b.at)));
        Ok(shots)
    }

    /// Reads one picture; `None` where there is none (any more).
    ///
    /// # Errors
    /// The file system's.
    pub fn read(&self, incident: &IncidentId, shot: &PictureKey) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(incident, shot)) {
            Ok(jpeg) => Ok(Some(jpeg)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the incidents whose newest picture is older than `oldest`, then those that were
    /// opened first, until what is left takes `bytes_max` at most. Returns how many incidents.
    ///
    /// # Errors
    /// The file system's; what was deleted until then stays deleted.
    pub fn prune(&self, oldest: Wall, bytes_max: u64) -> io::Result<usize> {
        let usage = self.usage().clone();
        let mut bytes: u64 = usage.values().map(|usage| usage.bytes).sum();
        let mut gone = 0;
        // Ids begin with the time when it was opened.
        for (incident, its) in usage {
            if its.newest >= oldest && bytes <= bytes_max {
                continue;
            }
            match fs::remove_dir_all(self.folder.join(incident.as_str())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            self.usage().remove(&incident);
            bytes = bytes.saturating_sub(its.bytes);
            gone += 1;
        }
        Ok(gone)
    }

    fn note(&self, incident: &IncidentId, at: Wall, bytes: u64) {
        let mut usage = self.usage();
        let its = usage.entry(incident.clone()).or_default();
        its.newest = its.newest.max(at);
        its.bytes += bytes;
    }

    fn path(&self, incident: &IncidentId, shot: &PictureKey) -> PathBuf {
        self.folder.join(incident.as_str()).join(format!("{}.jpg", shot.name()))
    }

    /// Held for a look-up or a change only, never over work of the disk's.
    fn usage(&self) -> MutexGuard<'_, BTreeMap<IncidentId, Usage>> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pictures show people: nobody else on this machine is to look at them.
fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn key_of(file: &str) -> Option<PictureKey> {
    PictureKey::parse(file.strip_suffix(".jpg")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(text: &str) -> IncidentId {
        IncidentId::parse(text).unwrap()
    }

    fn shot(camera: &str, moment: Moment, ms: i64) -> PictureKey {
        PictureKey { camera: Id::new(camera).unwrap(), moment, at: Wall(ms * 1_000) }
    }

    #[test]
    fn pictures_survive_a_restart_and_partial_files_are_removed() {
        let store = tempfile::tempdir().unwrap();
        let album = Album::open(store.path()).unwrap();
        let fire = incident("20261122t221000000z-hem-42");
        let [after, before, other] = [
            shot("hem-42", Moment::After, 9_000),
            shot("hem-42", Moment::Before, 1_000),
            shot("cong", Moment::At, 3_000),
        ];
        for shot in [&after, &before, &other] {
            assert!(album.store(&fire, shot, b"jpeg").unwrap());
        }
        let again = shot("hem-42", Moment::Before, 2_000);
        assert!(!album.store(&fire, &again, b"another").unwrap(), "the first one stays");
        let half = store.path().join("album").join(fire.as_str()).join("cong.after.1.part");
        fs::write(&half, b"half").unwrap();
        let album = Album::open(store.path()).unwrap();
        assert!(!half.exists());
        assert_eq!(album.shots(&fire).unwrap(), [other, before.clone(), after]);
        assert_eq!(album.read(&fire, &before).unwrap(), Some(b"jpeg".to_vec()));
        assert_eq!(album.read(&fire, &again).unwrap(), None);
        assert!(album.shots(&incident("x")).unwrap().is_empty());
    }

    #[test]
    fn pruning_removes_old_incidents_then_the_first_opened() {
        let store = tempfile::tempdir().unwrap();
        let album = Album::open(store.path()).unwrap();
        for (id, ms) in [("1-old", 1), ("2-first", 50), ("3-second", 60), ("4-third", 70)] {
            let taken = shot("cong", Moment::At, ms);
            album.store(&incident(id), &taken, &[0; 100]).unwrap();
        }
        assert_eq!(album.prune(Wall(10_000), 1_000).unwrap(), 1);
        assert_eq!(album.prune(Wall(10_000), 250).unwrap(), 1);
        let left = |id| album.shots(&incident(id)).unwrap().len();
        assert_eq!(
            [left("1-old"), left("2-first"), left("3-second"), left("4-third")],
            [0, 0, 1, 1]
        );
        assert_eq!(album.prune(Wall(10_000), 250).unwrap(), 0);
        assert_eq!(fs::read_dir(store.path().join("album")).unwrap().count(), 2);
    }

    #[test]
    fn invalid_file_names_are_refused() {
        let good = shot("hem-42", Moment::At, 1_763_000_000_123);
        assert_eq!(PictureKey::parse(&good.name()), Some(good));
        for bad in [
            "",
            "hem-42",
            "hem-42.at",
            "hem-42.at.x",
            "hem-42.at.+1",
            "hem-42.at.01",
            "../x.at.1",
            "hem-42.now.1",
            "hem-42.at.1.2",
            "Hem.at.1",
            "hem-42.at.9223372036854775807",
        ] {
            assert_eq!(PictureKey::parse(bad), None, "{bad}");
        }
    }
}
