//! The only place that knows everyone: threads, channels, start order, stop order.
//!
//! ```text
//! task camera-{id} → queue → thread decode-{id} → mailboxes → thread detect-{n} → channel 16
//!   → task core → channel 256 → thread outbox ─ outbox ─→ tasks mqtt, web
//! ```
//!
//! Three fates, decided here alone: a camera or the broker that fails is tried again by its own
//! supervisor; a bad frame is dropped and counted where it is found; an outbox, model or address
//! that can't be had at the start is fatal. A full disk is waited for, at the start and later.

mod error;
mod policy;
mod threads;
mod patrols;
mod inbound;
mod recall;
mod status;
mod outlets;
mod outbox_writer;
mod camera_runtime;
mod incident_pictures;
mod load;
mod commands;
mod core_task;
mod open;
mod waiting;
mod build;
mod drain;
mod spawn;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::drain::DrainedParts;
use self::threads::step;
use crate::audit;
use crate::audit::{Actor, ActorKind, AuditRecord, Via};
use crate::config::{ConfigWatch, Settings, hangups};
use crate::metrics::Metrics;
use crate::mqtt::BrokerState;
use crate::outbox::Outbox;
use crate::time::Clock;

pub use self::error::Error;
pub(crate) use self::policy::context;
pub use self::status::Statuses;

/// The daemon at work.
pub struct App {
    /// The place where the page is.
    pub page: std::net::SocketAddr,
    /// The address of the embedded broker, if there is one.
    pub broker: Option<std::net::SocketAddr>,
    /// The state of the session with the broker.
    pub broker_state: watch::Receiver<BrokerState>,
    /// The metrics.
    pub metrics: Metrics,
    /// The alert log.
    pub outbox: Outbox,
    /// The audit log.
    pub audit: audit::AuditLog,
    stops: DrainedParts,
}

impl App {
    /// Starts everything: what it stands on is opened (`build`), then set to work (`spawn`).
    /// [`App::drain`] stops it. `watch`: begun before the file was read, so that no change of it is
    /// missed.
    ///
    /// # Errors
    /// [`Error`]; nothing goes on running then but the embedded broker, which can't be stopped.
    pub async fn start(
        settings: Settings,
        watch: Option<ConfigWatch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let stop = CancellationToken::new();
        // Before what takes long: a signal to read the file again must not end the daemon.
        let watch = watch
            .map(|watch| hangups(stop.clone()).map(|asked| (watch, asked)))
            .transpose()
            .map_err(|source| Error::System { what: "signals", source })?;
        let parts = build::build(&settings, &clock).await?;
        let (page, broker) = (parts.server.address(), parts.broker);
        let (metrics, outbox, audit) =
            (parts.metrics.clone(), parts.outbox.clone(), parts.audit.clone());
        let (stops, broker_state) = spawn::spawn(&settings, parts, watch, stop, &clock).await?;
        let version = env!("CARGO_PKG_VERSION");
        audit.note(of_system("start").detail(&format!("version {version}")));
        Ok(Self { page, broker, broker_state, metrics, outbox, audit, stops })
    }

    /// Ends when a thread that everything needs has ended by itself: it has panicked, and half a
    /// daemon that looks healthy is worse than one that starts again.
    pub async fn broken(&self) -> String {
        self.stops.broken().await
    }

    /// Stops in the order of the flow: cameras, decoders, detectors, core, outbox, then whoever
    /// reads from it. What the broker has not acknowledged stays in the outbox.
    pub async fn drain(self) {
        self.stops.drain().await;
        self.audit.note(of_system("stop"));
        step("audit log", self.audit.flush()).await;
    }
}

/// Makes a record of the daemon's own actions for the audit log.
fn of_system(action: &'static str) -> AuditRecord {
    AuditRecord::new(Actor::new(ActorKind::System, "keng"), Via::System, action, "daemon")
}
