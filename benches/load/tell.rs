//! The figures of a run, as a table and as a curve.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::daemon::Kind;
use crate::film::Profile;
use crate::machine::machine;
use crate::metrics::Histogram;
use crate::site::Measured;
use crate::subscriber::Heard;
use crate::watch::Looks;
use crate::watch::Watched;

/// What is promised of a ward's cameras on this machine.
pub(crate) const CPU_MAX: f64 = 85.0;
pub(crate) const P99_MAX_MS: f64 = 250.0;
pub(crate) const MEMORY_MAX_MIB: f64 = 2048.0;
/// A gap is known only as exactly as the counters are read, and cameras' key frames waver.
const GAP_BLUR_S: f64 = 0.5;
/// What is granted wavers by as much.
const NEARLY: f64 = 0.97;

/// One camera over the time of measurement.
pub(crate) struct Camera {
    name: String,
    pub(crate) analysed: u64,
    dropped: u64,
    /// Frames that its level of attention asked for; for the peer none.
    wanted: Option<f64>,
    /// Longest time without an analysed frame, in seconds.
    gap_max_s: f64,
    /// Something goes on there.
    busy: bool,
}

/// One number of cameras.
pub(crate) struct Round {
    kind: Kind,
    profile: &'static str,
    key_s: f64,
    seconds: f64,
    /// Processor seconds by kind of thread.
    daemon_s: BTreeMap<String, f64>,
    rig_s: f64,
    memory_mib: (f64, f64),
    rig_mib: f64,
    pub(crate) cameras: Vec<Camera>,
    packets_dropped: u64,
    alerts_made: u64,
    stages: BTreeMap<String, Histogram>,
    /// Readings of what the governor went by.
    governor: BTreeMap<String, Vec<f64>>,
    heard: Heard,
    cores: f64,
}

/// Twice the cameras, then half of them.
pub(crate) struct Relief {
    pub(crate) over: Round,
    /// Of the wanted rate, what those that stay were granted when there were no others.
    own: f64,
    /// And now.
    granted: f64,
    /// Seconds from the relief until that was granted again; none: it never was.
    recovered_s: Option<f64>,
    /// Seconds from the relief until none of them waited for too long any more.
    overdue_until_s: f64,
    /// Frames a second of those in focus since the relief, the least of any.
    busy: f64,
    governor: BTreeMap<String, Vec<f64>>,
}

impl Relief {
    /// `over`: the time of twice as many; `alone`: that without the others; `watched`, `heard`:
    /// since the relief at `begun`.
    pub(crate) fn new(
        over: Round,
        alone: &Round,
        watched: Watched,
        (heard, begun): (&Heard, Instant),
    ) -> Self {
        let own = alone.heard.granted_min();
        let stays = |camera: &&Camera| watched.cameras.contains_key(&camera.name);
        let looks = |camera: &Camera| &watched.cameras[&camera.name];
        let overdue = |camera| looks(camera).overdue_until_s(alone.gap_promised_s());
        let overdue_until_s = alone.cameras.iter().filter(stays).map(overdue).fold(0.0, f64::max);
        let busy = alone.cameras.iter().filter(stays).filter(|camera| camera.busy);
        Self {
            over,
            own,
            granted: heard.granted_now(),
            recovered_s: heard.granted_again_s(own * NEARLY, begun),
            overdue_until_s,
            busy: busy.map(|c| looks(c).rate()).fold(f64::INFINITY, f64::min),
            governor: watched.governor,
        }
    }
}

impl Round {
    pub(crate) fn new(
        kind: Kind,
        profile: &Profile,
        (before, after): (&Measured, &Measured),
        watched: Watched,
        heard: Heard,
    ) -> Self {
        let spent = after.daemon_s.iter().map(|(kind, seconds)| {
            (kind.clone(), seconds - before.daemon_s.get(kind).copied().unwrap_or_default())
        });
        let more = |old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>, name: &str| {
            let count = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or(0);
            count(new).saturating_sub(count(old))
        };
        let (old, new) = (&before.counts, &after.counts);
        let camera = |name: &String| {
            let index = name.strip_prefix('c').and_then(|number| number.parse().ok());
            Camera {
                name: name.clone(),
                analysed: more(&old.analysed, &new.analysed, name),
                dropped: more(&old.dropped, &new.dropped, name),
                wanted: heard.wanted(name),
                gap_max_s: watched.cameras.get(name).map_or(f64::INFINITY, Looks::gap_max_s),
                busy: index.is_some_and(|index| profile.is_busy(index)),
            }
        };
        let stages = new.stages.iter();
        Self {
            kind,
            profile: profile.name,
            key_s: f64::from(profile.key_s),
            seconds: after.at.duration_since(before.at).as_secs_f64(),
            daemon_s: spent.collect(),
            rig_s: after.rig_s - before.rig_s,
            memory_mib: after.memory_mib,
            rig_mib: after.rig_mib,
            cameras: new.analysed.keys().map(camera).collect(),
            packets_dropped: new.packets_dropped - old.packets_dropped,
            alerts_made: new.alerts - old.alerts,
            stages: stages
                .map(|(name, stage)| (name.clone(), stage.since(old.stages.get(name))))
                .collect(),
            governor: watched.governor,
            heard,
            cores: std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn count(&self) -> f64 {
        self.cameras.len() as f64
    }

    /// What the daemon took, in percent of one core.
    pub(crate) fn daemon_load(&self) -> f64 {
        self.daemon_s.values().sum::<f64>() / self.seconds * 100.0
    }

    /// What the daemon and the rig took, in percent of the machine.
    pub(crate) fn load(&self) -> f64 {
        (self.daemon_load() + self.rig_s / self.seconds * 100.0) / self.cores
    }

    pub(crate) fn memory(&self) -> f64 {
        self.memory_mib.0 + self.rig_mib
    }

    pub(crate) fn gap_max_s(&self) -> f64 {
        self.cameras.iter().map(|camera| camera.gap_max_s).fold(0.0, f64::max)
    }

    pub(crate) fn gap_promised_s(&self) -> f64 {
        self.key_s + GAP_BLUR_S
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        percentile(&self.heard.latency_ms, 99)
    }

    /// Alerts that were made and never came.
    fn lost(&self) -> u64 {
        self.alerts_made.saturating_sub(self.heard.alerts.len() as u64)
    }

    fn rates(&self, busy: bool) -> Vec<f64> {
        let of = self.cameras.iter().filter(|camera| camera.busy == busy);
        of.map(|camera| camera.analysed as f64 / self.seconds).collect()
    }

    /// Frames a second that a camera's level asked for, on average.
    fn wanted(&self, busy: bool) -> f64 {
        let of = self.cameras.iter().filter(|camera| camera.busy == busy);
        let wanted: Vec<f64> = of.filter_map(|camera| camera.wanted).collect();
        wanted.iter().sum::<f64>() / wanted.len() as f64 / self.seconds
    }

    /// The round's figures, rounded to what they can tell.
    fn to_json(&self) -> Value {
        let round = |value: f64, digits: i32| {
            let scale = 10_f64.powi(digits);
            value.is_finite().then(|| (value * scale).round() / scale)
        };
        let minutes = self.seconds / 60.0 * self.count();
        let spent: BTreeMap<&String, _> =
            self.daemon_s.iter().map(|(kind, s)| (kind, round(s / minutes, 3))).collect();
        let latency = [50, 95, 99].map(|p| round(percentile(&self.heard.latency_ms, p), 0));
        json!({
            "daemon": self.kind.name(),
            "cameras": self.cameras.len(),
            "seconds": round(self.seconds, 0),
            "machine_percent": round(self.load(), 1),
            "daemon_percent_of_core": round(self.daemon_load(), 1),
            "cpu_s_per_camera_minute": spent,
            "quiet_fps": round(percentile(&self.rates(false), 50), 2),
            "focus_fps": round(percentile(&self.rates(true), 50), 1),
            "focus_wanted_fps": round(self.wanted(true), 1),
            "longest_gap_s": round(self.gap_max_s(), 1),
            "latency_ms_p50_p95_p99": latency,
            "memory_mib": round(self.memory(), 0),
            "alerts_made": self.alerts_made,
            "alerts_lost": self.lost(),
            "granted_min": round(self.heard.granted_min(), 2),
            "broken_promises": self.broken(),
        })
    }

    /// The promises that don't hold.
    fn broken(&self) -> Vec<String> {
        let p99 = self.p99_ms();
        let all = [
            (self.load(), CPU_MAX, "% of the machine"),
            (self.gap_max_s(), self.gap_promised_s(), "s without a look"),
            (p99, P99_MAX_MS, "ms p99"),
            (self.memory(), MEMORY_MAX_MIB, "MiB"),
        ];
        let over = all.into_iter().filter(|(found, most, _)| found > most);
        over.map(|(found, most, what)| format!("{found:.1} {what} (at most {most})")).collect()
    }
}

/// The value below which so many percent of `values` lie; not a number where there are none.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// What all figures depend on.
pub(crate) fn conditions() {
    println!("machine: {}", machine());
    if cfg!(debug_assertions) {
        println!("a build without optimisation: the figures mean nothing");
    }
}

pub(crate) fn round(round: &Round) {
    let (cameras, name) = (round.cameras.len(), round.kind.name());
    println!("\n{name}: {cameras} cameras ({}), {:.0} s", round.profile, round.seconds);
    costs(round);
    for (name, busy) in [("quiet", false), ("busy", true)] {
        let rates = round.rates(busy);
        let of = round.cameras.iter().filter(|camera| camera.busy == busy);
        if let Some(least) = of.min_by_key(|camera| camera.analysed) {
            let (middle, wanted) = (percentile(&rates, 50), round.wanted(busy));
            println!(
                "  {name:9} {middle:.2} frames/s analysed a camera, {wanted:.2} wanted; least \
                 {:.2} of {:.2} ({})",
                least.analysed as f64 / round.seconds,
                least.wanted.unwrap_or(f64::NAN) / round.seconds,
                least.name
            );
        }
    }
    println!(
        "  stale     at most {:.2} s without a look; {} frames dropped in the mailboxes, {} \
         packets before",
        round.gap_max_s(),
        round.cameras.iter().map(|camera| camera.dropped).sum::<u64>(),
        round.packets_dropped
    );
    governor(&round.governor);
    alerts(round);
    // What is lacking of less than half a percent is written as nothing.
    let granted = round.heard.granted_min();
    if granted < 0.995 {
        println!("  degraded  down to {:.0} % of the wanted rate", granted * 100.0);
    }
    match &round.broken()[..] {
        [] if round.p99_ms().is_nan() => println!("  promises  kept, but no alert shows a latency"),
        [] => println!("  promises  all kept"),
        broken => println!("  promises  broken: {}", broken.join("; ")),
    }
}

fn governor(readings: &BTreeMap<String, Vec<f64>>) {
    for (name, readings) in readings {
        let mean = readings.iter().sum::<f64>() / readings.len() as f64;
        let most = readings.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        println!("  governor  {name} {mean:.2}, at most {most:.2}");
    }
}

fn costs(round: &Round) {
    let minutes = round.seconds / 60.0 * round.count();
    for (kind, seconds) in &round.daemon_s {
        println!("  {kind:9} {:6.3} CPU s a camera-minute", seconds / minutes);
    }
    println!(
        "  daemon    {:5.1} % of one core, {:.2} % a camera; with the cameras {:.1} % of {:.0} \
         cores",
        round.daemon_load(),
        round.daemon_load() / round.count(),
        round.load(),
        round.cores
    );
    let ((now, peak), rig) = (round.memory_mib, round.rig_mib);
    println!("  memory    {now:.0} MiB (peak {peak:.0}), cameras {rig:.0}");
    for (name, stage) in &round.stages {
        let within = |percent| stage.within_ms(percent);
        if let (Some(p50), Some(p99)) = (within(50), within(99)) {
            println!("  {name:9} a frame within {p50:.1} ms (p50), {p99:.1} ms (p99)");
        }
    }
}

fn alerts(round: &Round) {
    let latency = &round.heard.latency_ms;
    println!(
        "  latency   {} alerts with a frame: p50 {:.0}, p95 {:.0}, p99 {:.0}, max {:.0} ms; \
         oldest frame {:.0} ms when analysed",
        latency.len(),
        percentile(latency, 50),
        percentile(latency, 95),
        percentile(latency, 99),
        percentile(latency, 100),
        percentile(&round.heard.analysed_ms, 100)
    );
    println!(
        "  alerts    {} made, {} came, {} lost",
        round.alerts_made,
        round.heard.alerts.len(),
        round.lost()
    );
}

/// All rounds beside each other.
pub(crate) fn growth(rounds: &[Round]) {
    println!(
        "\n| daemon | cameras | CPU, % of a core | a camera | quiet /s | busy /s | gap, s | p99, \
         ms | lost | MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for round in rounds {
        let middle = |busy| percentile(&round.rates(busy), 50);
        println!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {} | {:.0} |",
            round.kind.name(),
            round.cameras.len(),
            round.daemon_load(),
            round.daemon_load() / round.count(),
            middle(false),
            middle(true),
            round.gap_max_s(),
            round.p99_ms(),
            round.lost(),
            round.memory_mib.0
        );
    }
    if let Some(first) = rounds.iter().find(|round| !round.broken().is_empty()) {
        println!("\nthe first broken promise: {} at {} cameras", first.broken()[0], first.count());
    }
}

pub(crate) fn relief(relief: &Relief) {
    println!("\ntwice as much as offered:");
    round(&relief.over);
    let (own, granted) = (relief.own * 100.0, relief.granted * 100.0);
    match relief.recovered_s {
        Some(seconds) => println!(
            "  relieved  after {seconds:.1} s as much is granted as without the others ({own:.0} %)"
        ),
        None => println!("  relieved  {granted:.0} % of what is wanted granted, not {own:.0} %"),
    }
    println!(
        "  relieved  nobody waits for too long after {:.1} s; in focus at least {:.1} frames/s",
        relief.overdue_until_s, relief.busy
    );
    governor(&relief.governor);
}

/// The figures of all rounds, as they stand in `docs/results.json`.
pub(crate) fn to_json(rounds: &[Round], relief: Option<&Relief>) -> Value {
    let rounds: Vec<Value> = rounds.iter().map(Round::to_json).collect();
    let relief = relief.map(|relief| {
        json!({
            "cameras": relief.over.cameras.len(),
            "over": relief.over.to_json(),
            "granted_again_s": relief.recovered_s,
            "overdue_until_s": relief.overdue_until_s,
        })
    });
    json!({"machine": machine(), "command": command(), "rounds": rounds, "relief": relief})
}

/// The command that makes the same measurement again.
fn command() -> String {
    let names = ["CAMERAS", "PROFILE", "SECONDS", "SETTLE", "RELIEF", "DAEMONS", "ANSWER"];
    let set = names.iter().chain(&["OUTAGE", "MODEL"]).filter_map(|name| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
        Some(if value.contains(' ') {
            format!("{name}=\"{value}\"")
        } else {
            format!("{name}={value}")
        })
    });
    ["make load".to_owned()].into_iter().chain(set).collect::<Vec<_>>().join(" ")
}
