//! How each camera fares while it is watched: frames, drops, and the longest time without a look.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::site::Site;

/// How often the counters are read: staleness is known as exactly.
const STEP: Duration = Duration::from_millis(250);

/// One camera over the time of measurement.
#[derive(Clone, Default)]
pub(crate) struct Camera {
    /// Frames that went through the detector.
    pub(crate) analysed: u64,
    /// Frames that were decoded for nothing: replaced by newer ones, or too old.
    pub(crate) dropped: u64,
    /// Longest time without an analysed frame, in seconds.
    pub(crate) gap_max_s: f64,
}

/// A counter of each camera at one stage, out of OpenMetrics text.
fn counters(metrics: &str, name: &str, stage: &str) -> BTreeMap<String, u64> {
    let stage = format!("stage=\"{stage}\"");
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let counted = lines.filter_map(|line| {
        let (labels, value) = line.split_once("} ")?;
        let camera = labels.split("camera=\"").nth(1)?.split('"').next()?;
        labels.contains(&stage).then(|| Some((camera.to_owned(), value.trim().parse().ok()?)))?
    });
    counted.collect()
}

struct Seen {
    analysed: u64,
    since: Instant,
    camera: Camera,
}

/// Reads the counters for so long.
pub(crate) async fn watch(
    site: &Site,
    lasts: Duration,
) -> Result<BTreeMap<String, Camera>, Failure> {
    let begun = Instant::now();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut first_drops = None;
    let mut steps = tokio::time::interval(STEP);
    loop {
        steps.tick().await;
        let metrics = site.get("/metrics").await?;
        let now = Instant::now();
        let drops = counters(&metrics, "keng_stage_dropped_total", "Queue");
        let before = first_drops.get_or_insert_with(|| drops.clone());
        for (name, count) in counters(&metrics, "keng_stage_passed_total", "Inference") {
            let new = Seen { analysed: count, since: begun, camera: Camera::default() };
            let camera = seen.entry(name.clone()).or_insert(new);
            let dropped = drops.get(&name).copied().unwrap_or_default();
            let dropped_before = before.get(&name).copied().unwrap_or_default();
            camera.camera.dropped = dropped.saturating_sub(dropped_before);
            let gap = now.duration_since(camera.since).as_secs_f64();
            camera.camera.gap_max_s = camera.camera.gap_max_s.max(gap);
            if count > camera.analysed {
                camera.camera.analysed += count - camera.analysed;
                (camera.analysed, camera.since) = (count, now);
            }
        }
        if begun.elapsed() >= lasts {
            return Ok(seen.into_iter().map(|(name, seen)| (name, seen.camera)).collect());
        }
    }
}
