//! Counters and histograms out of the daemon's OpenMetrics text.

use std::collections::BTreeMap;

/// What a daemon has counted until a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Frames that went through the detector, by camera.
    pub(crate) analysed: BTreeMap<String, u64>,
    /// Frames that were decoded for nothing, by camera.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Packets dropped before decoding, of all cameras.
    pub(crate) packets_dropped: u64,
    /// Alerts that were made.
    pub(crate) alerts: u64,
    /// The time that frames took in each stage.
    pub(crate) stages: BTreeMap<String, Histogram>,
    /// What the governor went by, and what came of it: name and number.
    pub(crate) governor: BTreeMap<String, f64>,
}

/// The number that took at most so many seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram(Vec<(f64, u64)>);

impl Histogram {
    /// Returns what came since `before`.
    pub(crate) fn since(&self, before: Option<&Self>) -> Self {
        let old = |place: usize| before.and_then(|old| old.0.get(place)).map_or(0, |(_, n)| *n);
        let new = self.0.iter().enumerate();
        Self(new.map(|(place, (bound, n))| (*bound, n.saturating_sub(old(place)))).collect())
    }

    /// Milliseconds that so many percent did not exceed: a bucket's bound.
    pub(crate) fn within_ms(&self, percent: u64) -> Option<f64> {
        let total = self.0.last().map(|(_, n)| *n).filter(|n| *n > 0)?;
        let rank = (total * percent).div_ceil(100);
        self.0.iter().find(|(_, n)| *n >= rank).map(|(bound, _)| bound * 1e3)
    }
}

impl Counts {
    pub(crate) fn read(metrics: &str) -> Self {
        let mut counts = Self::default();
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let number = || value.parse::<u64>().unwrap_or_default();
            let camera = || label(labels, "camera").unwrap_or_default().to_owned();
            match (name, label(labels, "stage")) {
                ("keng_stage_passed_total", Some("Inference")) => {
                    counts.analysed.insert(camera(), number());
                }
                ("keng_stage_dropped_total", Some("Queue")) => {
                    counts.dropped.insert(camera(), number());
                }
                ("keng_stage_dropped_total", Some("Receive")) => {
                    counts.packets_dropped += number();
                }
                ("keng_alerts_total", None) => counts.alerts = number(),
                (
                    "keng_pressure" | "keng_load_cpu" | "keng_load_detectors" | "keng_load_late",
                    _,
                ) => {
                    let name = name.trim_start_matches("keng_").to_owned();
                    counts.governor.insert(name, value.parse().unwrap_or(f64::NAN));
                }
                ("keng_stage_seconds_bucket", Some(stage)) => {
                    let bound = label(labels, "le").and_then(|bound| bound.parse().ok());
                    let stage = counts.stages.entry(stage.to_lowercase()).or_default();
                    stage.0.push((bound.unwrap_or(f64::INFINITY), number()));
                }
                _ => {}
            }
        }
        counts
    }

    /// Returns what the peer writes.
    pub(crate) fn of_peer(text: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let numbers = |key: &str| -> BTreeMap<String, u64> {
            let of = value[key].as_object();
            let pairs = of.into_iter().flatten();
            pairs.filter_map(|(name, number)| Some((name.clone(), number.as_u64()?))).collect()
        };
        let alerts = value["alerts"].as_u64()?;
        let (analysed, dropped) = (numbers("analysed"), numbers("dropped"));
        Some(Self { analysed, dropped, alerts, ..Self::default() })
    }
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}
