//! Opens what the daemon stands on: users, subscriptions, pictures, logs, models, a broker.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::error::Error;
use super::policy::retention;
use crate::access::Access;
use crate::album::Album;
use crate::audit;
use crate::config::Settings;
use crate::detection::Class;
use crate::detection_log;
use crate::detection_log::DetectionLogWriter;
use crate::detector::flicker;
use crate::detector::onnx::{self, OnnxConfig, OnnxDetector};
use crate::metrics::Metrics;
use crate::mqtt;
use crate::mqtt::Broker;
use crate::push::Push;
use crate::time::Clock;

/// Returns who may sign in at the page.
pub(super) async fn open_access(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<Access, Error> {
    let (path, clock) = (settings.store.path.clone(), Arc::clone(clock));
    let opened = tokio::task::spawn_blocking(move || Access::open(&path, clock)).await;
    Ok(opened.expect("opening does not panic, and nobody cancels it")?)
}

/// Returns who is told while their page is closed, where that is turned on.
pub(super) async fn open_push(
    settings: &Settings,
    access: &Access,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Push>, Error> {
    let Some(config) = settings.web.push.clone() else { return Ok(None) };
    let (path, language) = (settings.store.path.clone(), settings.ward.language);
    let (access, clock) = (access.clone(), Arc::clone(clock));
    let open = move || Push::open(&path, config, access, clock, language);
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(Some(opened.expect("opening does not panic, and nobody cancels it")?))
}

/// The pictures of before, at and after.
pub(super) async fn open_album(settings: &Settings) -> Result<Album, Error> {
    let path = settings.store.path.clone();
    let opened = tokio::task::spawn_blocking(move || Album::open(&path)).await;
    let opened = opened.expect("opening does not panic, and nobody cancels it");
    opened.map_err(|source| Error::System { what: "the folder album of the store", source })
}

pub(super) async fn open_audit(
    settings: &Settings,
    metrics: &Metrics,
    clock: &Arc<dyn Clock>,
) -> Result<audit::AuditLog, Error> {
    let (path, metrics) = (settings.store.path.clone(), metrics.clone());
    let clock = Arc::clone(clock);
    let open = move || audit::AuditLog::open(&path, clock, &metrics);
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(opened.expect("opening does not panic, and nobody cancels it")?)
}

/// Opens the detection log for `keng tune`, beside the outbox.
pub(super) fn open_detection_log(
    settings: &Settings,
    metrics: &Metrics,
    clock: &Arc<dyn Clock>,
) -> Result<(DetectionLogWriter, JoinHandle<()>), Error> {
    let store = &settings.store;
    let config = detection_log::Config {
        folder: detection_log::Folder::of(&store.path),
        retention: retention(store),
        bytes_max: u64::from(store.detections_mb_max) << 20,
    };
    detection_log::spawn(config, metrics, Arc::clone(clock))
        .map_err(|source| Error::System { what: "a thread", source })
}

/// One detector a thread, all of one file.
pub(super) async fn load_detectors(settings: &Settings) -> Result<Vec<OnnxDetector>, Error> {
    let config = OnnxConfig {
        model: settings.detector.model.clone(),
        runtime: None,
        intra_threads: 1,
        confidence_min: flicker::SUSPICION_MIN,
    };
    let (required, threads) = (required(settings), settings.detector.threads.max(1));
    let load = move || (0..threads).map(|_| OnnxDetector::load(&config, &required)).collect();
    let loaded: Result<Vec<_>, onnx::Error> = tokio::task::spawn_blocking(load)
        .await
        .expect("loading does not panic, and nobody cancels it");
    Ok(loaded?)
}

/// The classes that some camera's rule needs.
fn required(settings: &Settings) -> Vec<Class> {
    let needed = |class: &Class| {
        let rules = settings.cameras.iter().map(|camera| &camera.rules);
        rules.chain([&settings.rules]).any(|rules| match class {
            Class::Fire => rules.fire.enabled,
            Class::Smoke => rules.smoke.enabled,
            Class::Person => rules.loitering.enabled,
        })
    };
    Class::ALL.into_iter().filter(needed).collect()
}

/// The embedded broker where no other is named, and how to reach the one that is used.
pub(super) async fn start_broker(
    settings: &Settings,
) -> Result<(Option<std::net::SocketAddr>, mqtt::Config), Error> {
    let mut mqtt = settings.mqtt.clone();
    if mqtt.url.is_some() {
        return Ok((None, mqtt));
    }
    let broker = Broker::start(&mqtt).await?;
    mqtt.listen = broker.address();
    Ok((Some(broker.address()), mqtt))
}
