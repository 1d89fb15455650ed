//! Notices that the file has changed, by looking at it every 2 s, and SIGHUP.
//!
//! A file is read again only where its size, times or inode differ, and checked only where its
//! bytes do. A half-written file is told apart from a wrong one by patience: what does not check
//! out is looked at once more before it is reported.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use sha2::Digest;
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Fault;
use super::Faults;
use super::load;
use super::settings::Settings;

/// The interval at which the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The outcome of a changed file.
#[derive(Clone, Debug, PartialEq)]
pub enum Reload {
    /// It checks out; warnings stand beside.
    Good(Box<Settings>, Vec<Fault>),
    /// It does not; what holds goes on to hold.
    Bad(Faults),
}

/// A watch over one file.
#[derive(Debug)]
pub struct ConfigWatch {
    path: PathBuf,
    look: Duration,
    stamp: Option<FileStamp>,
    hash: Option<[u8; 32]>,
    /// Hash of a file that did not check out at the last look, and is not yet reported.
    suspect: Option<Option<[u8; 32]>>,
}

/// The properties that change with a file, at the price of one system call.
type FileStamp = (u64, Option<SystemTime>, u64);

impl ConfigWatch {
    /// A watch that knows the file as it is now; make it before the file is loaded, so that no
    /// change goes by unseen.
    pub fn new(path: &Path) -> Self {
        Self::every(path, LOOK)
    }

    fn every(path: &Path, look: Duration) -> Self {
        let path = path.to_path_buf();
        let (stamp, hash) = (stamp(&path), hash(&path));
        Self { path, look, stamp, hash, suspect: None }
    }

    /// Sends what comes of each change until `shutdown`, or until nobody receives any more.
    /// Every unit of `hangups` (SIGHUP) is a look at once, and is answered even where nothing
    /// has changed. Waits while `reloads` is full: looks are never queued.
    pub async fn run(
        mut self,
        mut hangups: mpsc::Receiver<()>,
        reloads: mpsc::Sender<Reload>,
        shutdown: CancellationToken,
    ) {
        let mut looks = tokio::time::interval(self.look);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(()) = hangups.recv() => true,
                _ = looks.tick() => false,
            };
            let looked = tokio::task::spawn_blocking(move || {
                let reload = self.look(asked);
                (self, reload)
            });
            let Ok((watch, reload)) = looked.await else { return };
            self = watch;
            let Some(reload) = reload else { continue };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                sent = reloads.send(reload) => if sent.is_err() { return },
            }
        }
    }

    /// Looks once. `asked`: somebody wants an answer, whether anything has changed or not.
    fn look(&mut self, asked: bool) -> Option<Reload> {
        let stamp = stamp(&self.path);
        if stamp == self.stamp && self.suspect.is_none() && !asked {
            return None;
        }
        self.stamp = stamp;
        let hash = hash(&self.path);
        if hash == self.hash && !asked {
            self.suspect = None;
            return None;
        }
        match load(&self.path) {
            Ok(loaded) => {
                self.hash = hash;
                self.suspect = None;
                Some(Reload::Good(Box::new(loaded.settings), loaded.warnings))
            }
            Err(_) if !asked && self.suspect != Some(hash) => {
                self.suspect = Some(hash);
                None
            }
            Err(faults) => {
                self.hash = hash;
                self.suspect = None;
                Some(Reload::Bad(faults))
            }
        }
    }
}

/// SIGHUPs as units for [`ConfigWatch::run`]. One that comes while another waits is the same wish.
///
/// # Errors
/// Where the system does not let the process hear signals.
#[cfg(unix)]
pub fn hangups(shutdown: CancellationToken) -> std::io::Result<mpsc::Receiver<()>> {
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;
    let mut signals = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                heard = signals.recv() => if heard.is_none() { return },
            }
            if let Err(mpsc::error::TrySendError::Closed(())) = sender.try_send(()) {
                return;
            }
        }
    });
    Ok(receiver)
}

fn stamp(path: &Path) -> Option<FileStamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.len(), found.modified().ok(), inode(&found)))
}

#[cfg(unix)]
fn inode(found: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

fn hash(path: &Path) -> Option<[u8; 32]> {
    std::fs::read(path).ok().map(|bytes| Sha256::digest(&bytes).into())
}
