//! The settings of a configuration that checks out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::outlets::Outlets;
use crate::alert;
use crate::attention;
use crate::camera;
use crate::incident;
use crate::mqtt;
use crate::rule;
use crate::ward::FirePoint;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Secret;
use crate::ward::Site;
use crate::ward::Ward;
use crate::web;

/// A configuration that checks out.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[ward]`.
    pub ward: Ward,
    /// `[mqtt]`.
    pub mqtt: mqtt::Config,
    /// `[web]`.
    pub web: web::Config,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[detector]`.
    pub detector: DetectorConfig,
    /// `[attention]`.
    pub attention: attention::budget::Config,
    /// `[[khu_pho]]`, in the file's order.
    pub khu_pho: Vec<KhuPho>,
    /// The secrets of the teams of `[[khu_pho]]` over MQTT, where they have some.
    pub teams: BTreeMap<Id, TeamSecrets>,
    /// `[[fire_point]]`.
    pub fire_points: Vec<FirePoint>,
    /// `[message]` laid over the language's own words.
    pub messages: alert::Messages,
    /// `[incident]` and `[siren]`.
    pub incidents: incident::Policy,
    /// `[rule]` as it holds for a camera without keys of its own; has no zones.
    pub rules: rule::Config,
    /// `[[webhook]]`, `[home_assistant]` and `[cap]`.
    pub outlets: Outlets,
    /// `[[camera]]`, in the file's order.
    pub cameras: Vec<CameraSettings>,
}

/// One `[[camera]]` with everything that holds for it.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraSettings {
    /// The place where it hangs and whose it is.
    pub site: Site,
    /// The connection to it.
    pub stream: camera::Config,
    /// Privacy masks: painted black before anything else sees the picture.
    pub masks: Vec<crate::geometry::Polygon>,
    /// `[rule]` with this camera's own keys laid over, and its zones.
    pub rules: rule::Config,
}

/// The secrets of a khu phố's team over MQTT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TeamSecrets {
    /// Signs what the team sends; none: whoever the broker lets write there is believed.
    pub key: Option<Secret>,
    /// Of the team's user at the broker, for `keng acl`.
    pub password: Option<Secret>,
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// Folder of outbox and snapshots; relative to the config file's folder.
    pub path: PathBuf,
    /// Alerts, snapshots and detections older are deleted.
    pub retention_days: u32,
    /// Detections kept for `keng tune` take no more, MiB; 0: none are kept.
    pub detections_mb_max: u32,
    /// Snapshots take no more, MiB; the oldest go first.
    pub snapshots_mb_max: u32,
    /// With less free on the disk, MiB, no snapshots are kept; 0: as long as there is room.
    pub reserve_mb: u32,
}

/// `[detector]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorConfig {
    /// ONNX file; looked for in the config file's folder, the current one, beside the
    /// binary and in `/usr/share/keng`.
    pub model: PathBuf,
    /// Inference threads, each with a session of its own.
    pub threads: usize,
}
