//! Home Assistant's MQTT discovery: each camera and each khu phố as a device with binary sensors.
//!
//! All of it is retained topics on the [`RetainedTopics`], which says them again on every connect,
//! so there is no cursor: states follow from what is live in the log, and only the newest one
//! matters. When Home Assistant says that it is there (its birth message) the announcements are
//! said again, and what an earlier configuration has announced under our name is cleared.
//!
//! Drills show nowhere here: what is automated on a sensor can't tell a drill from a fire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::alert::Head;
use crate::incident::Kind;
use crate::mqtt::{BirthListener, RetainedTopics, Topics};
use crate::outbox;
use crate::outbox::{Entry, Outbox, Sequence};
use crate::ward::{Id, KhuPho, Language, Site, Ward};

/// Its usual discovery prefix.
pub const PREFIX: &str = "homeassistant";

/// Entries that one read of the log takes.
const BATCH: usize = 64;
/// From one attempt to the next where the log can't be read.
const RETRY: Duration = Duration::from_secs(1);
/// Incidents that go on at once; more are not shown.
const OPEN_MAX: usize = 4096;

/// `[home_assistant]`, where it is enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// First levels of its discovery topics.
    pub prefix: String,
}

impl Config {
    /// Returns what the discovery topics of a ward's own devices begin with.
    pub fn own_topics(&self, ward: &Id) -> String {
        format!("{}/device/keng_{ward}/", self.prefix)
    }
}

/// Tells whether `text` can be the beginning of topics that are not ours.
pub fn is_prefix(text: &str) -> bool {
    let levels = text.split('/').all(|level| !level.is_empty());
    levels && text != "keng" && !text.starts_with("keng/") && !text.contains(['+', '#', '$'])
}

/// The kinds of incidents that have a binary sensor, with its device class.
fn sensors() -> impl Iterator<Item = (Kind, &'static str)> {
    Kind::ALL.into_iter().filter_map(|kind| Some((kind, kind.facts().sensor?)))
}

/// Announces, and keeps the states that the announced sensors read. Clones share it.
#[derive(Clone)]
pub struct Announcer(Arc<Shared>);

struct Shared {
    config: Config,
    ward: Ward,
    topics: Topics,
    board: RetainedTopics,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Discovery topics that were set.
    announced: BTreeSet<String>,
    khu_pho: BTreeSet<Id>,
    /// Incidents that go on, by their subject in the log.
    open: BTreeMap<Arc<str>, Open>,
}

/// An incident that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    khu_pho: Id,
    kind: Kind,
    cameras: Vec<String>,
}

impl Announcer {
    /// Announces nothing yet.
    pub fn new(config: Config, ward: Ward, board: RetainedTopics) -> Self {
        board.listen(BirthListener {
            birth: format!("{}/status", config.prefix),
            refreshed: format!("{}/", config.prefix),
            own: (config.own_topics(&ward.id), "/config".to_owned()),
        });
        let topics = Topics::new(ward.id.clone());
        let inner = Mutex::default();
        Self(Arc::new(Shared { config, ward, topics, board, inner }))
    }

    /// Announces these neighbourhoods and cameras from now on, and takes back all others.
    pub fn configure(&self, khu_pho: &[KhuPho], sites: &[&Site]) {
        let shared = &*self.0;
        let mut wanted = BTreeMap::new();
        for khu_pho in khu_pho {
            wanted.insert(shared.topic("khu-pho", &khu_pho.id), shared.of_khu_pho(khu_pho));
        }
        for site in sites {
            let area = khu_pho.iter().find(|khu_pho| khu_pho.id == site.khu_pho);
            let area = area.map_or(site.khu_pho.as_str(), |khu_pho| &khu_pho.name);
            wanted.insert(shared.topic("camera", &site.id), shared.of_camera(site, area));
        }
        let mut inner = shared.lock();
        for gone in inner.announced.iter().filter(|topic| !wanted.contains_key(*topic)) {
            shared.board.set(gone, b"");
        }
        for (topic, announcement) in &wanted {
            shared.board.set(topic, announcement.to_string().as_bytes());
        }
        inner.announced = wanted.into_keys().collect();
        let known: BTreeSet<Id> = khu_pho.iter().map(|khu_pho| khu_pho.id.clone()).collect();
        for gone in inner.khu_pho.difference(&known) {
            shared.board.set(&shared.topics.khu_pho_status(gone), b"");
        }
        inner.khu_pho = known;
        shared.publish(&inner);
    }

    /// Follows the log until `stop`, and tells each khu phố's state.
    pub async fn follow(self, outbox: Outbox, stop: CancellationToken) {
        let mut updates = outbox.subscribe();
        let mut after: Option<Sequence> = None;
        while !stop.is_cancelled() {
            let (log, from) = (outbox.clone(), after);
            let read = tokio::task::spawn_blocking(move || newer(&log, from)).await;
            let Ok(read) = read else { return };
            let pause = match read {
                Ok((last, entries)) => {
                    let idle = after == Some(last);
                    after = Some(last);
                    self.0.take(&entries);
                    if !idle {
                        continue;
                    }
                    None
                }
                Err(error) => {
                    tracing::warn!(%error, "Home Assistant's states wait for the outbox");
                    Some(RETRY)
                }
            };
            let wait = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    // It goes with the daemon alone.
                    None => drop(updates.changed().await),
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = wait => {}
            }
        }
    }
}

/// Returns what came behind `after`, and up to where; without `after`, what is live.
fn newer(
    outbox: &Outbox,
    after: Option<Sequence>,
) -> Result<(Sequence, Vec<Entry>), outbox::Error> {
    let Some(after) = after else {
        let last = outbox.last();
        return Ok((last, outbox.live()?));
    };
    let entries = outbox.read_after(after, BATCH)?;
    Ok((entries.last().map_or(after, |entry| entry.sequence), entries))
}

impl Shared {
    fn take(&self, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        let mut inner = self.lock();
        for entry in entries {
            match open(entry) {
                Some(open) if inner.open.len() < OPEN_MAX => {
                    inner.open.insert(entry.subject.clone(), open);
                }
                _ => drop(inner.open.remove(&entry.subject)),
            }
        }
        self.publish(&inner);
    }

    /// Each khu phố's state, on its topic.
    fn publish(&self, inner: &Inner) {
        for khu_pho in &inner.khu_pho {
            let here: Vec<&Open> = inner.open.values().filter(|o| o.khu_pho == *khu_pho).collect();
            let open_kinds: BTreeSet<Kind> = here.iter().map(|open| open.kind).collect();
            let mut cameras: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for open in &here {
                for camera in &open.cameras {
                    cameras.entry(camera).or_default().insert(open.kind.as_str());
                }
            }
            // The gravest first.
            let kinds: Vec<&str> = open_kinds.into_iter().rev().map(Kind::as_str).collect();
            let state = json!({ "kinds": kinds, "cameras": cameras });
            let topic = self.topics.khu_pho_status(khu_pho);
            self.board.set(&topic, state.to_string().as_bytes());
        }
    }

    fn topic(&self, what: &str, id: &Id) -> String {
        let (prefix, ward) = (&self.config.prefix, &self.ward.id);
        format!("{prefix}/device/keng_{ward}/{what}_{id}/config")
    }

    /// No id has an underscore, so that no two of these are the same.
    fn identifier(&self, what: &str, id: &Id) -> String {
        format!("keng_{}_{what}_{id}", self.ward.id)
    }

    fn of_khu_pho(&self, khu_pho: &KhuPho) -> Value {
        let own = self.identifier("khu-pho", &khu_pho.id);
        let topic = self.topics.khu_pho_status(&khu_pho.id);
        let mut components = serde_json::Map::new();
        for (kind, class) in sensors() {
            let list = "value_json.kinds";
            let sensor = self.sensor(&own, (kind, class), &topic, list);
            components.insert(kind.as_str().to_owned(), sensor);
        }
        let device = json!({
            "identifiers": [own],
            "name": khu_pho.name,
            "manufacturer": "Kẻng",
            "model": "Khu phố",
            "sw_version": env!("CARGO_PKG_VERSION"),
        });
        self.announcement(device, components)
    }

    fn of_camera(&self, site: &Site, area: &str) -> Value {
        let own = self.identifier("camera", &site.id);
        let topic = self.topics.khu_pho_status(&site.khu_pho);
        let mut components = serde_json::Map::new();
        let list = format!("value_json.cameras.get('{}', [])", site.id);
        for (kind, class) in sensors() {
            let sensor = self.sensor(&own, (kind, class), &topic, &list);
            components.insert(kind.as_str().to_owned(), sensor);
        }
        let topic = self.topics.camera_status(&site.khu_pho, &site.id);
        let vi = self.ward.language == Language::Vi;
        let on_if = |holds: &str| format!("{{{{ 'ON' if {holds} else 'OFF' }}}}");
        let mut diagnostic = |key: &str, name: &str, device_class: &str, holds: &str| {
            let sensor = json!({
                "platform": "binary_sensor",
                "unique_id": format!("{own}_{key}"),
                "name": name,
                "device_class": device_class,
                "entity_category": "diagnostic",
                "state_topic": topic,
                "value_template": on_if(holds),
            });
            components.insert(key.to_owned(), sensor);
        };
        let connected = if vi { "Kết nối" } else { "Connection" };
        let streams = "value_json.state not in ['connecting', 'offline']";
        diagnostic("connection", connected, "connectivity", streams);
        let view = if vi { "Hình bị che hoặc đứng" } else { "View covered or frozen" };
        diagnostic("view", view, "problem", "value_json.state in ['blinded', 'frozen']");
        let device = json!({
            "identifiers": [own],
            "name": format!("{} ({})", site.place.address, site.id),
            "manufacturer": "Kẻng",
            "model": "Camera",
            "sw_version": env!("CARGO_PKG_VERSION"),
            "suggested_area": area,
            "via_device": self.identifier("khu-pho", &site.khu_pho),
        });
        self.announcement(device, components)
    }

    /// A sensor that is on while `list` (a template's expression) holds the kind.
    fn sensor(&self, own: &str, (kind, class): (Kind, &str), topic: &str, list: &str) -> Value {
        let name = kind.facts().name.of(self.ward.language);
        let kind = kind.as_str();
        json!({
            "platform": "binary_sensor",
            "unique_id": format!("{own}_{kind}"),
            "name": name,
            "device_class": class,
            "state_topic": topic,
            "value_template": format!("{{{{ 'ON' if '{kind}' in {list} else 'OFF' }}}}"),
        })
    }

    fn announcement(&self, device: Value, components: serde_json::Map<String, Value>) -> Value {
        json!({
            "device": device,
            "origin": { "name": "Kẻng", "sw_version": env!("CARGO_PKG_VERSION") },
            "availability": [{
                "topic": self.topics.status(),
                "value_template": "{{ value_json.state }}",
                "payload_available": "online",
                "payload_not_available": "offline",
            }],
            "qos": 1,
            "components": components,
        })
    }

    /// Held for a look-up or a change only, never over an await.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The incident of `entry`, where it goes on, is no drill, and there is a sensor for it.
fn open(entry: &Entry) -> Option<Open> {
    if !entry.live {
        return None;
    }
    let head = Head::read(&entry.payload).ok()?;
    let sensed = head.kind().filter(|kind| kind.facts().sensor.is_some());
    Some(Open {
        khu_pho: Id::new(&head.khu_pho).ok()?,
        kind: sensed.filter(|_| !head.exercise)?,
        cameras: head.cameras.into_iter().map(|camera| camera.id.into_owned()).collect(),
    })
}

#[cfg(test)]
#[path = "home_assistant_tests.rs"]
mod tests;
