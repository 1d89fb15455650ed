//! How each camera fares while it is watched, the longest time without a look, and how the daemon
//! feels.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::site::Site;

/// How often the counters are read: staleness is known as exactly.
const STEP: Duration = Duration::from_millis(250);

/// The longest time of each camera without an analysed frame, in seconds.
pub(crate) type Gaps = BTreeMap<String, f64>;

/// What was seen.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) gaps: Gaps,
    /// What the governor went by, by name, reading after reading.
    pub(crate) governor: BTreeMap<String, Vec<f64>>,
}

/// Reads the counters for so long.
pub(crate) async fn watch(site: &Site, lasts: Duration) -> Result<Watched, Failure> {
    let begun = Instant::now();
    let mut seen: BTreeMap<String, (u64, Instant)> = BTreeMap::new();
    let mut watched = Watched::default();
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        steps.tick().await;
        let counts = site.counts().await?;
        let now = Instant::now();
        for (name, value) in counts.governor {
            watched.governor.entry(name).or_default().push(value);
        }
        for (name, count) in counts.analysed {
            let (known, since) = seen.entry(name.clone()).or_insert((count, begun));
            let gap = watched.gaps.entry(name).or_default();
            *gap = gap.max(now.duration_since(*since).as_secs_f64());
            if count > *known {
                (*known, *since) = (count, now);
            }
        }
        if begun.elapsed() >= lasts {
            return Ok(watched);
        }
    }
}
