//! The public JSON of an incident's revision, and the only place that writes or reads it.
//!
//! The form is `config/alert.schema.json`'s. Made once: MQTT, feed and log carry the same bytes.
//! [`parse`] reads the whole incident back; [`Head`] reads, without copying, the members that a
//! topic, a filter or a notification depends on. Nobody else parses an alert, but for templates of
//! webhooks, which take any member by its name.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detection::ModelIdentity;
use crate::geometry::BoundingBox;
use crate::incident::Acknowledgement;
use crate::incident::Incident;
use crate::incident::IncidentId;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::incident::Severity;
use crate::incident::Sighting;
use crate::incident::Siren;
use crate::incident::Witness;
use crate::rule::health::Fault;
use crate::time::Wall;
use crate::ward::Coordinates;
use crate::ward::FirePoint;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Site;
use crate::ward::Team;
use crate::ward::Ward;

mod head;
mod message;
mod partial;
mod phrase;
mod template;

pub use head::CameraHead;
pub use head::Head;
pub use head::SirenHead;
pub use head::Text;
pub use partial::without_cameras;
pub use phrase::Messages;
pub use phrase::Phrase;
pub use template::Placeholder;
pub use template::Template;
pub use template::TemplateError;

/// Name and version of the form.
pub const SCHEMA: &str = "keng.alert/1";
/// Fire points further away are of no use.
const FIRE_POINT_MAX_M: f64 = 150.0;
/// An incident over more khu phố than this is a power cut, which the ward sees as a whole.
pub const ALSO_KHU_PHO_MAX: usize = 8;
/// More fire points don't fit on a lock screen.
const FIRE_POINTS_MAX: usize = 3;

/// The facts that an alert states beside those of the incident itself.
#[derive(Clone, Debug)]
pub struct AlertContext {
    /// The ward.
    pub ward: Ward,
    /// Its neighbourhoods.
    pub khu_pho: Vec<KhuPho>,
    /// Its cameras.
    pub sites: Vec<Site>,
    /// The equipment against fire that is at hand.
    pub fire_points: Vec<FirePoint>,
    /// The model that made the detections.
    pub model: ModelIdentity,
    /// In which words.
    pub messages: Messages,
}

/// The parts of the time between a frame's last packet and its alert.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Latency {
    /// From the packet's arrival to the scaled frame.
    pub decode: Duration,
    /// In the mailbox.
    pub queue: Duration,
    /// Preprocessing, network, postprocessing.
    pub inference: Duration,
    /// Track, rule, incident.
    pub core: Duration,
    /// From the core to the log's pen; the write itself ends after these bytes are made.
    pub store: Duration,
}

/// The reason why bytes are no alert.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, or another form.
    #[error("not an alert: {0}")]
    Json(#[from] serde_json::Error),
    /// A word or number that the form doesn't allow.
    #[error("not an alert: {field} is {value:?}")]
    Value {
        /// The one concerned.
        field: &'static str,
        /// The value that stands there.
        value: String,
    },
}

impl AlertContext {
    /// The alert of `incident` as the log's `sequence`-th entry.
    ///
    /// `snapshot`: the topic that carries a picture of this revision, where there is one.
    pub fn render(
        &self,
        incident: &Incident,
        sequence: u64,
        snapshot: Option<String>,
        latency: Option<Latency>,
    ) -> Vec<u8> {
        let time = |wall: Wall| wall.to_rfc3339(&self.ward.timezone);
        let step = |step: &Acknowledgement| WireAck::of(step, time(step.at));
        let wire = Wire {
            schema: SCHEMA.to_owned(),
            sequence,
            id: incident.id.to_string(),
            revision: incident.revision,
            ward: self.ward.id.to_string(),
            khu_pho: incident.khu_pho.to_string(),
            kind: incident.kind.as_str().to_owned(),
            severity: incident.severity.as_str().to_owned(),
            state: incident.state.as_str().to_owned(),
            opened_at: time(incident.opened_at),
            updated_at: time(incident.updated_at),
            closed_at: incident.closed_at.map(time),
            message: self.message(incident),
            cameras: incident.cameras.iter().map(|seen| self.camera(seen)).collect(),
            fire_points: self.fire_points(incident),
            team: self.team(incident).map(WireTeam::of),
            reports: incident.reports.iter().map(|w| WireReport::of(w, time(w.at))).collect(),
            dwell_s: incident.dwell.map(|dwell| rounded(dwell.as_secs_f64(), 10.0)),
            acknowledged: incident.acknowledged.as_ref().map(step),
            on_scene_at: incident.on_scene_at.map(time),
            on_scene: incident.on_scene.as_ref().map(step),
            closed: incident.closed.as_ref().map(step),
            escalated_at: incident.escalated_at.map(time),
            siren: incident.siren.as_ref().map(|siren| WireSiren::of(siren, time(siren.at))),
            held_back: incident.held_back,
            merged_into: incident.merged_into.as_ref().map(ToString::to_string),
            also_khu_pho: self.also_khu_pho(incident),
            snapshot,
            exercise: incident.exercise,
            model: WireModel { name: self.model.name.clone(), sha256: self.model.sha256.clone() },
            latency_ms: latency.map(WireLatency::of),
        };
        serde_json::to_vec(&wire).expect("texts and finite numbers always serialise")
    }

    fn site(&self, camera: &Id) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == *camera)
    }

    /// Other khu phố whose cameras see it: a fire on the boundary is theirs as well.
    fn also_khu_pho(&self, incident: &Incident) -> Vec<String> {
        let sites = incident.cameras.iter().filter_map(|seen| self.site(&seen.camera));
        let others: BTreeSet<&Id> = sites.map(|site| &site.khu_pho).collect();
        let others = others.into_iter().filter(|khu_pho| **khu_pho != incident.khu_pho);
        others.take(ALSO_KHU_PHO_MAX).map(ToString::to_string).collect()
    }

    fn team(&self, incident: &Incident) -> Option<&Team> {
        let khu_pho = self.khu_pho.iter().find(|khu_pho| khu_pho.id == incident.khu_pho);
        khu_pho.and_then(|khu_pho| khu_pho.team.as_ref())
    }

    fn camera(&self, seen: &Sighting) -> WireCamera {
        let site = self.site(&seen.camera);
        let coordinates = site.and_then(|site| site.place.coordinates);
        WireCamera {
            id: seen.camera.to_string(),
            address: site.map(|site| site.place.address.clone()).unwrap_or_default(),
            latitude: coordinates.map(|c| c.latitude),
            longitude: coordinates.map(|c| c.longitude),
            confidence: seen.confidence.map(share),
            zone: seen.zone.clone(),
            bbox: seen.bbox.map(|b| [b.x0, b.y0, b.x1, b.y1].map(share)),
            since: seen.since.to_rfc3339(&self.ward.timezone),
            fault: seen.fault.map(|fault| fault.as_str().to_owned()),
        }
    }

    /// The nearest ones to any camera that sees it, for what burns.
    fn fire_points(&self, incident: &Incident) -> Vec<WireFirePoint> {
        if !incident.kind.facts().burns {
            return Vec::new();
        }
        let seen_from: Vec<Coordinates> = incident
            .cameras
            .iter()
            .filter_map(|seen| self.site(&seen.camera)?.place.coordinates)
            .collect();
        let distance = |point: &FirePoint| {
            let there = point.place.coordinates?;
            seen_from.iter().map(|here| here.metres_to(&there)).min_by(f64::total_cmp)
        };
        let mut near: Vec<(f64, &FirePoint)> = self
            .fire_points
            .iter()
            .filter_map(|point| Some((distance(point)?, point)))
            .filter(|(metres, _)| *metres <= FIRE_POINT_MAX_M)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.truncate(FIRE_POINTS_MAX);
        let wire = |(metres, point): (f64, &FirePoint)| WireFirePoint {
            kind: point.kind.as_str().to_owned(),
            name: point.name.clone(),
            distance_m: rounded(metres, 1.0),
        };
        near.into_iter().map(wire).collect()
    }
}

/// Reads an alert back into the incident that it tells of, for a daemon that starts again.
///
/// # Errors
/// [`ParseError`] where the bytes aren't an alert of this form.
pub fn parse(bytes: &[u8]) -> Result<Incident, ParseError> {
    let wire: Wire = serde_json::from_slice(bytes)?;
    let id = |field: &'static str, text: &str| Id::new(text).map_err(|_| wrong(field, text));
    let when =
        |field: &'static str, text: Option<String>| text.map(|text| time(field, &text)).transpose();
    if wire.schema != SCHEMA {
        return Err(wrong("schema", &wire.schema));
    }
    let dwell = wire
        .dwell_s
        .map(|s| Duration::try_from_secs_f64(s).map_err(|_| wrong("dwell_s", &s.to_string())));
    Ok(Incident {
        id: IncidentId::parse(&wire.id).ok_or_else(|| wrong("id", &wire.id))?,
        revision: wire.revision,
        khu_pho: id("khu_pho", &wire.khu_pho)?,
        kind: Kind::parse(&wire.kind).ok_or_else(|| wrong("kind", &wire.kind))?,
        severity: Severity::parse(&wire.severity)
            .ok_or_else(|| wrong("severity", &wire.severity))?,
        state: IncidentState::parse(&wire.state).ok_or_else(|| wrong("state", &wire.state))?,
        opened_at: time("opened_at", &wire.opened_at)?,
        updated_at: time("updated_at", &wire.updated_at)?,
        closed_at: when("closed_at", wire.closed_at)?,
        cameras: (wire.cameras.into_iter())
            .map(|c| {
                Ok(Sighting {
                    camera: id("cameras.id", &c.id)?,
                    confidence: c.confidence.map(narrow),
                    zone: c.zone,
                    bbox: c.bbox.map(|b| {
                        let [x0, y0, x1, y1] = b.map(narrow);
                        BoundingBox::new(x0, y0, x1, y1)
                    }),
                    since: time("cameras.since", &c.since)?,
                    fault: c
                        .fault
                        .map(|text| {
                            named(&Fault::ALL, |f| f.as_str(), &text)
                                .ok_or_else(|| wrong("cameras.fault", &text))
                        })
                        .transpose()?,
                })
            })
            .collect::<Result<_, ParseError>>()?,
        reports: (wire.reports.into_iter())
            .map(|r| {
                let at = time("reports.at", &r.at)?;
                Ok(Witness { at, by: r.by, place: r.place, note: r.note })
            })
            .collect::<Result<_, ParseError>>()?,
        dwell: dwell.transpose()?,
        acknowledged: wire.acknowledged.map(WireAck::read).transpose()?,
        on_scene_at: when("on_scene_at", wire.on_scene_at)?,
        on_scene: wire.on_scene.map(WireAck::read).transpose()?,
        closed: wire.closed.map(WireAck::read).transpose()?,
        escalated_at: when("escalated_at", wire.escalated_at)?,
        siren: wire.siren.map(WireSiren::read).transpose()?,
        held_back: wire.held_back,
        merged_into: wire
            .merged_into
            .map(|text| IncidentId::parse(&text).ok_or_else(|| wrong("merged_into", &text)))
            .transpose()?,
        exercise: wire.exercise,
    })
}

fn wrong(field: &'static str, value: &str) -> ParseError {
    ParseError::Value { field, value: value.chars().take(80).collect() }
}

fn time(field: &'static str, text: &str) -> Result<Wall, ParseError> {
    Wall::parse_rfc3339(text).map_err(|_| wrong(field, text))
}

fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, wanted: &str) -> Option<T> {
    all.iter().copied().find(|value| name(*value) == wanted)
}

/// To a thousandth: more digits would be noise, and bytes on a phone.
fn share(value: f32) -> f64 {
    rounded(f64::from(value), 1_000.0)
}

fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}

#[expect(clippy::cast_possible_truncation, reason = "it was an f32 when it was written")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// The form itself; the fields stand in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    schema: String,
    sequence: u64,
    id: String,
    revision: u32,
    ward: String,
    khu_pho: String,
    kind: String,
    severity: String,
    state: String,
    opened_at: String,
    updated_at: String,
    closed_at: Option<String>,
    message: String,
    cameras: Vec<WireCamera>,
    fire_points: Vec<WireFirePoint>,
    // Alerts of before these keys are read back as well.
    #[serde(default)]
    team: Option<WireTeam>,
    reports: Vec<WireReport>,
    dwell_s: Option<f64>,
    acknowledged: Option<WireAck>,
    #[serde(default)]
    on_scene_at: Option<String>,
    #[serde(default)]
    on_scene: Option<WireAck>,
    #[serde(default)]
    closed: Option<WireAck>,
    #[serde(default)]
    escalated_at: Option<String>,
    #[serde(default)]
    siren: Option<WireSiren>,
    #[serde(default)]
    held_back: u32,
    #[serde(default)]
    merged_into: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also_khu_pho: Vec<String>,
    snapshot: Option<String>,
    exercise: bool,
    model: WireModel,
    latency_ms: Option<WireLatency>,
}

#[derive(Serialize, Deserialize)]
struct WireCamera {
    id: String,
    address: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    confidence: Option<f64>,
    zone: Option<String>,
    #[serde(rename = "box")]
    bbox: Option<[f64; 4]>,
    since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireFirePoint {
    kind: String,
    name: String,
    distance_m: f64,
}

#[derive(Serialize, Deserialize)]
struct WireReport {
    at: String,
    by: String,
    place: Option<String>,
    note: Option<String>,
}

impl WireReport {
    fn of(witness: &Witness, at: String) -> Self {
        let Witness { by, place, note, .. } = witness.clone();
        Self { at, by, place, note }
    }
}

#[derive(Serialize, Deserialize)]
struct WireAck {
    at: String,
    by: String,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireTeam {
    name: String,
    phone: Option<String>,
}

impl WireTeam {
    fn of(team: &Team) -> Self {
        let Team { name, phone } = team.clone();
        Self { name, phone }
    }
}

#[derive(Serialize, Deserialize)]
struct WireSiren {
    state: String,
    at: String,
    seconds_max: u32,
    revision: u32,
    by: Option<String>,
}

impl WireSiren {
    fn of(siren: &Siren, at: String) -> Self {
        let Siren { on, seconds_max, revision, ref by, .. } = *siren;
        let state = if on { "on" } else { "off" }.to_owned();
        Self { state, at, seconds_max, revision, by: by.clone() }
    }

    fn read(self) -> Result<Siren, ParseError> {
        let Self { state, at, seconds_max, revision, by } = self;
        let at = time("siren.at", &at)?;
        let on = named(&[true, false], |on| if on { "on" } else { "off" }, &state)
            .ok_or_else(|| wrong("siren.state", &state))?;
        Ok(Siren { on, at, seconds_max, revision, by })
    }
}

impl WireAck {
    fn of(step: &Acknowledgement, at: String) -> Self {
        let Acknowledgement { by, note, .. } = step.clone();
        Self { at, by, note }
    }

    fn read(self) -> Result<Acknowledgement, ParseError> {
        let Self { at, by, note } = self;
        Ok(Acknowledgement { at: time("at", &at)?, by, note })
    }
}

#[derive(Serialize, Deserialize)]
struct WireModel {
    name: String,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct WireLatency {
    decode: f64,
    queue: f64,
    inference: f64,
    core: f64,
    store: f64,
}

impl WireLatency {
    fn of(latency: Latency) -> Self {
        let ms = |duration: Duration| rounded(duration.as_secs_f64() * 1_000.0, 100.0);
        Self {
            decode: ms(latency.decode),
            queue: ms(latency.queue),
            inference: ms(latency.inference),
            core: ms(latency.core),
            store: ms(latency.store),
        }
    }
}
