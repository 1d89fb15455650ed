//! The rate at which cameras may be looked at with the processor time there is. Pure.
//!
//! One number, the *pressure*, says how much is saved:
//!
//! | pressure | what grows |
//! | --- | --- |
//! | 0 to 1 | periods of idle cameras, to [`ECONOMY`]: nothing that is promised is missed |
//! | 1 to 2 | periods of curious cameras, to [`ECONOMY`] too |
//! | 2 to 3 | periods of both, to the longest that is allowed |
//! | 3 to 4 | periods of cameras in focus, to one frame a second; followed ones last of all |
//! | 4 to 5 | periods of all but those in focus: no promise can be kept any more |
//!
//! Between its ends a period grows by the same factor for the same pressure. Idle cameras live on
//! key frames alone wherever those come every [`ECONOMY`]; along with their periods curious ones go
//! over to that too, one after another, and beyond 2 all to key frames as rare as is allowed.
//!
//! Once a second the pressure is chosen anew from the load that was measured at the pressure
//! before, as if load were proportional to the rate of frames:
//!
//! | load, of what may be used | pressure |
//! | --- | --- |
//! | over [`FULL`], twice in a row | such that the load should be [`TARGET`] |
//! | between [`EASY`] and [`FULL`] | stays: there is room for what comes and goes |
//! | below [`EASY`] for three seconds | falls by small steps; far below, by [`GROWTH`] |
//! | below [`KEEN`] likewise, where little is lacking of promises, or focus gives | likewise |
//!
//! Load is *not* quite proportional: a camera of which key frames suffice costs a tenth of one
//! that needs every frame, and at one pressure or another all of a brand change from the one to
//! the other. Where the rate that was granted back brings the overload back within some seconds,
//! the next try waits twice as long, up to a minute; when cameras want less than before it is
//! made at once. Above pressure 2 nearly everybody lives on key frames already, so load *is*
//! proportional: what cameras that went away leave is passed on in one go, down to pressure 2.

use std::time::Duration;

use super::Level;
use super::schedule::AGE_MAX;
use crate::time::Mono;

/// From this load on, of what may be used, things begin to wait for one another.
pub const FULL: f64 = 0.95;
/// The load that is aimed at.
pub const TARGET: f64 = 0.85;
/// Below this load there is room to grant more.
pub const EASY: f64 = 0.8;
/// The same where little is lacking for everybody to be seen every [`ECONOMY`]: that is worth
/// going closer to the bound. The more is lacking, the nearer to [`EASY`] again.
pub const KEEN: f64 = 0.9;
/// From this load on, what is granted grows by half of the proportion.
const NEAR: f64 = 0.35;
/// Near the aim, the pressure falls by no more at a time: that share of a level's cameras changes
/// over together; half of it close to the bound.
const STEP: f64 = 0.1;
/// A change of the rate shows in the load after this time: a key frame has to come first.
const SETTLE: Duration = Duration::from_secs(3);
/// Cameras that go away together do so within as long, and their load with them.
const RELIEF: Duration = Duration::from_secs(5);
/// The rate that is granted grows at most so much from one step to the next.
pub const GROWTH: f64 = 2.5;

/// A hung decoder is one camera's own misfortune: fewer late cameras than this share say nothing.
const LATE_MIN: f64 = 0.1;
/// Late cameras alone never make a load greater.
const LATE_LOAD_MAX: f64 = 4.0;
/// The longest period in focus.
const FOCUSED_MAX: Duration = Duration::from_secs(1);
/// A rhythm of key frames that is this much longer than a period still does (see
/// `frame::decode_rate`).
const KEY_FRAMES_OVER: f64 = 1.1;
/// Overload so soon after more was granted comes from that.
const PROBE: Duration = Duration::from_secs(4);
/// Rest after an overload before more is granted, and its bound where that fails repeatedly.
const REST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);
/// Every camera is promised a look as often; an idle one may live on key frames that do.
pub const ECONOMY: Duration = Duration::from_secs(2);
/// From this pressure on, less is granted than is wanted.
const DEGRADED: f64 = 1.0;
/// From this pressure on, not everybody is seen every [`ECONOMY`] any more.
const SCARCE: f64 = 2.0;
/// So little beyond that, key frames every [`ECONOMY`] are still taken one by one: passing over
/// every twentieth would spare nothing, and break a promise.
const LENIENT: f64 = 0.1;
/// Everything is saved that may be.
const PRESSURE_MAX: f64 = 5.0;
/// Beyond what is allowed, periods grow so much at most.
const BEYOND: f64 = 8.0;

/// `[attention]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// No camera goes unanalysed for longer, as long as the machine can do that at all.
    pub idle_gap_max: Duration,
    /// The share of all processor cores that the daemon may use, 0..1.
    pub cpu_share: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { idle_gap_max: Duration::from_secs(6), cpu_share: 0.9 }
    }
}

impl Config {
    /// The longest time from one picture to the next that keeps `idle_gap_max`: the later one may
    /// wait for its turn.
    pub fn picture_gap_max(&self) -> Duration {
        self.idle_gap_max.saturating_sub(AGE_MAX)
    }
}

/// Streaming cameras of each level, in the order of [`Level::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Demand(pub [u32; 4]);

impl Demand {
    /// One more camera of this level.
    pub fn add(&mut self, level: Level) {
        self.0[level as usize] += 1;
    }
}

/// The load that was measured since the step before.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Load {
    /// Processor time that was used, of all cores' time.
    pub cpu: f64,
    /// Time in which detector threads were busy, of all their time.
    pub detectors: f64,
    /// Cameras that decoded a wanted picture too late, of those that stream.
    pub late: f64,
}

impl Load {
    /// Of what may be used, whatever is shortest.
    fn of(self, config: Config) -> f64 {
        let late = if self.late > LATE_MIN { 1.0 / (1.0 - self.late) } else { 0.0 };
        (self.cpu / config.cpu_share).max(self.detectors).max(late.min(LATE_LOAD_MAX))
    }
}

/// Cameras have gone away, or want less.
#[derive(Clone, Copy, Debug)]
struct Relief {
    until: Mono,
    /// Frames a second that bring a load of 1, from the time before. With more of them each costs
    /// less (a camera in focus is decoded wholly, however many of its pictures are looked at), so
    /// that all of it may be granted.
    capacity: f64,
}

/// The measured values that the phases of one step use.
#[derive(Clone, Copy, Debug)]
struct Measured {
    demand: Demand,
    /// Of what may be used, since the step before.
    load: f64,
    /// The greatest load of this step and the two before.
    peak: f64,
    /// The load that has to be low for more to be granted: the peak where load is uneven.
    calm: f64,
    is_uneven: bool,
    /// Pictures are decoded too late.
    hurts: bool,
    /// Frames a second that are wanted from now on.
    wanted: f64,
    /// They are clearly fewer than at the step before.
    fewer: bool,
    /// Frames a second that this load came from.
    granted: f64,
}

/// Decides the periods, in steps of named phases. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Governor {
    config: Config,
    pressure: f64,
    /// Frames a second that were granted, and wanted, by the step before.
    granted: f64,
    wanted: f64,
    /// The load at the greatest pressure, where even that does not suffice; 1 where it does.
    excess: f64,
    /// The loads of the two steps before, the newer one first.
    recent: [f64; 2],
    relief: Option<Relief>,
    overloaded: bool,
    shed: Option<Mono>,
    grown: Option<Mono>,
    rest: Duration,
    rest_until: Mono,
}

impl Governor {
    /// Everything is granted until a load says otherwise.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            pressure: 0.0,
            granted: 0.0,
            wanted: 0.0,
            excess: 1.0,
            recent: [0.0; 2],
            relief: None,
            overloaded: false,
            shed: None,
            grown: None,
            rest: REST,
            rest_until: Mono(0),
        }
    }

    /// Goes by another config from now on.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// The period that is granted to a camera of this level.
    pub fn period(&self, level: Level) -> Duration {
        self.period_at(level, self.pressure)
    }

    /// No two pictures of a camera of this level shall be further apart, as far as its stream
    /// allows: [`ECONOMY`], as long as that is kept at all.
    pub fn gap(&self, level: Level) -> Duration {
        let longest = self.config.picture_gap_max();
        let economy = ECONOMY.mul_f64(KEY_FRAMES_OVER).min(longest);
        let gap = if self.pressure > SCARCE + LENIENT { longest } else { economy };
        gap.max(self.period(level))
    }

    /// No camera shall wait longer from one turn to the next: until then a turn of its own goes
    /// before all others', so that a moment's rush costs nobody a promised look.
    pub fn wait_max(&self) -> Duration {
        let promised = self.gap(Level::Idle) + AGE_MAX;
        promised.min(self.config.idle_gap_max)
    }

    /// Within which distance of one another key frames suffice, for a camera of this level, though
    /// a picture is wanted sooner; none: they don't. `spot`, 0..1, is the camera's own: as the
    /// pressure rises, the cameras of a level change over one after another. Were it all of a
    /// brand at once, the load would jump to and fro instead of settling.
    pub fn thrift(&self, level: Level, spot: f64) -> Option<Duration> {
        let saves = |from: f64| self.pressure - from > spot;
        let gap_max = self.config.picture_gap_max();
        match level {
            Level::Followed | Level::Focused => None,
            _ if saves(SCARCE + LENIENT) => Some(gap_max),
            // Nothing has happened there, and what moves shows in the packets' sizes.
            Level::Idle => Some(ECONOMY.min(gap_max)),
            Level::Curious => saves(saved_from(level)).then_some(ECONOMY.min(gap_max)),
        }
    }

    /// Tells whether a camera of this level that lives on key frames waits for the next one before
    /// it has every frame decoded again.
    pub fn is_patient(&self, level: Level) -> bool {
        level == Level::Idle || level == Level::Curious && self.is_degraded()
    }

    /// Returns how much is saved, 0 to 5: see the module's documentation.
    pub fn pressure(&self) -> f64 {
        self.pressure
    }

    /// Returns how much of the wanted rate is granted, over all cameras, 0..1.
    pub fn granted(&self) -> f64 {
        if self.is_degraded() && self.wanted > 0.0 {
            (self.granted / self.wanted).min(1.0) / self.excess
        } else {
            1.0
        }
    }

    /// Tells whether less than what is wanted is granted.
    pub fn is_degraded(&self) -> bool {
        self.pressure > DEGRADED
    }

    /// Takes in the load since the step before; to be called about once a second. `demand`: the
    /// cameras that want to be looked at from now on.
    pub fn step(&mut self, now: Mono, demand: Demand, load: Load) {
        let measured = self.measure(now, demand, load);
        self.note_relief(now, &measured);
        if self.is_overloaded_again(now, &measured) {
            self.shed(now, &measured);
        } else if self.has_room(now, &measured) {
            self.grant(now, &measured);
        }
        self.pass_on_relief(now, &measured);
        self.remember(&measured);
    }

    /// First phase: what the load since the step before says, at the pressure of that step.
    fn measure(&mut self, now: Mono, demand: Demand, load: Load) -> Measured {
        let hurts = load.late > LATE_MIN;
        let load = load.of(self.config);
        let wanted = self.rate(demand, DEGRADED);
        let fewer = wanted < 0.9 * self.wanted;
        if fewer {
            (self.rest, self.rest_until) = (REST, now);
        }
        let granted =
            if self.granted > 0.0 { self.granted } else { self.rate(demand, self.pressure) };
        // What other cameras than those in focus cost shows late, and not evenly: key frames come
        // every few seconds, and in some seconds more of them than in others.
        let is_uneven = !fewer && self.pressure <= saved_from(Level::Focused);
        let peak = self.recent.into_iter().fold(load, f64::max);
        let calm = if is_uneven { peak } else { load };
        Measured { demand, load, peak, calm, is_uneven, hurts, wanted, fewer, granted }
    }

    /// Second phase: where cameras went away, or want less, all that they leave may be granted
    /// within [`RELIEF`].
    fn note_relief(&mut self, now: Mono, measured: &Measured) {
        self.relief = self.relief.filter(|relief| now < relief.until);
        if measured.fewer && self.relief.is_none() {
            let capacity = measured.granted / measured.peak.max(f64::EPSILON);
            self.relief = Some(Relief { until: now + RELIEF, capacity });
        }
    }

    /// Tells whether this is the second overload in a row, and not that of a pressure which has not
    /// shown yet.
    fn is_overloaded_again(&mut self, now: Mono, measured: &Measured) -> bool {
        let overloaded = measured.load > FULL;
        let again = std::mem::replace(&mut self.overloaded, overloaded);
        let settled = self.shed.is_none_or(|shed| now.since(shed) >= SETTLE);
        overloaded && again && (settled || measured.hurts)
    }

    /// Third phase, overload: the pressure rises until the load should be [`TARGET`].
    fn shed(&mut self, now: Mono, measured: &Measured) {
        let allowed = measured.granted * TARGET / measured.load;
        let relieved = self.pressure_for(measured.demand, allowed);
        self.pressure = relieved.max(self.pressure);
        self.rest_after_overload(now);
        self.measure_anew(now);
    }

    fn rest_after_overload(&mut self, now: Mono) {
        let of_growth = self.grown.is_some_and(|grown| now.since(grown) <= PROBE);
        self.rest = if of_growth { (self.rest * 2).min(REST_MAX) } else { REST };
        self.rest_until = now + self.rest;
    }

    /// Tells whether more can be granted than is, and the rest after an overload is over.
    fn has_room(&self, now: Mono, measured: &Measured) -> bool {
        let easy = EASY + (KEEN - EASY) * self.keenness();
        measured.calm < easy && self.pressure > 0.0 && now >= self.rest_until
    }

    /// Third phase, room: the pressure falls, near the aim by small steps, each of which shows
    /// before the next. More cameras may change over than the proportion says.
    fn grant(&mut self, now: Mono, measured: &Measured) {
        let calm = measured.calm;
        let aim = TARGET + (FULL - TARGET) * self.keenness();
        let factor = if calm > NEAR { (aim / calm).sqrt() } else { GROWTH };
        let eased = self.pressure_for(measured.demand, measured.granted * factor);
        let is_near = measured.is_uneven && calm > NEAR;
        let of_focus = saved_from(Level::Focused);
        let bound = if is_near {
            self.pressure - if self.pressure > SCARCE { STEP / 2.0 } else { STEP }
        } else if self.pressure > of_focus && !measured.fewer {
            of_focus
        } else {
            0.0
        };
        self.pressure = eased.max(bound).min(self.pressure);
        if is_near {
            self.rest_until = self.rest_until.max(now + SETTLE);
        }
        self.grown = Some(now);
    }

    /// Returns how much it is worth going closer to the bound at this pressure, 0..1.
    fn keenness(&self) -> f64 {
        let of_focus = saved_from(Level::Focused);
        match self.pressure {
            // What is in focus is worth all there is.
            pressure if (of_focus..of_focus + 1.0).contains(&pressure) => 1.0,
            pressure if pressure > SCARCE => (SCARCE + 1.0 - pressure).max(0.0),
            _ => 0.0,
        }
    }

    /// Fourth phase: what cameras left that went away is granted to the others in one go.
    fn pass_on_relief(&mut self, now: Mono, measured: &Measured) {
        if let Some(relief) = self.relief.filter(|_| measured.fewer) {
            let passed_on = self.pressure_for(measured.demand, relief.capacity).max(SCARCE);
            self.pressure = self.pressure.min(passed_on);
            self.measure_anew(now);
        }
    }

    /// Begins a new measurement under the new pressure.
    fn measure_anew(&mut self, now: Mono) {
        (self.overloaded, self.shed) = (false, Some(now));
    }

    /// Last phase: what the next step compares with.
    fn remember(&mut self, measured: &Measured) {
        let load = measured.load;
        self.recent = [load, self.recent[0]];
        self.excess = if self.pressure >= PRESSURE_MAX { load.max(1.0) } else { 1.0 };
        self.wanted = measured.wanted;
        self.granted = self.rate(measured.demand, self.pressure);
    }

    /// Frames a second that `demand` gets at `pressure`; falls while that rises.
    fn rate(&self, demand: Demand, pressure: f64) -> f64 {
        let rate = |level: Level| {
            f64::from(demand.0[level as usize]) / self.period_at(level, pressure).as_secs_f64()
        };
        Level::ALL.into_iter().map(rate).sum()
    }

    /// The least pressure at which `demand` gets no more than `allowed` frames a second.
    fn pressure_for(&self, demand: Demand, allowed: f64) -> f64 {
        if self.rate(demand, 0.0) <= allowed {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, PRESSURE_MAX);
        // To a thousandth: finer than a period's millisecond shows.
        for _ in 0..12 {
            let middle = f64::midpoint(low, high);
            if self.rate(demand, middle) > allowed { low = middle } else { high = middle }
        }
        high
    }

    fn period_at(&self, level: Level, pressure: f64) -> Duration {
        if level == Level::Followed {
            // What is still being decided gives first, until it has no more looks than this.
            return level.period().max(self.period_at(Level::Focused, pressure));
        }
        let longest = self.config.picture_gap_max().div_f64(KEY_FRAMES_OVER);
        let stage = |from: Duration, to: Duration, begin: f64| {
            let share = (pressure - begin).clamp(0.0, 1.0);
            (to.as_secs_f64() / from.as_secs_f64()).max(1.0).powf(share)
        };
        let shortest = level.period();
        let factor = if level == Level::Focused {
            stage(shortest, FOCUSED_MAX, saved_from(level))
        } else {
            let economy = ECONOMY.min(longest);
            stage(shortest, economy, saved_from(level))
                * stage(economy, longest, SCARCE)
                * BEYOND.powf((pressure - PRESSURE_MAX + 1.0).max(0.0))
        };
        Duration::from_secs_f64((shortest.as_secs_f64() * factor * 1000.0).round() / 1000.0)
    }
}

/// The pressure from which on the periods of this level grow.
fn saved_from(level: Level) -> f64 {
    match level {
        Level::Idle => 0.0,
        Level::Curious => DEGRADED,
        Level::Followed | Level::Focused => SCARCE + 1.0,
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
