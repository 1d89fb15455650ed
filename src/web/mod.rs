//! Outbox in, browser out: the page, its feed, health and metrics.
//!
//! The page is three embedded files that ask for nothing from elsewhere. Its feed is server-sent
//! events whose ids are the outbox's sequences, so that a browser which was away goes on exactly
//! where it stopped. Nothing is queued here: every reader follows the log at its own pace.
//!
//! **Invariants:** there is no address without a right (`routes`), and whoever requests is known
//! before a handler is (`admit`). Without users it is served to this machine alone; to others it is
//! served with users and over TLS only, its own or a proxy's: `config` and [`Server::bind`] see to
//! that. While the daemon can't start for want of room, one page says so to everybody, and nothing
//! else (`waiting`).
//!
//! Does not belong here: what an alert says.

mod act;
mod admit;
mod album;
mod assets;
mod bounds;
mod camera;
mod client;
mod configured;
mod requests;
mod feed;
mod gallery;
mod guard;
mod health;
mod incident;
mod listen;
mod log;
mod push;
mod routes;
mod sign_in;
mod statistics;
mod terms;
mod visibility;
mod tiles;
mod tls;
mod views;
mod waiting;

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::album::Album;
use crate::audit::AuditLog;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::outlet::cap;
use crate::push::Push;
use crate::time::Clock;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Owner;
use crate::ward::Ward;

pub use configured::Configured;
pub use gallery::Gallery;
pub use requests::Outcome;
pub use requests::PageRequest;
pub use requests::REQUESTS_MAX;
pub use routes::Address;
pub use routes::Right;
pub use routes::addresses;
pub use tiles::Tiles;
pub use tiles::TilesError;

/// Passwords that are tried at the same time: each takes 19 MiB.
const SIGN_INS_MAX: usize = 2;
/// Reports that are counted at the same time: each reads up to two years of the ledger.
const REPORTS_MAX: usize = 2;

/// `[web]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the page is served.
    pub listen: SocketAddr,
    /// PEM file of a certificate and those that vouch for it, and PEM file of its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A reverse proxy stands before the page, and TLS is its work.
    pub behind_proxy: bool,
    /// Where proxies are, beside this machine; what they say of others is believed.
    pub proxies: Vec<IpAddr>,
    /// Whether browsers whose page is closed are told, and by whom.
    pub push: Option<crate::push::Config>,
    /// Whose map is drawn beneath the plan of the cameras; none: nobody's.
    pub tiles: Option<Tiles>,
}

impl Config {
    /// Without TLS and without a proxy.
    pub fn new(listen: SocketAddr) -> Self {
        let proxies = Vec::new();
        Self { listen, tls: None, behind_proxy: false, proxies, push: None, tiles: None }
    }

    /// Nobody else can reach it.
    pub fn is_for_this_machine(&self) -> bool {
        self.listen.ip().is_loopback() && !self.behind_proxy
    }

    /// Nobody on the way can read along, as far as this can be seen from here.
    pub fn is_sealed(&self) -> bool {
        self.listen.ip().is_loopback() || self.behind_proxy || self.tls.is_some()
    }

    /// Reads the certificate and its key, where there are some.
    ///
    /// # Errors
    /// [`Error::Tls`] says which file, and what is wrong with it.
    pub fn check_files(&self) -> Result<(), Error> {
        let Some((certificate, key)) = &self.tls else { return Ok(()) };
        tls::read(certificate, key).map(drop)
    }

    /// Where people open it.
    pub fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }
}

/// What the page tells of the daemon beside its alerts.
pub trait StatusBoard: Send + Sync + 'static {
    /// Each camera's status as its topic carries it, in the configuration's order.
    fn cameras(&self) -> Vec<(Id, Value)>;

    /// One camera, where there is such a one.
    fn camera(&self, id: &Id) -> Option<Seat>;

    /// What is configured of each camera, in the configuration's order.
    fn configured(&self) -> Arc<[Configured]>;

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

/// Where a camera hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whose it is to watch.
    pub khu_pho: Id,
    /// Its pictures come just now.
    pub streams: bool,
    /// Who gave it, where known: for admins.
    pub owner: Option<Owner>,
}

/// Everything that is served.
#[derive(Clone)]
pub struct State {
    /// Whose page it is.
    pub ward: Arc<Ward>,
    /// The alerts.
    pub outbox: Outbox,
    /// The pictures of before, at and after.
    pub album: Album,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/api/status` shows.
    pub board: Arc<dyn StatusBoard>,
    /// The cameras' newest pictures.
    pub gallery: Gallery,
    /// Where what people say and ask goes; [`REQUESTS_MAX`] of them wait.
    pub requests: mpsc::Sender<PageRequest>,
    /// Stamps what people say.
    pub clock: Arc<dyn Clock>,
    /// Who may sign in.
    pub access: Access,
    /// Where it is written down who looked and who acted.
    pub audit: AuditLog,
    /// The folder that the audit log and the ledger are read from.
    pub store: PathBuf,
    /// In whose name incidents are told to civil protection; none: they are not.
    pub cap: Option<Arc<cap::Issuer>>,
    /// Tells browsers whose page is closed; none: nobody is told.
    pub push: Option<Push>,
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
    /// Others could read along.
    #[error(
        "refused to listen on {0} without TLS: give [web] certificate and key, set behind_proxy = \
         true where a proxy sees to it, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// Others could do everything.
    #[error(
        "refused to serve others than this machine ([web] listen = {0}, or behind_proxy) without \
         users: make one first by keng user add --config FILE --role admin NAME"
    )]
    NoUsers(SocketAddr),
    /// The certificate, or its key.
    #[error("can't use {path} for TLS: {why}")]
    Tls {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// A bound port that does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    tls: Option<Arc<tls::Tls>>,
}

impl Server {
    /// Takes the port; connections wait until [`Server::serve`].
    ///
    /// # Errors
    /// [`Error`] says whether the port is in use, or what else is wrong with the address, the
    /// certificate, or with serving it to others.
    pub async fn bind(
        config: &Config,
        access: &Access,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let listen = config.listen;
        if !config.is_sealed() {
            return Err(Error::Open(listen));
        }
        if !config.is_for_this_machine() && !access.has_users() {
            return Err(Error::NoUsers(listen));
        }
        let tls = match &config.tls {
            Some((certificate, key)) => {
                Some(Arc::new(tls::Tls::open(certificate, key, Arc::clone(clock))?))
            }
            None => None,
        };
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => Error::InUse(listen),
            _ => Error::Bind { listen, source },
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, config: config.clone(), tls })
    }

    /// Where it listens: with port 0 asked for, the one that was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets open requests end for at most 3 s. Feeds end at once.
    pub async fn serve(self, state: State, shutdown: CancellationToken) {
        let Self { listener, config, tls, .. } = self;
        let shared_by_many = config.proxies.iter().map(IpAddr::to_canonical).collect();
        let router = routes::router(Shared::new(state, config, &shutdown));
        listen::serve(listen::Door { listener, tls, router, shared_by_many }, shutdown).await;
    }
}

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    state: State,
    config: Arc<Config>,
    feeds: bounds::Feeds,
    minutes: bounds::Minutes,
    sign_ins: Arc<Semaphore>,
    reports: Arc<Semaphore>,
    views: Arc<views::Views>,
    shutdown: CancellationToken,
}

impl Shared {
    fn new(state: State, config: Config, shutdown: &CancellationToken) -> Self {
        Self {
            state,
            config: Arc::new(config),
            feeds: bounds::Feeds::default(),
            minutes: bounds::Minutes::default(),
            sign_ins: Arc::new(Semaphore::new(SIGN_INS_MAX)),
            reports: Arc::new(Semaphore::new(REPORTS_MAX)),
            views: Arc::default(),
            shutdown: shutdown.clone(),
        }
    }
}
