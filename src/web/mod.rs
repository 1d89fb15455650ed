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
mod board;
mod bounds;
mod camera;
mod client;
mod config;
mod configured;
mod error;
mod requests;
mod feed;
mod gallery;
mod guard;
mod health;
mod incident;
mod listen;
mod log;
mod push;
mod right;
mod routes;
mod session;
mod shared;
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
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::time::Clock;
use shared::Shared;

pub use board::{CameraSummary, ConfiguredCamera, StatusBoard};
pub use config::Config;
pub use error::Error;
pub use gallery::Gallery;
pub use requests::CommandOutcome;
pub use requests::PageRequest;
pub use requests::REQUESTS_MAX;
pub use right::Right;
pub use routes::Address;
pub use routes::addresses;
pub use shared::State;
pub use tiles::Tiles;
pub use tiles::TilesError;

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

    /// Returns where it listens: with port 0 asked for, the one that was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets open requests end for at most 3 s. Feeds end at once.
    pub async fn serve(self, state: State, shutdown: CancellationToken) {
        let Self { listener, config, tls, .. } = self;
        let shared_by_many = config.proxies.iter().map(IpAddr::to_canonical).collect();
        let router = routes::router(Shared::new(state, config, &shutdown));
        listen::serve(listen::ListenParts { listener, tls, router, shared_by_many }, shutdown)
            .await;
    }
}
