//! The budget against machines that are short, busy or idle.

use super::*;

/// A machine on which a frame costs `cost_s` of its one core, beside a `base` load.
struct Machine {
    governor: Governor,
    cost_s: f64,
    base: f64,
    second: u64,
}

impl Machine {
    fn new(cost_s: f64) -> Self {
        let config = Config { cpu_share: 1.0, ..Config::default() };
        Self { governor: Governor::new(config), cost_s, base: 0.0, second: 0 }
    }

    fn load(&self, demand: Demand) -> f64 {
        self.base + self.governor.rate(demand, self.governor.pressure) * self.cost_s
    }

    fn run(&mut self, seconds: u64, demand: Demand) {
        for _ in 0..seconds {
            self.second += 1;
            let cpu = self.load(demand);
            let now = Mono(self.second * 1_000_000);
            // A core can't be used more than wholly; then decoding is late.
            let late = if cpu > 1.0 { 1.0 - 1.0 / cpu } else { 0.0 };
            self.governor.step(now, demand, Load { cpu: cpu.min(1.0), detectors: 0.0, late });
        }
    }

    fn period(&self, level: Level) -> f64 {
        self.governor.period(level).as_secs_f64()
    }
}

#[test]
fn what_fits_is_granted_wholly() {
    let mut machine = Machine::new(0.01);
    machine.run(60, Demand([40, 5, 0, 1]));
    assert!(!machine.governor.is_degraded());
    assert_eq!(machine.governor.granted(), 1.0);
    assert_eq!(machine.period(Level::Focused), 0.125);
}

#[test]
fn a_look_every_two_seconds_is_no_broken_promise() {
    let mut machine = Machine::new(0.01);
    machine.run(60, Demand([60, 6, 0, 3]));
    let (governor, period) = (&machine.governor, machine.period(Level::Idle));
    assert!(!governor.is_degraded() && governor.granted() == 1.0);
    assert!((1.1..2.0).contains(&period), "{period}");
    assert_eq!([Level::Curious, Level::Focused].map(|level| machine.period(level)), [0.333, 0.125]);
    assert_eq!(governor.thrift(Level::Idle, 0.999), Some(ECONOMY));
    assert_eq!(governor.thrift(Level::Curious, 0.0), None);
}

#[test]
fn one_after_another_is_content_with_key_frames() {
    let longest = Some(Config::default().picture_gap_max());
    let economy = Some(ECONOMY);
    let table = [
        (0.0, [economy, economy], [None, None]),
        (1.5, [economy, economy], [economy, None]),
        (2.05, [economy, economy], [economy, economy]),
        (2.6, [longest, economy], [longest, economy]),
        (3.2, [longest, longest], [longest, longest]),
    ];
    let mut governor = Governor::new(Config::default());
    for (pressure, idle, curious) in table {
        governor.pressure = pressure;
        let thrift = |level| [0.1, 0.9].map(|spot| governor.thrift(level, spot));
        assert_eq!([thrift(Level::Idle), thrift(Level::Curious)], [idle, curious]);
        assert_eq!(thrift(Level::Focused), [None, None]);
    }
}

#[test]
fn a_little_scarcity_passes_over_no_key_frame() {
    let mut governor = Governor::new(Config::default());
    governor.pressure = SCARCE + LENIENT;
    // Key frames every two seconds are never further apart than that, whatever the period.
    assert_eq!(governor.gap(Level::Idle), ECONOMY.mul_f64(KEY_FRAMES_OVER));
    governor.pressure += 0.01;
    assert_eq!(governor.gap(Level::Idle), Config::default().picture_gap_max());
}

#[test]
fn idle_cameras_give_first_curious_next_those_in_focus_last() {
    // From where to where each level's period may have grown.
    let (own, economy, longest) =
        ([1.0, 0.333, 0.2, 0.125], [2.0, 2.0, 0.2, 0.125], [4.545, 4.545, 1.0, 1.0]);
    let scarce = [4.545, 4.545, 0.2, 0.125];
    let table = [
        (60, own, [2.0, 0.333, 0.2, 0.125]),
        (80, [2.0, 0.333, 0.2, 0.125], economy),
        (120, economy, scarce),
        (200, scarce, longest),
    ];
    for (count, least, most) in table {
        let mut machine = Machine::new(0.01);
        let demand = Demand([count, count / 10, 0, count / 20]);
        machine.run(30, demand);
        let load = machine.load(demand);
        assert!(load < 1.0 && load > 0.6, "{count} cameras: {load}");
        let periods = Level::ALL.map(|level| machine.period(level));
        for (level, period) in periods.into_iter().enumerate() {
            let grown = least[level] <= period && period <= most[level];
            assert!(grown, "{count}: {periods:?}");
        }
        assert!(periods != least && periods != most, "{count}: {periods:?}");
        let granted = machine.governor.granted();
        assert_eq!(machine.governor.is_degraded(), count > 60);
        assert!(count <= 60 || granted < 0.9, "{granted}");
    }
}

#[test]
fn what_is_undecided_has_never_fewer_looks_than_what_was_told() {
    let mut governor = Governor::new(Config::default());
    for (pressure, periods) in [(3.0, [125, 200]), (3.2, [189, 200]), (3.5, [354, 354])] {
        governor.pressure = pressure;
        let found = [Level::Focused, Level::Followed].map(|level| governor.period(level));
        assert_eq!(found.map(|period| period.as_millis()), periods, "{pressure}");
    }
}

#[test]
fn relief_is_passed_on_within_five_seconds() {
    let demand = Demand([30, 10, 0, 10]);
    let mut machine = Machine::new(0.001);
    machine.base = 0.97;
    machine.run(60, demand);
    assert!(machine.governor.granted() < 0.3, "{}", machine.governor.granted());
    machine.base = 0.0;
    machine.run(5, demand);
    assert_eq!(machine.governor.granted(), 1.0);
}

#[test]
fn what_cameras_leave_that_go_away_is_passed_on_within_five_seconds() {
    // They don't all go in the same second, and their load stays a second longer.
    let twice = Demand([200, 40, 0, 12]);
    let mut machine = Machine::new(0.01);
    machine.run(120, twice);
    assert!(machine.governor.pressure > 2.5, "{}", machine.governor.pressure);
    let mut alone = Machine::new(0.01);
    let once = Demand([100, 20, 0, 6]);
    alone.run(120, once);
    for (base, left) in [(0.25, Demand([150, 30, 0, 9])), (0.4, once)] {
        machine.base = base;
        machine.run(1, left);
    }
    machine.base = 0.0;
    machine.run(3, once);
    let (relieved, own) = (machine.governor.granted(), alone.governor.granted());
    assert!(relieved >= 0.95 * own, "{relieved} of {own}");
    machine.run(60, once);
    assert!(machine.load(once) < 1.0);
}

#[test]
fn one_busy_second_changes_nothing() {
    let mut machine = Machine::new(0.01);
    for _ in 0..20 {
        machine.run(3, Demand([60, 0, 0, 0]));
        machine.base = 2.0;
        machine.run(1, Demand([60, 0, 0, 0]));
        machine.base = 0.0;
        machine.run(1, Demand([60, 0, 0, 0]));
        assert!(!machine.governor.is_degraded());
    }
}

#[test]
fn what_cannot_be_done_at_all_is_said_honestly() {
    let mut machine = Machine::new(0.1);
    let demand = Demand([100, 0, 0, 0]);
    machine.run(30, demand);
    // 10 of the 50 frames a second that are promised can be analysed, and 22 are the least that
    // is asked for.
    let granted = machine.governor.granted();
    assert!((0.16..0.24).contains(&granted), "{granted}");
}

#[test]
fn a_rate_that_proves_too_much_is_tried_again_ever_more_rarely() {
    // Below 1.5 s a picture needs every frame, from there on key frames do.
    let mut governor = Governor::new(Config::default());
    let demand = Demand([40, 0, 0, 0]);
    let mut overloaded = Vec::new();
    for second in 1..=600u64 {
        let period = governor.period(Level::Idle).as_secs_f64();
        let cpu = if period < 1.5 { 1.6 } else { 0.2 / period };
        overloaded.extend((cpu > 1.0).then_some(second));
        let load = Load { cpu, ..Load::default() };
        governor.step(Mono(second * 1_000_000), demand, load);
    }
    let of = |from, until| overloaded.iter().filter(|at| (from..until).contains(*at)).count();
    assert!(of(0, 60) <= 16, "{overloaded:?}");
    assert!(of(300, 600) <= 12, "{overloaded:?}");
    // Fewer cameras want less: it is tried at once.
    governor.step(Mono(601_000_000), Demand([20, 0, 0, 0]), Load::default());
    governor.step(Mono(602_000_000), Demand([20, 0, 0, 0]), Load::default());
    assert!(!governor.is_degraded());
}
