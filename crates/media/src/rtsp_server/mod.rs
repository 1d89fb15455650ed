//! An RTSP camera of our own: serves recorded clips as endless streams, without re-encoding.
//!
//! It is the demo's camera, the tests' and the load rig's, and a way to try things out. It speaks
//! RTSP 1.0 over TCP and UDP, asks for passwords as cameras do, and does on purpose what bad
//! cameras do ([`InjectedFault`]). Everything but `session` and `respond` is pure.
//!
//! Does not belong here: anything that receives a stream; the daemon never needs this module.
//!
//! A clip is cut into RTP payloads once; a client costs its headers and one write an access unit.

mod auth;
mod fault;
mod player;
mod request;
mod respond;
mod rtp;
mod sdp;
mod session;
mod shared;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SystemClock;
use crate::frame::clip::Clip;
use crate::frame::{Size, clip};
use crate::time::Clock;

pub use auth::{Credentials, Scheme};
pub use fault::{Error as FaultError, InjectedFault, ScriptedAnswer};

use auth::Guard;
use player::Reel;
use shared::{Loaded, Shared};

pub use shared::ServedMount;

/// A client beyond this many is turned away.
const CONNECTIONS_MAX: usize = 1024;

/// A reason for which a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A clip can't be read.
    #[error("loading the camera {mount:?}")]
    Clip {
        /// The mount.
        mount: String,
        /// The clip's error.
        source: clip::Error,
    },
    /// The address can't be had.
    #[error("listening on {address}: is another program using the port?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Nothing to serve.
    #[error("no clip to serve was given")]
    NoClips,
    /// Two mounts of one name.
    #[error("two cameras would be called {0:?}; rename one of the clips")]
    SameName(String),
    /// The clips of one mount must be of one codec, since a session is described once.
    #[error("the clips of the camera {0:?} are of different codecs")]
    MixedCodecs(String),
    /// Reading the clips was broken off.
    #[error("reading the clips was broken off")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// One camera to play.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The path of its URL, without slashes.
    pub name: String,
    /// The clips that it shows: the first; the others only where the fault `resolution-switch` says
    /// so.
    pub clips: Vec<PathBuf>,
    /// The time in the first clip at which a client's stream begins; it may fall between key
    /// frames, as when one joins a live camera. Spreads the key frames of many cameras.
    pub offset: Duration,
    /// The faults that it makes.
    pub fault: InjectedFault,
}

impl Mount {
    /// A camera that shows `clip` and is called as the file, without faults.
    pub fn new(clip: &Path) -> Self {
        let stem = clip.file_stem().unwrap_or_default().to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name = stem.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let (offset, fault) = (Duration::ZERO, InjectedFault::default());
        Self { name, clips: vec![clip.to_owned()], offset, fault }
    }
}

/// The configuration of a server: what it serves, where, and to whom.
#[derive(Clone)]
pub struct Options {
    /// The address to listen at; with port 0 the system chooses one.
    pub listen: SocketAddr,
    /// The credentials that are let in; none lets everybody in.
    pub credentials: Option<Credentials>,
    /// The cameras.
    pub mounts: Vec<Mount>,
    /// Of all randomness: faults, sequence numbers, nonces. None takes the system's.
    pub seed: Option<u64>,
    /// After so long without a sign of life a UDP client is forgotten.
    pub session_timeout: Duration,
    /// Paces the streams, and tells the time in sender reports.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// These cameras on 127.0.0.1, on a port that the system chooses, for everybody.
    pub fn new(mounts: Vec<Mount>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            credentials: None,
            mounts,
            seed: None,
            session_timeout: Duration::from_secs(60),
            clock: Arc::new(SystemClock::new()),
        }
    }
}

/// The way to a running server.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Reads the clips, listens, and serves until the handle is dropped.
    ///
    /// # Errors
    /// Where a clip can't be read, two mounts have one name, or the address can't be had.
    pub async fn start(options: Options) -> Result<RunningServer, Error> {
        let Options { listen, credentials, mounts, seed, session_timeout, clock } = options;
        let loaded = tokio::task::spawn_blocking(move || load(mounts))
            .await
            .map_err(Error::Interrupted)??;
        let failed = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut rng = StdRng::seed_from_u64(seed.unwrap_or_else(rand::random));
        let served = loaded.values().map(|mount| mount.describe(address)).collect();
        let shared = Arc::new(Shared {
            mounts: loaded,
            guard: credentials.map(|credentials| Guard::new(credentials, rng.random())),
            session_timeout,
            clock,
            rng: Mutex::new(rng),
            playing: AtomicUsize::new(0),
        });
        let running = RunningServer {
            address,
            served,
            shared,
            stop: CancellationToken::new(),
            kick: Arc::new(Mutex::new(CancellationToken::new())),
            tasks: TaskTracker::new(),
        };
        running.tasks.spawn(accept(
            listener,
            Arc::clone(&running.shared),
            running.stop.clone(),
            Arc::clone(&running.kick),
            running.tasks.clone(),
        ));
        Ok(running)
    }
}

/// A server at work. Dropping it stops it.
pub struct RunningServer {
    /// The address at which it listens, with the port that the system chose.
    pub address: SocketAddr,
    served: Vec<ServedMount>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    kick: Arc<Mutex<CancellationToken>>,
    tasks: TaskTracker,
}

impl RunningServer {
    /// The cameras, ordered by name.
    pub fn served(&self) -> &[ServedMount] {
        &self.served
    }

    /// Returns the number of clients that are being sent a stream just now.
    pub fn playing(&self) -> usize {
        self.shared.playing.load(Ordering::SeqCst)
    }

    /// Cuts all connections; the server goes on and takes new ones.
    pub fn kick(&self) {
        let mut kick = self.kick.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *kick, CancellationToken::new()).cancel();
    }

    /// From the next connection on, the camera does this wrong. False where there is none of
    /// that name.
    pub fn set_fault(&self, mount: &str, fault: InjectedFault) -> bool {
        let state = self.shared.mounts.get(mount);
        if let Some(state) = state {
            *state.fault.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(fault);
        }
        state.is_some()
    }

    /// Cuts all connections, frees the port, and returns when that is done.
    pub async fn stop(self) {
        self.stop.cancel();
        self.kick();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stop.cancel();
        self.kick();
    }
}

impl std::fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningServer").field("address", &self.address).finish_non_exhaustive()
    }
}

fn load(mounts: Vec<Mount>) -> Result<BTreeMap<String, Loaded>, Error> {
    // Many cameras may show one clip.
    let mut known: BTreeMap<PathBuf, (Arc<Reel>, Size)> = BTreeMap::new();
    let mut loaded = BTreeMap::new();
    for Mount { name, clips, offset, fault } in mounts {
        let mut found = Vec::new();
        for path in clips {
            if !known.contains_key(&path) {
                let clip = Clip::open(&path)
                    .map_err(|source| Error::Clip { mount: name.clone(), source })?;
                known.insert(path.clone(), (Arc::new(Reel::new(&clip)), clip.size));
            }
            found.push(known[&path].clone());
        }
        let &(ref first, size) = found.first().ok_or(Error::NoClips)?;
        if found.iter().any(|(reel, _)| reel.codec != first.codec) {
            return Err(Error::MixedCodecs(name));
        }
        let reels = found.into_iter().map(|(reel, _)| reel).collect();
        let fault = Mutex::new(Arc::new(fault));
        let state = Loaded { name: name.clone(), reels, size, offset, fault };
        if loaded.insert(name.clone(), state).is_some() {
            return Err(Error::SameName(name));
        }
    }
    if loaded.is_empty() { Err(Error::NoClips) } else { Ok(loaded) }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    kick: Arc<Mutex<CancellationToken>>,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            // The accepting task is among the tracked ones.
            Ok((socket, peer)) if tasks.len() <= CONNECTIONS_MAX => {
                tracing::debug!(%peer, "client connected");
                let token = kick.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tasks.spawn(serve_client(socket, Arc::clone(&shared), token));
            }
            Ok((_, peer)) => tracing::warn!(%peer, "too many clients; turned one away"),
            Err(error) => {
                // Out of file descriptors, most likely: let others close theirs first.
                tracing::warn!(%error, "accepting a client failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_client(socket: TcpStream, shared: Arc<Shared>, token: CancellationToken) {
    let connection = match session::Connection::new(socket, shared) {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, "client gone before its first request");
            return;
        }
    };
    tokio::select! {
        biased;
        () = token.cancelled() => {}
        ended = connection.run() => match ended {
            Ok(()) => tracing::debug!("client gone"),
            Err(error) => tracing::debug!(%error, "client cut off"),
        },
    }
}
