//! The daemon's state as the page is shown it.

use std::sync::Arc;

use serde_json::Value;

use crate::geometry::Polygon;
use crate::rule;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Owner;
use crate::ward::Site;

/// The daemon's state as the page shows it beside its alerts.
pub trait StatusBoard: Send + Sync + 'static {
    /// Each camera's status as its topic carries it, in the configuration's order.
    fn cameras(&self) -> Vec<(Id, Value)>;

    /// One camera, where there is such a one.
    fn camera(&self, id: &Id) -> Option<CameraSummary>;

    /// Returns each camera's configuration, in the configuration's order.
    fn configured(&self) -> Arc<[ConfiguredCamera]>;

    /// The neighbourhoods, in the configuration's order.
    fn khu_pho(&self) -> Vec<KhuPho>;

    /// Returns what was wrong with the last reload; none once one has checked out.
    fn reload_error(&self) -> Option<String>;

    /// Returns what the daemon still waits for before it does its work; none where it does.
    fn not_ready(&self) -> Option<String>;

    /// The outlets beside broker and page by name, and why one fails just now.
    fn outlets(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }

    /// Returns how much of the wanted rate of frames is analysed, 0..1, where capacity is short.
    fn shortage(&self) -> Option<f64>;
}

/// The place where a camera hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraSummary {
    /// The khu phố that it belongs to.
    pub khu_pho: Id,
    /// Its pictures come just now.
    pub streams: bool,
    /// The person who gave it, where known: for admins.
    pub owner: Option<Owner>,
}

/// A camera as it is configured; nothing of how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfiguredCamera {
    /// The place where it hangs and whose it is.
    pub site: Site,
    /// The privacy masks.
    pub masks: Vec<Polygon>,
    /// The rules that apply to it, and its zones.
    pub rules: rule::Config,
}
