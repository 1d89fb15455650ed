//! The state that the page's handlers share.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::board::StatusBoard;
use super::bounds;
use super::config::Config;
use super::gallery::Gallery;
use super::requests::PageRequest;
use super::views;
use crate::access::Access;
use crate::album::Album;
use crate::audit::AuditLog;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::outlet::cap;
use crate::push::Push;
use crate::time::Clock;
use crate::ward::Ward;

/// Passwords that are tried at the same time: each takes 19 MiB.
const SIGN_INS_MAX: usize = 2;
/// Reports that are counted at the same time: each reads up to two years of the ledger.
const REPORTS_MAX: usize = 2;

/// Everything that is served.
#[derive(Clone)]
pub struct State {
    /// The ward that the page is of.
    pub ward: Arc<Ward>,
    /// The alerts.
    pub outbox: Outbox,
    /// The pictures of before, at and after.
    pub album: Album,
    /// The metrics that `/metrics` shows.
    pub metrics: Metrics,
    /// The state that `/api/status` shows.
    pub board: Arc<dyn StatusBoard>,
    /// The cameras' newest pictures.
    pub gallery: Gallery,
    /// The queue of requests to the core; [`REQUESTS_MAX`](super::REQUESTS_MAX) of them wait.
    pub requests: mpsc::Sender<PageRequest>,
    /// Stamps what people say.
    pub clock: Arc<dyn Clock>,
    /// The users and their sessions.
    pub access: Access,
    /// The audit log of who looked and who acted.
    pub audit: AuditLog,
    /// The folder that the audit log and the ledger are read from.
    pub store: PathBuf,
    /// In whose name incidents are told to civil protection; none: they are not.
    pub cap: Option<Arc<cap::Issuer>>,
    /// Tells browsers whose page is closed; none: nobody is told.
    pub push: Option<Push>,
}

/// The state that the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) state: State,
    pub(super) config: Arc<Config>,
    pub(super) feeds: bounds::Feeds,
    pub(super) minutes: bounds::Minutes,
    pub(super) sign_ins: Arc<Semaphore>,
    pub(super) reports: Arc<Semaphore>,
    pub(super) views: Arc<views::Views>,
    pub(super) shutdown: CancellationToken,
}

impl Shared {
    /// Shares `state` until `shutdown`.
    pub(super) fn new(state: State, config: Config, shutdown: &CancellationToken) -> Self {
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
