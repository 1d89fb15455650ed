//! The configuration's policies of keeping and watching, in the form in which the parts of the
//! daemon take them.

use std::time::Duration;

use crate::alert;
use crate::config;
use crate::config::Settings;
use crate::detection::ModelIdentity;
use crate::outbox;
use crate::time::Wall;

const SECONDS_A_DAY: u64 = 86_400;

/// Returns the age after which what is kept is deleted.
pub(super) fn retention(store: &config::StoreConfig) -> Duration {
    Duration::from_secs(u64::from(store.retention_days) * SECONDS_A_DAY)
}

/// Returns what the outbox may take of the disk.
pub(super) fn limits(store: &config::StoreConfig) -> outbox::StorageLimits {
    outbox::StorageLimits {
        snapshots_bytes_max: (u64::from(store.snapshots_mb_max) << 20) - album_bytes_max(store),
        reserve_bytes: u64::from(store.reserve_mb) << 20,
    }
}

/// Returns the share of the snapshots' bytes that the pictures of before, at and after may take: an
/// eighth.
pub(super) fn album_bytes_max(store: &config::StoreConfig) -> u64 {
    u64::from(store.snapshots_mb_max) << 17
}

/// The configuration's cameras that may be used: a camera whose owner's consent is over is not.
pub(super) fn permitted(settings: &Settings, now: Wall) -> Vec<config::CameraSettings> {
    let expired = settings.consent_expired(now);
    let kept = settings.cameras.iter().filter(|camera| !expired.contains(&&camera.site.id));
    kept.cloned().collect()
}

/// Makes the context of alerts: the ward, its cameras and its model.
pub(crate) fn context(settings: &Settings, model: &ModelIdentity) -> alert::AlertContext {
    alert::AlertContext {
        ward: settings.ward.clone(),
        khu_pho: settings.khu_pho.clone(),
        sites: settings.cameras.iter().map(|camera| camera.site.clone()).collect(),
        fire_points: settings.fire_points.clone(),
        model: model.clone(),
        messages: settings.messages.clone(),
    }
}
