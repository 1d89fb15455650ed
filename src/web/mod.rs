//! Outbox in, browser out: the page, its feed, health and metrics.
//!
//! The page is three embedded files that ask for nothing from elsewhere. Its feed is server-sent
//! events whose ids are the outbox's sequences, so that a browser which was away goes on exactly
//! where it stopped. Nothing is queued here: every reader follows the log at its own pace.
//!
//! **Invariant:** it is served to this machine only, since there is no sign-in yet: `config`
//! refuses to listen anywhere but on a loopback address, and [`Server::bind`] does so again.
//!
//! Does not belong here: what an alert says.

mod act;
mod admit;
mod assets;
mod camera;
mod desk;
mod feed;
mod gallery;
mod guard;
mod health;
mod incident;
mod routes;
mod view;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::meter::Meters;
use crate::outbox::Outbox;
use crate::time::Clock;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Secret;
use crate::ward::Ward;

pub use desk::ASKS_MAX;
pub use desk::Ask;
pub use desk::Outcome;
pub use gallery::Gallery;
pub use view::View;

/// Feeds that are open at the same time; one more is told to come back.
const FEEDS_MAX: usize = 64;
/// Connections that are served at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// What is still open so long after the end was asked for is cut.
const DRAIN: Duration = Duration::from_secs(3);

/// `[web]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the page is served; a loopback address.
    pub listen: SocketAddr,
}

/// What the page tells of the daemon beside its alerts.
pub trait StatusBoard: Send + Sync + 'static {
    /// Each camera's status as its topic carries it, in the configuration's order.
    fn cameras(&self) -> Vec<(Id, Value)>;

    /// One camera, where there is such a one.
    fn camera(&self, id: &Id) -> Option<Seat>;

    /// What is configured of each camera, in the configuration's order.
    fn views(&self) -> Arc<[View]>;

    /// The neighbourhoods, in the configuration's order.
    fn khu_pho(&self) -> Vec<KhuPho>;

    /// What was wrong with the last reload; none once one has checked out.
    fn reload_error(&self) -> Option<String>;

    /// What the daemon still waits for before it does its work; none where it does.
    fn not_ready(&self) -> Option<String>;

    /// How much of the wanted rate of frames is analysed, 0..1, where capacity is short.
    fn shortage(&self) -> Option<f64>;
}

/// Where a camera hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whose it is to watch.
    pub khu_pho: Id,
    /// Its pictures come just now.
    pub streams: bool,
}

/// Everything that is served.
#[derive(Clone)]
pub struct State {
    /// Whose page it is.
    pub ward: Arc<Ward>,
    /// The alerts.
    pub outbox: Outbox,
    /// What `/metrics` shows.
    pub meters: Meters,
    /// What `/api/status` shows.
    pub board: Arc<dyn StatusBoard>,
    /// The cameras' newest pictures.
    pub gallery: Gallery,
    /// Where what people say and ask goes; [`ASKS_MAX`] of them wait.
    pub asks: mpsc::Sender<Ask>,
    /// Stamps what people say.
    pub clock: Arc<dyn Clock>,
}

/// Why the page can't be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else has the port.
    #[error("port {} is in use: stop the other program, or give [web] another listen", .0.port())]
    InUse(SocketAddr),
    /// The address is not this machine's, or not allowed.
    #[error("can't listen on {listen}: give [web] listen an address of this machine")]
    Bind {
        /// Where.
        listen: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// Others could reach it.
    #[error("refused to listen on {0}: the page has no sign-in yet; listen on 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// The listener broke.
    #[error("the page's server ended")]
    Serve(#[source] std::io::Error),
}

/// A bound port that does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the port; connections wait until [`Server::serve`].
    ///
    /// # Errors
    /// [`Error`] says whether the port is in use, or what else is wrong with the address.
    pub async fn bind(config: &Config) -> Result<Self, Error> {
        let listen = config.listen;
        if !listen.ip().is_loopback() {
            return Err(Error::NotLoopback(listen));
        }
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => Error::InUse(listen),
            _ => Error::Bind { listen, source },
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens: with port 0 asked for, the one that was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets open requests end for at most 3 s. Feeds end at once.
    ///
    /// # Errors
    /// [`Error::Serve`] where the listener breaks.
    pub async fn serve(self, state: State, shutdown: CancellationToken) -> Result<(), Error> {
        let router = routes::router(Shared::new(state, &shutdown));
        let listener = guard::Limited::new(self.listener, CONNECTIONS_MAX);
        let ended = shutdown.clone().cancelled_owned();
        let serving = axum::serve(listener, router).with_graceful_shutdown(ended).into_future();
        let cut = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = serving => served.map_err(Error::Serve),
            () = cut => Ok(()),
        }
    }
}

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    state: State,
    feeds: Arc<Semaphore>,
    shutdown: CancellationToken,
    /// What a request that changes something has to bear.
    token: Arc<Secret>,
}

impl Shared {
    fn new(state: State, shutdown: &CancellationToken) -> Self {
        let feeds = Arc::new(Semaphore::new(FEEDS_MAX));
        let token = Arc::new(Secret::new(format!("{:032x}", rand::random::<u128>())));
        Self { state, feeds, shutdown: shutdown.clone(), token }
    }
}
