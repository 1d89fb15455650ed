//! What was measured, as a table and as a curve.

use std::collections::BTreeMap;

use crate::ears::Heard;
use crate::film::Profile;
use crate::site::Measured;
use crate::watch::Camera;

/// One number of cameras.
pub(crate) struct Round {
    profile: &'static str,
    seconds: f64,
    /// Processor seconds by kind of thread.
    daemon_s: BTreeMap<String, f64>,
    rig_s: f64,
    memory_mib: (f64, f64),
    pub(crate) cameras: Vec<Camera>,
    /// Those at which something went on.
    busy: Vec<bool>,
    heard: Heard,
    cores: f64,
}

impl Round {
    pub(crate) fn new(
        profile: &Profile,
        before: &Measured,
        after: &Measured,
        watched: BTreeMap<String, Camera>,
        heard: Heard,
    ) -> Self {
        let spent = after.daemon_s.iter().map(|(kind, seconds)| {
            (kind.clone(), seconds - before.daemon_s.get(kind).copied().unwrap_or_default())
        });
        let index = |name: &str| name.strip_prefix('c')?.parse().ok();
        let busy = watched.keys().map(|name| index(name).is_some_and(|i| profile.is_busy(i)));
        Self {
            profile: profile.name,
            seconds: after.at.duration_since(before.at).as_secs_f64(),
            daemon_s: spent.collect(),
            rig_s: after.rig_s - before.rig_s,
            memory_mib: after.memory_mib,
            busy: busy.collect(),
            cameras: watched.into_values().collect(),
            heard,
            cores: std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64),
        }
    }

    /// Of one core, what the daemon took.
    fn daemon_load(&self) -> f64 {
        self.daemon_s.values().sum::<f64>() / self.seconds
    }

    fn rates(&self, busy: bool) -> Vec<f64> {
        let of = self.cameras.iter().zip(&self.busy).filter(|(_, is)| **is == busy);
        of.map(|(camera, _)| camera.analysed as f64 / self.seconds).collect()
    }

    fn gap_max_s(&self) -> f64 {
        self.cameras.iter().map(|camera| camera.gap_max_s).fold(0.0, f64::max)
    }

    fn dropped(&self) -> u64 {
        self.cameras.iter().map(|camera| camera.dropped).sum()
    }
}

/// The value below which so many percent of `values` lie; not a number where there are none.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

pub(crate) fn round(round: &Round) {
    let cameras = round.cameras.len();
    println!("\n{cameras} cameras ({}), {:.0} s", round.profile, round.seconds);
    let minutes = round.seconds / 60.0 * cameras as f64;
    for (kind, seconds) in &round.daemon_s {
        println!("  {kind:8} {:6.3} CPU s a camera-minute", seconds / minutes);
    }
    println!(
        "  daemon   {:5.1} % of {:.0} cores; cameras and measuring {:.1} %; together {:.1} %",
        round.daemon_load() / round.cores * 100.0,
        round.cores,
        round.rig_s / round.seconds / round.cores * 100.0,
        (round.daemon_load() + round.rig_s / round.seconds) / round.cores * 100.0
    );
    let (now, peak) = round.memory_mib;
    println!("  memory   {now:.0} MiB (peak {peak:.0})");
    for (name, busy) in [("quiet", false), ("busy", true)] {
        let rates = round.rates(busy);
        if !rates.is_empty() {
            let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
            let middle = percentile(&rates, 50);
            println!("  {name:8} {middle:.2} frames/s analysed a camera (least {least:.2})");
        }
    }
    println!(
        "  stale    at most {:.2} s without a look; {} frames dropped in the mailboxes",
        round.gap_max_s(),
        round.dropped()
    );
    let latency = &round.heard.latency_ms;
    println!(
        "  latency  {} alerts ({} with a frame): p50 {:.0}, p95 {:.0}, p99 {:.0}, max {:.0} ms",
        round.heard.alerts,
        latency.len(),
        percentile(latency, 50),
        percentile(latency, 95),
        percentile(latency, 99),
        percentile(latency, 100)
    );
    if let Some(granted) = round.heard.granted_min.filter(|granted| *granted < 1.0) {
        println!("  degraded down to {:.0} % of the wanted rate", granted * 100.0);
    }
}

/// All rounds beside each other.
pub(crate) fn growth(rounds: &[Round]) {
    println!("\n| cameras | CPU, % of a core | quiet /s | busy /s | gap, s | p99, ms | MiB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for round in rounds {
        let middle = |busy| percentile(&round.rates(busy), 50);
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} |",
            round.cameras.len(),
            round.daemon_load() * 100.0,
            middle(false),
            middle(true),
            round.gap_max_s(),
            percentile(&round.heard.latency_ms, 99),
            round.memory_mib.0
        );
    }
}
