//! The status of the cameras and of the daemon: for the retained topics and for the page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::attention::Level;
use crate::audit;
use crate::camera::CameraState;
use crate::config::{CameraSettings, Settings};
use crate::ledger::{self, Availability};
use crate::mqtt::{RetainedTopics, Topics};
use crate::outbox::DiskSpace;
use crate::outlet::Standings;
use crate::outlet::home_assistant::Announcer;
use crate::rule::health::Fault;
use crate::time::{Stamp, Wall};
use crate::ward::{Id, KhuPho, Owner, Ward};
use crate::web::{self, StatusBoard};

/// The reason why a camera is away whose packets come.
const NO_PICTURE: &str = "it streams, but nothing that can be decoded";
/// The reason why a camera is away that was never asked.
const NO_THREAD: &str =
    "the system has no thread left to decode it; it is tried again every minute";
/// Frames are counted over as long for the rate that is told.
const RATE_OVER_S: f64 = 10.0;
/// With cameras online, a detector that says nothing for as long hangs or is overrun.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// The newest status of everything. Clones share it.
#[derive(Clone)]
pub struct Statuses {
    board: RetainedTopics,
    /// Of the disk that the outbox is on.
    room: watch::Receiver<DiskSpace>,
    /// The state of the outlets.
    pub(super) standings: Standings,
    /// Tells Home Assistant, where it is to be told.
    home: Option<Announcer>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    ward: Ward,
    khu_pho: Vec<KhuPho>,
    /// In the configuration's order.
    cameras: Vec<StatusEntry>,
    configured: Arc<[web::ConfiguredCamera]>,
    known: BTreeMap<Id, CameraReport>,
    reload_error: Option<String>,
    not_ready: Option<String>,
    degraded: bool,
    /// The newest record of the audit log, as it was a while ago.
    audit: audit::ChainHead,
    /// The share of the wanted rate of frames is granted, 0..1.
    granted: f64,
    /// Alerts that could not be delivered to somebody.
    set_aside: i64,
}

/// The topic of a camera's status.
#[derive(Clone, Debug, PartialEq)]
struct StatusEntry {
    khu_pho: Id,
    id: Id,
    address: String,
    owner: Option<Owner>,
}

/// The last published status of one camera.
#[derive(Clone, Debug)]
struct CameraReport {
    word: &'static str,
    since: Wall,
    reason: Option<String>,
    /// Its pictures are wanted, and may be had.
    watched: bool,
    level: Level,
    clock_ahead_s: Option<i64>,
    fps: f64,
    /// From a frame's last packet to the judgement: the mean of those that make up the rate.
    latency: Option<Duration>,
    frames: u64,
    /// All of them together.
    waited: Duration,
    counted_from: Stamp,
}

/// The present knowledge of a camera.
pub(super) struct CameraView {
    /// Tells whether it is to be watched: its owner's consent is not over.
    pub(super) permitted: bool,
    /// The state of its supervisor; none where it has none.
    pub(super) state: Option<CameraState>,
    /// The fault that its pictures show.
    pub(super) fault: Option<Fault>,
    /// The level at which it is watched.
    pub(super) level: Level,
}

impl CameraReport {
    fn new(now: Stamp) -> Self {
        Self {
            word: "connecting",
            since: now.wall,
            reason: None,
            watched: true,
            level: Level::Idle,
            clock_ahead_s: None,
            fps: 0.0,
            latency: None,
            frames: 0,
            waited: Duration::ZERO,
            counted_from: now,
        }
    }

    /// Pictures come, whatever they show.
    fn streams(&self) -> bool {
        !matches!(self.word, "connecting" | "offline")
    }

    fn to_json(&self, ward: &Ward, entry: &StatusEntry) -> Value {
        json!({
            "state": self.word,
            "since": self.since.to_rfc3339(&ward.timezone),
            "analysed_fps": self.fps,
            "attention": self.level.as_str(),
            "clock_ahead_s": self.clock_ahead_s,
            "reason": self.reason,
            "khu_pho": entry.khu_pho.as_str(),
            "address": entry.address,
        })
    }
}

impl Statuses {
    /// Of the cameras of `settings`, all connecting.
    pub(super) fn new(
        settings: &Settings,
        board: RetainedTopics,
        room: watch::Receiver<DiskSpace>,
    ) -> Self {
        let inner = Inner {
            ward: settings.ward.clone(),
            khu_pho: Vec::new(),
            cameras: Vec::new(),
            configured: Arc::default(),
            known: BTreeMap::new(),
            reload_error: None,
            not_ready: Some("nothing has been looked at yet".to_owned()),
            degraded: false,
            audit: audit::ChainHead::default(),
            granted: 1.0,
            set_aside: 0,
        };
        let home = settings.outlets.home_assistant.clone();
        let home = home.map(|home| Announcer::new(home, settings.ward.clone(), board.clone()));
        let inner = Arc::new(Mutex::new(inner));
        let statuses = Self { board, room, standings: Standings::default(), home, inner };
        statuses.configure(settings);
        statuses
    }

    /// Tells Home Assistant, where it is to be told.
    pub(super) fn home(&self) -> Option<Announcer> {
        self.home.clone()
    }

    /// Tells of the cameras of `settings` from now on; the topics of others are cleared.
    pub(super) fn configure(&self, settings: &Settings) {
        if let Some(home) = &self.home {
            let sites: Vec<_> = settings.cameras.iter().map(|camera| &camera.site).collect();
            home.configure(&settings.khu_pho, &sites);
        }
        let mut inner = self.lock();
        let wanted: Vec<StatusEntry> = settings
            .cameras
            .iter()
            .map(|camera| StatusEntry {
                khu_pho: camera.site.khu_pho.clone(),
                id: camera.site.id.clone(),
                address: camera.site.place.address.clone(),
                owner: camera.site.owner.clone(),
            })
            .collect();
        let topics = Topics::new(inner.ward.id.clone());
        let topic = |entry: &StatusEntry| topics.camera_status(&entry.khu_pho, &entry.id);
        let kept: Vec<String> = wanted.iter().map(topic).collect();
        // Those that were taken out while nothing ran are found when the session begins.
        self.board.claim(topics.camera_statuses(), kept.iter().cloned().collect());
        for gone in inner.cameras.iter().map(topic).filter(|old| !kept.contains(old)) {
            self.board.set(&gone, b"");
        }
        inner.known.retain(|id, _| wanted.iter().any(|entry| entry.id == *id));
        inner.khu_pho = settings.khu_pho.clone();
        inner.configured = settings.cameras.iter().map(configured).collect();
        inner.cameras = wanted;
    }

    /// A frame of this camera was judged so long after its last packet.
    pub(super) fn count(&self, camera: &Id, after: Duration) {
        if let Some(camera) = self.lock().known.get_mut(camera) {
            camera.frames += 1;
            camera.waited += after;
        }
    }

    /// Takes in the state of a camera at `now`, and publishes it on its topic where it is new.
    pub(super) fn publish(&self, id: &Id, seen: CameraView, now: Stamp) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(entry) = inner.cameras.iter().find(|entry| entry.id == *id) else { return };
        let camera = inner.known.entry(id.clone()).or_insert_with(|| CameraReport::new(now));
        camera.watched = seen.permitted;
        camera.clock_ahead_s = match seen.state {
            Some(CameraState::Streaming { clock_ahead_s, .. }) => clock_ahead_s,
            _ => None,
        };
        let (word, reason) = match seen.state {
            Some(CameraState::Streaming { .. }) => match seen.fault {
                None => ("online", None),
                Some(Fault::Offline) => ("offline", Some(NO_PICTURE.to_owned())),
                // What it shows can be used, whatever its clock says.
                Some(Fault::Clock) => ("online", None),
                Some(fault) => (fault.as_str(), None),
            },
            // Between two attempts a camera that is away stays away.
            Some(CameraState::Connecting { .. }) if !camera.streams() => {
                (camera.word, camera.reason.clone())
            }
            Some(CameraState::Connecting { .. }) => ("connecting", None),
            Some(CameraState::Waiting { reason, .. }) => ("offline", Some(reason)),
            None if seen.permitted => ("offline", Some(NO_THREAD.to_owned())),
            None => ("offline", Some("its owner's consent is over".to_owned())),
        };
        if word != camera.word {
            camera.since = now.wall;
        }
        (camera.word, camera.reason, camera.level) = (word, reason, seen.level);
        let span = now.mono.seconds_since(camera.counted_from.mono);
        if span >= RATE_OVER_S {
            #[expect(clippy::cast_precision_loss, reason = "frames of ten seconds")]
            let rate = camera.frames as f64 / span;
            camera.fps = (rate * 10.0).round() / 10.0;
            let frames = u32::try_from(camera.frames).unwrap_or(u32::MAX);
            camera.latency = camera.waited.checked_div(frames);
            (camera.frames, camera.counted_from) = (0, now);
            camera.waited = Duration::ZERO;
        }
        let bytes = camera.to_json(&inner.ward, entry).to_string();
        let topic = Topics::new(inner.ward.id.clone()).camera_status(&entry.khu_pho, id);
        drop(guard);
        self.board.set(&topic, bytes.as_bytes());
    }

    /// Takes in how long ago the last frame of any camera was analysed; none: never.
    pub(super) fn publish_idle(&self, idle: Option<Duration>) {
        let mut inner = self.lock();
        let online = inner.known.values().any(CameraReport::streams);
        inner.not_ready = match idle {
            _ if inner.cameras.is_empty() => None,
            None => Some("no camera has given a picture yet".to_owned()),
            Some(idle) if online && idle >= IDLE_MAX => {
                Some(format!("cameras stream, but nothing was looked at for {} s", idle.as_secs()))
            }
            Some(_) => None,
        };
    }

    /// Takes in the share of the wanted rate of frames that can be had; published with the ward's
    /// next status.
    pub(super) fn publish_capacity(&self, degraded: bool, granted: f64) {
        let mut inner = self.lock();
        inner.degraded = degraded;
        // Two digits: the topic is sent again whenever its text changes.
        inner.granted = (granted * 100.0).round() / 100.0;
    }

    /// Takes in the head of the audit log; published with the ward's next status.
    pub(super) fn publish_audit_head(&self, head: audit::ChainHead) {
        self.lock().audit = head;
    }

    /// Takes in how many alerts were set aside as undeliverable; published with the ward's next
    /// status.
    pub(super) fn publish_set_aside(&self, count: i64) {
        self.lock().set_aside = count;
    }

    /// Publishes the daemon's state on the ward's topic. `error`: the fault of the last reload.
    pub(super) fn publish_ward(&self, error: Option<String>) {
        let mut inner = self.lock();
        inner.reload_error = error;
        let online = inner.known.values().filter(|camera| camera.word == "online").count();
        let status = json!({
            "state": "online",
            "version": env!("CARGO_PKG_VERSION"),
            "cameras": inner.cameras.len(),
            "cameras_online": online,
            "reload_error": inner.reload_error,
            "degraded": inner.degraded,
            "granted": inner.granted,
            "store": self.room.borrow().as_str(),
            "audit": {"number": inner.audit.number, "hash": inner.audit.hash},
            "set_aside": inner.set_aside,
        });
        let topic = Topics::new(inner.ward.id.clone()).status();
        drop(inner);
        self.board.set(&topic, status.to_string().as_bytes());
    }

    /// Held for a look-up or a change only, never over an await.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ledger::AvailabilitySource for Statuses {
    fn availability(&self) -> Vec<ledger::CameraAvailability> {
        let inner = self.lock();
        let seen = |entry: &StatusEntry| {
            let camera = inner.known.get(&entry.id)?;
            let health = match camera.word {
                _ if !camera.watched => Some(Availability::Unwatched),
                "connecting" => None,
                "frozen" => Some(Availability::Frozen),
                "blinded" => Some(Availability::Blinded),
                "offline" => Some(Availability::Offline),
                _ => Some(Availability::Up),
            };
            let (id, khu_pho) = (entry.id.clone(), entry.khu_pho.clone());
            Some(ledger::CameraAvailability { id, khu_pho, health, since: camera.since })
        };
        inner.cameras.iter().filter_map(seen).collect()
    }
}

/// Returns what the page shows of how a camera is configured.
fn configured(camera: &CameraSettings) -> web::ConfiguredCamera {
    web::ConfiguredCamera {
        site: camera.site.clone(),
        masks: camera.masks.clone(),
        rules: camera.rules.clone(),
    }
}

impl StatusBoard for Statuses {
    fn cameras(&self) -> Vec<(Id, Value)> {
        let inner = self.lock();
        let seen = |entry: &StatusEntry| {
            let camera = inner.known.get(&entry.id)?;
            let mut told = camera.to_json(&inner.ward, entry);
            // Not on its topic, which is sent again whenever its text changes.
            let latency = camera.latency.filter(|_| camera.streams());
            let milliseconds = latency.map(|latency| (latency.as_secs_f64() * 1e3).round());
            told["latency_ms"] = json!(milliseconds);
            Some(told)
        };
        let of =
            |entry: &StatusEntry| seen(entry).unwrap_or_else(|| json!({"state": "connecting"}));
        inner.cameras.iter().map(|entry| (entry.id.clone(), of(entry))).collect()
    }

    fn camera(&self, id: &Id) -> Option<web::CameraSummary> {
        let inner = self.lock();
        let entry = inner.cameras.iter().find(|entry| entry.id == *id)?;
        let streams = inner.known.get(id).is_some_and(CameraReport::streams);
        let (khu_pho, owner) = (entry.khu_pho.clone(), entry.owner.clone());
        Some(web::CameraSummary { khu_pho, streams, owner })
    }

    fn configured(&self) -> Arc<[web::ConfiguredCamera]> {
        Arc::clone(&self.lock().configured)
    }

    fn khu_pho(&self) -> Vec<KhuPho> {
        self.lock().khu_pho.clone()
    }

    fn reload_error(&self) -> Option<String> {
        self.lock().reload_error.clone()
    }

    fn not_ready(&self) -> Option<String> {
        if *self.room.borrow() == DiskSpace::Stuck {
            return Some("alerts wait for the disk; free some space".to_owned());
        }
        self.lock().not_ready.clone()
    }

    fn outlets(&self) -> Vec<(String, Option<String>)> {
        self.standings.list()
    }

    fn shortage(&self) -> Option<f64> {
        let inner = self.lock();
        inner.degraded.then_some(inner.granted)
    }
}
