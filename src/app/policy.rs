//! What the configuration says of keeping and watching, as the parts of the daemon take it.

use std::time::Duration;

use crate::alert;
use crate::config;
use crate::config::Settings;
use crate::detection::ModelIdentity;
use crate::outbox;
use crate::time::Wall;

const SECONDS_A_DAY: u64 = 86_400;

/// What is older is deleted.
pub(super) fn retention(store: &config::StoreConfig) -> Duration {
    Duration::from_secs(u64::from(store.retention_days) * SECONDS_A_DAY)
}

/// What the outbox may take of the disk.
pub(super) fn limits(store: &config::StoreConfig) -> outbox::StorageLimits {
    outbox::StorageLimits {
        snapshots_bytes_max: (u64::from(store.snapshots_mb_max) << 20) - album_bytes_max(store),
        reserve_bytes: u64::from(store.reserve_mb) << 20,
    }
}

/// What the pictures of before, at and after may take of what is for snapshots: an eighth.
pub(super) fn album_bytes_max(store: &config::StoreConfig) -> u64 {
    u64::from(store.snapshots_mb_max) << 17
}

/// The configuration's cameras that may be used: a camera whose owner's consent is over is not.
pub(super) fn permitted(settings: &Settings, now: Wall) -> Vec<config::CameraSettings> {
    let expired = settings.consent_expired(now);
    let kept = settings.cameras.iter().filter(|camera| !expired.contains(&&camera.site.id));
    kept.cloned().collect()
}

/// What an alert tells of the ward, its cameras and its model.
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
