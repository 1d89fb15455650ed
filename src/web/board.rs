//! The daemon's state as the page is shown it.

use std::sync::Arc;

use serde_json::Value;

use crate::geometry::Polygon;
use crate::rule;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Owner;
use crate::ward::Site;

/// What the page tells of the daemon beside its alerts.
pub trait StatusBoard: Send + Sync + 'static {
    /// Each camera's status as its topic carries it, in the configuration's order.
    fn cameras(&self) -> Vec<(Id, Value)>;

    /// One camera, where there is such a one.
    fn camera(&self, id: &Id) -> Option<CameraSummary>;

    /// What is configured of each camera, in the configuration's order.
    fn configured(&self) -> Arc<[ConfiguredCamera]>;

    /// The neighbourhoods, in the configuration's order.
    fn khu_pho(&self) -> Vec<KhuPho>;

    /// What was wrong with the last reload; none once one has checked out.
    fn reload_error(&self) -> Option<String>;

    /// What the daemon still waits for before it does its work; none where it does.
    fn not_ready(&self) -> Option<String>;

    /// The outlets beside broker and page by name, and why one fails just now.
    fn outlets(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }

    /// How much of the wanted rate of frames is analysed, 0..1, where capacity is short.
    fn shortage(&self) -> Option<f64>;
}

/// Where a camera hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraSummary {
    /// Whose it is to watch.
    pub khu_pho: Id,
    /// Its pictures come just now.
    pub streams: bool,
    /// Who gave it, where known: for admins.
    pub owner: Option<Owner>,
}

/// A camera as it is configured; nothing of how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfiguredCamera {
    /// Where it hangs and whose it is.
    pub site: Site,
    /// What is painted black.
    pub masks: Vec<Polygon>,
    /// What holds for it, and its zones.
    pub rules: rule::Config,
}
