//! A start that finds the disk full. The daemon does not end, which would be a crash loop: it says
//! so in the log, on the ward's status topic and at the page's address, tries again, and goes on by
//! itself as soon as there is room.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::Error;
use super::open::open_access;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::mqtt;
use crate::outbox;
use crate::outbox::{DiskSpace, Outbox};
use crate::time::Clock;
use crate::web;

/// From one attempt to the next: at first, and at most.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Opens the outbox; while there is no room for that, waits for it.
pub(super) async fn open_outbox(
    settings: &Settings,
    metrics: &Metrics,
    clock: &Arc<dyn Clock>,
) -> Result<Outbox, Error> {
    let error = match open(settings).await {
        Err(error @ outbox::Error::Full { .. }) => error,
        result => return Ok(result?),
    };
    tracing::error!(%error, "the daemon can't start: it waits for the disk, no camera is watched");
    metrics.outbox_stuck.set(1);
    let (announced, tasks) = (CancellationToken::new(), TaskTracker::new());
    // However this ends, also by a stop.
    let _ended = announced.clone().drop_guard();
    announce(settings, clock, &tasks, &announced).await;
    let mut wait = RETRY_MIN;
    let opened = loop {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
        match open(settings).await {
            Err(error @ outbox::Error::Full { .. }) => {
                tracing::warn!(%error, "the daemon still waits for the disk");
            }
            result => break result,
        }
    };
    announced.cancel();
    tasks.close();
    // The page's port is free then.
    tasks.wait().await;
    metrics.outbox_stuck.set(0);
    tracing::info!("there is room again: the daemon starts");
    Ok(opened?)
}

async fn open(settings: &Settings) -> Result<Outbox, outbox::Error> {
    let path = settings.store.path.clone();
    let opened = tokio::task::spawn_blocking(move || Outbox::open(&path)).await;
    opened.expect("opening does not panic, and nobody cancels it")
}

/// Tells whoever can be told. The embedded broker is not there yet.
async fn announce(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    tasks: &TaskTracker,
    announced: &CancellationToken,
) {
    if settings.mqtt.url.is_some() {
        let status = json!({
            "state": "offline",
            "version": env!("CARGO_PKG_VERSION"),
            "store": DiskSpace::Stuck.as_str(),
            "reason": "the disk is full, the daemon can't start; free some space",
            "since": clock.now().wall.to_rfc3339(&settings.ward.timezone),
        });
        let payload = status.to_string().into_bytes();
        let (config, ward) = (settings.mqtt.clone(), settings.ward.id.clone());
        tasks.spawn(mqtt::notify(config, ward, payload, announced.clone()));
    }
    match page(settings, clock).await {
        Ok(page) => {
            tracing::info!(page = %page.address(), "the page tells that the disk is full");
            tasks.spawn(page.serve_full(announced.clone()));
        }
        Err(error) => tracing::warn!(%error, "there is no page while the daemon waits"),
    }
}

async fn page(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<web::Server, Error> {
    let access = open_access(settings, clock).await?;
    Ok(web::Server::bind(&settings.web, &access, clock).await?)
}
