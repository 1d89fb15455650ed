//! The rounds of each camera while it is watched, the longest time without a look, and how
//! the daemon feels.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;
use crate::site::Site;

/// The interval at which the counters are read: staleness is known as exactly.
const STEP: Duration = Duration::from_millis(250);

/// What was seen.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) cameras: BTreeMap<String, Looks>,
    /// What the governor went by, by name, reading after reading.
    pub(crate) governor: BTreeMap<String, Vec<f64>>,
}

/// When a camera was looked at: seconds from the beginning, and how often until then; begins with
/// the beginning and ends with the end.
#[derive(Default)]
pub(crate) struct Looks(Vec<(f64, u64)>);

impl Looks {
    fn note(&mut self, at_s: f64, count: u64) {
        if self.0.last().is_none_or(|(_, known)| count > *known) {
            self.0.push((at_s, count));
        }
    }

    /// The longest time without a look, in seconds.
    pub(crate) fn gap_max_s(&self) -> f64 {
        self.0.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max)
    }

    /// Returns when a time without a look ended last that was longer than `most_s`; 0: there was
    /// none.
    pub(crate) fn overdue_until_s(&self, most_s: f64) -> f64 {
        let over = self.0.windows(2).filter(|pair| pair[1].0 - pair[0].0 > most_s);
        over.map(|pair| pair[1].0).fold(0.0, f64::max)
    }

    /// Looks a second.
    pub(crate) fn rate(&self) -> f64 {
        match self.0[..] {
            [first, .., last] => (last.1 - first.1) as f64 / (last.0 - first.0),
            _ => 0.0,
        }
    }
}

/// Reads the counters for so long.
pub(crate) async fn watch(site: &Site, lasts: Duration) -> Result<Watched, Failure> {
    let begun = Instant::now();
    let mut watched = Watched::default();
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        steps.tick().await;
        let counts = site.counts().await?;
        let at_s = begun.elapsed().as_secs_f64();
        for (name, value) in counts.governor {
            watched.governor.entry(name).or_default().push(value);
        }
        let ends = begun.elapsed() >= lasts;
        for (name, count) in counts.analysed {
            let looks = watched.cameras.entry(name).or_default();
            looks.note(if looks.0.is_empty() { 0.0 } else { at_s }, count);
            if ends {
                looks.0.push((at_s, count));
            }
        }
        if ends {
            return Ok(watched);
        }
    }
}
