//! The only place that knows everyone: threads, channels, start order, stop order.
//!
//! ```text
//! task camera-{id} → queue → thread decode-{id} → mailboxes → thread detect-{n} → channel 16
//!   → task core (judge) → channel 256 → thread outbox (scribe) ─ outbox ─→ tasks mqtt, web
//! ```
//!
//! Three fates, decided here alone: a camera or the broker that fails is tried again by its own
//! supervisor; a bad frame is dropped and counted where it is found; an outbox, model or address
//! that can't be had at the start is fatal. A full disk is waited for, at the start and later.

mod inbound;
mod judge;
mod lens;
mod load;
mod moments;
mod outlets;
mod patrols;
mod recall;
mod said;
mod scribe;
mod status;
mod waiting;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access;
use crate::access::Access;
use crate::album::Album;
use crate::audit;
use crate::audit::{Actor, ActorKind, AuditRecord, Via};
use crate::camera::rtsp::Rtsp;
use crate::camera::supervisor::{CONNECTS_MAX, RetryPolicies, SupervisorContext};
use crate::config;
use crate::config::{Settings, Watch, hangups};
use crate::detection::{Class, ModelIdentity};
use crate::detection_log;
use crate::detection_log::DetectionLogWriter;
use crate::detector::Detector;
use crate::detector::flicker;
use crate::detector::onnx::{self, OnnxConfig, OnnxDetector};
use crate::detector::worker;
use crate::frame::InputFormat;
use crate::frame::mailbox::Mailboxes;
use crate::ledger;
use crate::metrics::Metrics;
use crate::mqtt::{Board, Broker, BrokerError, Links, State as BrokerState, publish};
use crate::outbox;
use crate::outbox::Outbox;
use crate::push;
use crate::push::Push;
use crate::time::Clock;
use crate::web;
use moments::Moments;

pub use status::Statuses;

/// Jobs that may wait for the outbox; then the core waits, and with it the detectors.
const JOBS_MAX: usize = 256;
/// Commands and reports that may wait for the core; then they wait at the broker.
const INBOUND_MAX: usize = 32;
/// How often it is looked whether every thread is still there.
const LOOK: Duration = Duration::from_secs(1);
const SECONDS_A_DAY: u64 = 86_400;
/// A stop step that takes longer is left behind.
const STEP_MAX: Duration = Duration::from_secs(5);

/// Why the daemon can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The alert log.
    #[error(transparent)]
    Outbox(#[from] outbox::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] onnx::Error),
    /// The embedded broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The page's users.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The key for Web Push, or its subscriptions.
    #[error(transparent)]
    Push(#[from] push::Error),
    /// The page.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// The system has no thread, or no signals, left.
    #[error("the system refuses {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Its words.
        source: std::io::Error,
    },
}

/// The daemon at work.
pub struct App {
    /// Where the page is.
    pub page: std::net::SocketAddr,
    /// Where the embedded broker is, if it is.
    pub broker: Option<std::net::SocketAddr>,
    /// How the session with the broker is.
    pub broker_state: watch::Receiver<BrokerState>,
    /// What is counted.
    pub metrics: Metrics,
    /// The alert log.
    pub outbox: Outbox,
    /// The audit log.
    pub audit: audit::AuditLog,
    stops: Stops,
}

/// What is stopped, in the order of the fields.
struct Stops {
    lenses: CancellationToken,
    core: tokio::task::JoinHandle<lens::Lenses>,
    mailboxes: Arc<Mailboxes>,
    detectors: Vec<JoinHandle<()>>,
    scribe: JoinHandle<()>,
    album: JoinHandle<()>,
    diary: JoinHandle<()>,
    outlets: CancellationToken,
    tasks: TaskTracker,
    /// Those of `tasks` that no daemon can do without.
    vital: [(&'static str, tokio::task::JoinHandle<()>); 3],
}

impl App {
    /// Starts everything, last things first, so that nothing that comes in finds a closed door.
    /// `watch`: begun before the file was read, so that no change of it is missed.
    ///
    /// # Errors
    /// [`Error`]; nothing goes on running then but the embedded broker, which can't be stopped.
    pub async fn start(
        settings: Settings,
        watch: Option<Watch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let outlets = CancellationToken::new();
        // Before what takes long: a signal to read the file again must not end the daemon.
        let asked = watch
            .is_some()
            .then(|| hangups(outlets.clone()))
            .transpose()
            .map_err(|source| Error::System { what: "signals", source })?;
        let metrics = Metrics::new();
        let outbox = waiting::open_outbox(&settings, &metrics, &clock).await?;
        let audit = open_audit(&settings, &metrics, &clock).await?;
        let detectors = load_detectors(&settings).await?;
        let (input, model) = (detectors[0].input(), detectors[0].identity().clone());
        let access = open_access(&settings, &clock).await?;
        let push = open_push(&settings, &access, &clock).await?;
        let album = open_album(&settings).await?;
        let server = web::Server::bind(&settings.web, &access, &clock).await?;
        let page = server.address();
        let (broker, mqtt) = start_broker(&settings).await?;

        let tasks = TaskTracker::new();
        let board = Board::new();
        let statuses = Statuses::new(&settings, board.clone(), outbox.watch_disk_space());
        let (state, broker_state) = watch::channel(BrokerState::default());
        let (inbound_in, inbound) = mpsc::channel(INBOUND_MAX);
        let links = Links {
            outbox: outbox.clone(),
            board,
            inbound: inbound_in,
            state,
            metrics: metrics.clone(),
            clock: Arc::clone(&clock),
        };
        let push_to = push.as_ref();
        outlets::start(&settings, push_to, &links, &statuses, (&tasks, &outlets)).await;
        let publisher = tasks.spawn(publish(mqtt, settings.ward.clone(), links, outlets.clone()));
        let gallery = web::Gallery::new(Arc::clone(&clock));
        let (asks_in, asks) = mpsc::channel(web::ASKS_MAX);
        let served = web::State {
            ward: Arc::new(settings.ward.clone()),
            outbox: outbox.clone(),
            album: album.clone(),
            metrics: metrics.clone(),
            board: Arc::new(statuses.clone()),
            gallery: gallery.clone(),
            asks: asks_in,
            clock: Arc::clone(&clock),
            access,
            audit: audit.clone(),
            store: settings.store.path.clone(),
            cap: settings.outlets.cap.clone(),
            push,
        };
        let seen: Arc<dyn ledger::AvailabilitySource> = Arc::new(statuses.clone());
        let keeper = ledger::LedgerWriter::new(
            &settings.store.path,
            outbox.clone(),
            seen,
            Arc::clone(&clock),
        );
        let ledger = tasks.spawn(ledger::run(keeper, outlets.clone()));
        let page_stop = outlets.clone();
        let served = tasks.spawn(server.serve(served, page_stop));
        let vital =
            [("what sends over MQTT", publisher), ("the page", served), ("the ledger", ledger)];

        let (jobs, scribe) = scribe::spawn(outbox.clone(), metrics.clone(), Arc::clone(&clock))
            .map_err(|source| Error::System { what: "a thread", source })?;
        let (moments, album) = Moments::start(album, outbox.clone(), &metrics)
            .map_err(|source| Error::System { what: "a thread", source })?;
        let (keeper, diary) = open_diary(&settings, &metrics, &clock)?;
        let mailboxes = Arc::new(Mailboxes::new(Arc::clone(&clock), metrics.clone()));
        let (analysed_in, analysed) = mpsc::channel(worker::ANALYSED_MAX);
        let setup = worker::DetectorSetup {
            mailboxes: Arc::clone(&mailboxes),
            second: Arc::default(),
            analysed: analysed_in,
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
        };
        let detectors = spawn_detectors(detectors, &setup)?;
        drop(setup);

        let lenses_stop = CancellationToken::new();
        let (reload_in, reloads) = mpsc::channel(1);
        if let (Some(watch), Some(asked)) = (watch, asked) {
            tasks.spawn(watch.run(asked, reload_in, lenses_stop.clone()));
        }
        let lenses = new_lenses(&mailboxes, input, &clock, &metrics, &lenses_stop);
        let written = audit.clone();
        let hands =
            judge::Hands { lenses, statuses, jobs, keeper, audit: written, gallery, moments };
        let judge = judge::Judge::new(settings, model, hands, &clock, &metrics);
        let restored = judge.restore(&outbox);
        let doors = judge::Inputs { analysed, inbound, asks, reloads };
        let core = tokio::spawn(restored.run(doors, lenses_stop.clone()));
        let lenses = lenses_stop;
        let stops = Stops {
            lenses,
            core,
            mailboxes,
            detectors,
            scribe,
            album,
            diary,
            outlets,
            tasks,
            vital,
        };
        let version = env!("CARGO_PKG_VERSION");
        audit.note(of_system("start").detail(&format!("version {version}")));
        Ok(Self { page, broker, broker_state, metrics, outbox, audit, stops })
    }

    /// Ends when a thread that everything needs has ended by itself: it has panicked, and half a
    /// daemon that looks healthy is worse than one that starts again.
    pub async fn broken(&self) -> String {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if self.stops.scribe.is_finished() {
                return "the outbox's thread has ended".to_owned();
            }
            if self.stops.detectors.iter().any(JoinHandle::is_finished) {
                return "a detector's thread has ended".to_owned();
            }
            if self.stops.core.is_finished() {
                return "the core has ended".to_owned();
            }
            if let Some((what, _)) = self.stops.vital.iter().find(|(_, task)| task.is_finished()) {
                return format!("{what} has ended");
            }
        }
    }

    /// Stops in the order of the flow: cameras, decoders, detectors, core, outbox, then whoever
    /// reads from it. What the broker has not acknowledged stays in the outbox.
    pub async fn drain(self) {
        let stops = self.stops;
        stops.lenses.cancel();
        let mut core = stops.core;
        // It may wait for a disk that never has room again.
        match tokio::time::timeout(STEP_MAX, &mut core).await {
            Ok(Ok(lenses)) => step("cameras", lenses.stop_all()).await,
            Ok(Err(error)) => tracing::error!(%error, "the core had ended"),
            Err(_) => {
                core.abort();
                tracing::warn!(step = "core", "did not stop in {} s", STEP_MAX.as_secs());
            }
        }
        stops.mailboxes.close();
        step("detectors", join_all(stops.detectors)).await;
        step("outbox", join_all(vec![stops.scribe])).await;
        step("album", join_all(vec![stops.album])).await;
        step("diary", join_all(vec![stops.diary])).await;
        stops.outlets.cancel();
        stops.tasks.close();
        step("mqtt and page", stops.tasks.wait()).await;
        self.audit.note(of_system("stop"));
        step("audit log", self.audit.flush()).await;
    }
}

async fn step(name: &'static str, work: impl Future<Output = ()>) {
    match tokio::time::timeout(STEP_MAX, work).await {
        Ok(()) => tracing::info!(step = name, "stopped"),
        Err(_) => tracing::warn!(step = name, "did not stop in {} s", STEP_MAX.as_secs()),
    }
}

/// A thread that panicked has said so already.
async fn join_all(threads: Vec<JoinHandle<()>>) {
    let joined = tokio::task::spawn_blocking(move || {
        threads.into_iter().filter_map(|thread| thread.join().err()).count()
    });
    if let Ok(broken @ 1..) = joined.await {
        tracing::error!(broken, "threads had panicked");
    }
}

/// Who may sign in at the page.
async fn open_access(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Access, Error> {
    let (path, clock) = (settings.store.path.clone(), Arc::clone(clock));
    let opened = tokio::task::spawn_blocking(move || Access::open(&path, clock)).await;
    Ok(opened.expect("opening does not panic, and nobody cancels it")?)
}

/// Who is told while their page is closed, where that is turned on.
async fn open_push(
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
async fn open_album(settings: &Settings) -> Result<Album, Error> {
    let path = settings.store.path.clone();
    let opened = tokio::task::spawn_blocking(move || Album::open(&path)).await;
    let opened = opened.expect("opening does not panic, and nobody cancels it");
    opened.map_err(|source| Error::System { what: "the folder album of the store", source })
}

async fn open_audit(
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

/// What the daemon does by itself, for the audit log.
fn of_system(action: &'static str) -> AuditRecord {
    AuditRecord::new(Actor::new(ActorKind::System, "keng"), Via::System, action, "daemon")
}

/// What is kept for `keng tune`, beside the outbox.
fn open_diary(
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

/// What is older is deleted.
fn retention(store: &config::StoreConfig) -> Duration {
    Duration::from_secs(u64::from(store.retention_days) * SECONDS_A_DAY)
}

/// What the outbox may take of the disk.
fn limits(store: &config::StoreConfig) -> outbox::StorageLimits {
    outbox::StorageLimits {
        snapshots_bytes_max: (u64::from(store.snapshots_mb_max) << 20) - album_bytes_max(store),
        reserve_bytes: u64::from(store.reserve_mb) << 20,
    }
}

/// What the pictures of before, at and after may take of what is for snapshots: an eighth.
fn album_bytes_max(store: &config::StoreConfig) -> u64 {
    u64::from(store.snapshots_mb_max) << 17
}

/// One detector a thread, all of one file.
async fn load_detectors(settings: &Settings) -> Result<Vec<OnnxDetector>, Error> {
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

/// The embedded broker where no other is named, and how to reach the one that is used.
async fn start_broker(
    settings: &Settings,
) -> Result<(Option<std::net::SocketAddr>, crate::mqtt::Config), Error> {
    let mut mqtt = settings.mqtt.clone();
    if mqtt.url.is_some() {
        return Ok((None, mqtt));
    }
    let broker = Broker::start(&mqtt).await?;
    mqtt.listen = broker.address();
    Ok((Some(broker.address()), mqtt))
}

fn new_lenses(
    mailboxes: &Arc<Mailboxes>,
    input: InputFormat,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> lens::Lenses {
    let doors = SupervisorContext {
        source: Rtsp::new(Arc::clone(clock)),
        clock: Arc::clone(clock),
        connects: Arc::new(Semaphore::new(CONNECTS_MAX)),
        metrics: metrics.clone(),
        waits: RetryPolicies::default(),
    };
    lens::Lenses::new(doors, Arc::clone(mailboxes), input, stop.clone())
}

/// The configuration's cameras that may be used: a camera whose owner's consent is over is not.
fn permitted(settings: &Settings, now: crate::time::Wall) -> Vec<config::CameraSettings> {
    let expired = settings.consent_expired(now);
    let kept = settings.cameras.iter().filter(|camera| !expired.contains(&&camera.site.id));
    kept.cloned().collect()
}

/// What an alert tells of the ward, its cameras and its model.
pub(crate) fn context(settings: &Settings, model: &ModelIdentity) -> crate::alert::Context {
    crate::alert::Context {
        ward: settings.ward.clone(),
        khu_pho: settings.khu_pho.clone(),
        sites: settings.cameras.iter().map(|camera| camera.site.clone()).collect(),
        fire_points: settings.fire_points.clone(),
        model: model.clone(),
        messages: settings.messages.clone(),
    }
}
