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

mod assets;
mod feed;
mod guard;
mod health;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::meter::Meters;
use crate::outbox::Outbox;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Ward;

/// Feeds that are open at the same time; one more is told to come back.
const FEEDS_MAX: usize = 64;
/// Connections that are served at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// No request has a body worth reading.
const BODY_BYTES_MAX: usize = 16 * 1024;
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

    /// The neighbourhoods, in the configuration's order.
    fn khu_pho(&self) -> Vec<KhuPho>;

    /// What was wrong with the last reload; none once one has checked out.
    fn reload_error(&self) -> Option<String>;

    /// What the daemon still waits for before it does its work; none where it does.
    fn not_ready(&self) -> Option<String>;

    /// The outlets beside broker and page by name, and why one fails just now.
    fn outlets(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }

    /// How much of the wanted rate of frames is analysed, 0..1, where capacity is short.
    fn shortage(&self) -> Option<f64>;
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
        let router = router(state, &shutdown);
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
}

fn router(state: State, shutdown: &CancellationToken) -> Router {
    let feeds = Arc::new(Semaphore::new(FEEDS_MAX));
    let shared = Shared { state, feeds, shutdown: shutdown.clone() };
    let quick = Router::new()
        .route("/", get(assets::page))
        .route("/app.js", get(assets::script))
        .route("/app.css", get(assets::style))
        .route("/favicon.svg", get(assets::icon))
        .route("/api/alerts", get(feed::alerts))
        .route("/api/status", get(health::status))
        .route("/snapshots/{name}", get(feed::snapshot))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .layer(middleware::from_fn(guard::in_time));
    Router::new()
        .route("/events", get(feed::events))
        .merge(quick)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard::known_host))
        .layer(middleware::map_response(guard::headers))
        .with_state(shared)
}
