//! Second step of a start: everything that is open is set to work, last things first, so that
//! nothing that comes in finds a closed door.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::build::Parts;
use super::camera_runtime;
use super::core_task;
use super::core_task::CoreTask;
use super::drain::DrainedParts;
use super::error::Error;
use super::incident_pictures::IncidentPictures;
use super::open;
use super::outbox_writer;
use super::outlets;
use super::status::Statuses;
use crate::camera::rtsp::Rtsp;
use crate::camera::supervisor::{CONNECTS_MAX, RetryPolicies, SupervisorContext};
use crate::config::{ConfigWatch, Settings};
use crate::detector::Detector;
use crate::detector::onnx::OnnxDetector;
use crate::detector::worker;
use crate::frame::InputFormat;
use crate::frame::mailbox::Mailboxes;
use crate::ledger;
use crate::metrics::Metrics;
use crate::mqtt::{BrokerState, Links, RetainedTopics, publish};
use crate::time::Clock;
use crate::web;

/// Commands and reports that may wait for the core; then they wait at the broker.
const INBOUND_MAX: usize = 32;

/// Starts tasks and threads of `parts`. `stop` ends those that read from the outbox, last of all.
pub(super) async fn spawn(
    settings: &Settings,
    parts: Parts,
    watch: Option<(ConfigWatch, mpsc::Receiver<()>)>,
    stop: CancellationToken,
    clock: &Arc<dyn Clock>,
) -> Result<(DrainedParts, watch::Receiver<BrokerState>), Error> {
    let Parts { metrics, outbox, audit, detectors, access, push, album, server, mqtt, .. } = parts;
    let (input, model) = (detectors[0].input(), detectors[0].identity().clone());
    let tasks = TaskTracker::new();
    let retained = RetainedTopics::new();
    let statuses = Statuses::new(settings, retained.clone(), outbox.watch_disk_space());
    let (state, broker_state) = watch::channel(BrokerState::default());
    let (inbound_in, inbound) = mpsc::channel(INBOUND_MAX);
    let links = Links {
        outbox: outbox.clone(),
        retained,
        inbound: inbound_in,
        state,
        metrics: metrics.clone(),
        clock: Arc::clone(clock),
    };
    let push_to = push.as_ref();
    outlets::start(settings, push_to, &links, &statuses, (&tasks, &stop)).await;
    let publisher = tasks.spawn(publish(mqtt, settings.ward.clone(), links, stop.clone()));
    let gallery = web::Gallery::new(Arc::clone(clock));
    let (requests_in, requests) = mpsc::channel(web::REQUESTS_MAX);
    let served = web::State {
        ward: Arc::new(settings.ward.clone()),
        outbox: outbox.clone(),
        album: album.clone(),
        metrics: metrics.clone(),
        board: Arc::new(statuses.clone()),
        gallery: gallery.clone(),
        requests: requests_in,
        clock: Arc::clone(clock),
        access,
        audit: audit.clone(),
        store: settings.store.path.clone(),
        cap: settings.outlets.cap.clone(),
        push,
    };
    let seen: Arc<dyn ledger::AvailabilitySource> = Arc::new(statuses.clone());
    let detection_writer =
        ledger::LedgerWriter::new(&settings.store.path, outbox.clone(), seen, Arc::clone(clock));
    let ledger = tasks.spawn(ledger::run(detection_writer, stop.clone()));
    let page_stop = stop.clone();
    let served = tasks.spawn(server.serve(served, page_stop));
    let vital = [("what sends over MQTT", publisher), ("the page", served), ("the ledger", ledger)];

    let (jobs, writer) = outbox_writer::spawn(outbox.clone(), metrics.clone(), Arc::clone(clock))
        .map_err(|source| Error::System { what: "a thread", source })?;
    let (pictures, album) = IncidentPictures::start(album, outbox.clone(), &metrics)
        .map_err(|source| Error::System { what: "a thread", source })?;
    let (detection_writer, detection_log) = open::open_detection_log(settings, &metrics, clock)?;
    let mailboxes = Arc::new(Mailboxes::new(Arc::clone(clock), metrics.clone()));
    let (analysed_in, analysed) = mpsc::channel(worker::ANALYSED_MAX);
    let setup = worker::DetectorSetup {
        mailboxes: Arc::clone(&mailboxes),
        second: Arc::default(),
        analysed: analysed_in,
        clock: Arc::clone(clock),
        metrics: metrics.clone(),
    };
    let detectors = spawn_detectors(detectors, &setup)?;
    drop(setup);

    let cameras_stop = CancellationToken::new();
    let (reload_in, reloads) = mpsc::channel(1);
    if let Some((watch, asked)) = watch {
        tasks.spawn(watch.run(asked, reload_in, cameras_stop.clone()));
    }
    let cameras = new_cameras(&mailboxes, input, clock, &metrics, &cameras_stop);
    let written = audit.clone();
    let outputs = core_task::Outputs {
        cameras,
        statuses,
        jobs,
        detection_writer,
        audit: written,
        gallery,
        pictures,
    };
    let core = CoreTask::new(settings.clone(), model, outputs, clock, &metrics);
    let restored = core.restore(&outbox);
    let context = core_task::Inputs { analysed, inbound, requests, reloads };
    let core = tokio::spawn(restored.run(context, cameras_stop.clone()));
    let cameras = cameras_stop;
    let stops = DrainedParts {
        cameras,
        core,
        mailboxes,
        detectors,
        writer,
        album,
        detection_log,
        outlets: stop,
        tasks,
        vital,
    };
    Ok((stops, broker_state))
}

fn spawn_detectors(
    detectors: Vec<OnnxDetector>,
    setup: &worker::DetectorSetup,
) -> Result<Vec<JoinHandle<()>>, Error> {
    let spawn = |(index, detector): (usize, OnnxDetector)| {
        worker::spawn(index, Box::new(detector), setup.clone())
            .map_err(|source| Error::System { what: "a thread", source })
    };
    detectors.into_iter().enumerate().map(spawn).collect()
}

fn new_cameras(
    mailboxes: &Arc<Mailboxes>,
    input: InputFormat,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> camera_runtime::CameraRuntimes {
    let context = SupervisorContext {
        source: Rtsp::new(Arc::clone(clock)),
        clock: Arc::clone(clock),
        connects: Arc::new(Semaphore::new(CONNECTS_MAX)),
        metrics: metrics.clone(),
        waits: RetryPolicies::default(),
    };
    camera_runtime::CameraRuntimes::new(context, Arc::clone(mailboxes), input, stop.clone())
}
