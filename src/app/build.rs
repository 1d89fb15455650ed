//! First step of a start: everything that the daemon stands on is opened, and nothing runs yet but
//! the embedded broker. All that can fail for want of a file, a port or a model fails here.

use std::net::SocketAddr;
use std::sync::Arc;

use super::error::Error;
use super::open;
use super::waiting;
use crate::access::Access;
use crate::album::Album;
use crate::audit;
use crate::config::Settings;
use crate::detector::onnx::OnnxDetector;
use crate::metrics::Metrics;
use crate::mqtt;
use crate::outbox::Outbox;
use crate::push::Push;
use crate::time::Clock;
use crate::web;

/// The parts that are open.
pub(super) struct Parts {
    pub(super) metrics: Metrics,
    pub(super) outbox: Outbox,
    pub(super) audit: audit::AuditLog,
    /// One a thread, at least one.
    pub(super) detectors: Vec<OnnxDetector>,
    pub(super) access: Access,
    pub(super) push: Option<Push>,
    pub(super) album: Album,
    pub(super) server: web::Server,
    /// The address of the embedded broker, if there is one.
    pub(super) broker: Option<SocketAddr>,
    /// The address and credentials of the broker that is used.
    pub(super) mqtt: mqtt::Config,
}

/// Opens everything; waits for the disk where it is full.
pub(super) async fn build(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Parts, Error> {
    let metrics = Metrics::new();
    let outbox = waiting::open_outbox(settings, &metrics, clock).await?;
    let audit = open::open_audit(settings, &metrics, clock).await?;
    let detectors = open::load_detectors(settings).await?;
    let access = open::open_access(settings, clock).await?;
    let push = open::open_push(settings, &access, clock).await?;
    let album = open::open_album(settings).await?;
    let server = web::Server::bind(&settings.web, &access, clock).await?;
    let (broker, mqtt) = open::start_broker(settings).await?;
    Ok(Parts { metrics, outbox, audit, detectors, access, push, album, server, broker, mqtt })
}
