//! The one TOML file: load, check, report every fault at once.
//!
//! Does not belong here: opening anything that the file names, but for secrets.

use std::path::PathBuf;

use crate::ward::{FirePoint, KhuPho, Site, Ward};
use crate::{camera, mqtt, rule, web};

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
    /// `[[khu_pho]]`, in the file's order.
    pub khu_pho: Vec<KhuPho>,
    /// `[[fire_point]]`.
    pub fire_points: Vec<FirePoint>,
    /// `[[camera]]`, in the file's order.
    pub cameras: Vec<CameraSettings>,
}

/// One `[[camera]]` with everything that holds for it.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraSettings {
    /// Where it hangs and whose it is.
    pub site: Site,
    /// How to reach it.
    pub stream: camera::Config,
    /// Privacy masks: painted black before anything else sees the picture.
    pub masks: Vec<crate::geometry::Polygon>,
    /// `[rule]` with this camera's own keys laid over, and its zones.
    pub rules: rule::Config,
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// Folder of outbox and snapshots; relative to the config file's folder.
    pub path: PathBuf,
    /// Alerts and snapshots older are deleted.
    pub retention_days: u32,
}

/// `[detector]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorConfig {
    /// ONNX file; relative to the config file's folder, else beside the binary.
    pub model: PathBuf,
    /// Inference threads, each with a session of its own.
    pub threads: usize,
}
