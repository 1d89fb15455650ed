//! Ours and bare in turns, and what is made of it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Deserialize;

use super::report;
use crate::support::measure::ClockId;
use crate::support::measure::is_test;
use crate::support::measure::seconds;
use crate::support::middle::median;
use crate::support::model;

/// A turn is at least this long, so that reading clocks and cold caches don't count.
const TURN_SECONDS: f64 = 0.004;

/// What a model that does next to nothing can't be judged by.
const NEEDS_MODEL: [&str; 2] = ["infer", "pipeline"];

/// `benches/budget.toml`, but for what `guard.rs` reads.
#[derive(Debug, Deserialize)]
struct Budgets {
    ratio_max: BTreeMap<String, f64>,
    share_max: BTreeMap<String, f64>,
}

/// What a row's cost is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against {
    /// The bare library for the same work, in microseconds; the middle of the turns' ratios and
    /// the half-width of its 95 % interval.
    Bare { us: f64, ratio: f64, spread: f64 },
    /// What the bare libraries take to decode and infer one frame: there is no library for this.
    Frame,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The stage, with its variant.
    pub(crate) title: String,
    /// Ours, a frame (or packet, or entry), in microseconds.
    pub(crate) us: f64,
    pub(crate) against: Against,
    /// None: for information.
    pub(crate) budget: Option<f64>,
}

/// The way in which two things are measured against each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// What the table calls it.
    pub(crate) title: &'static str,
    /// Its key in the budget; none: for information.
    pub(crate) key: Option<&'static str>,
    /// Whose time.
    pub(crate) clock: ClockId,
    /// Turns of each.
    pub(crate) turns: usize,
}

/// Everything that was measured, and by what it is judged.
pub(crate) struct Bench {
    budgets: Budgets,
    only: Vec<String>,
    json: bool,
    test: bool,
    rows: Vec<Row>,
    /// Tables and lines that stand below.
    notes: Vec<String>,
    /// What the bare libraries take for one analysed frame, in microseconds.
    frame_us: Option<f64>,
    used: Vec<&'static str>,
    /// The model is a test's.
    stand_in: bool,
}

impl Bench {
    /// Reads the budget and the command line.
    pub(crate) fn new() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let only = words.iter().filter(|word| !word.starts_with('-')).cloned().collect();
        let budgets = toml::from_str(include_str!("../budget.toml")).expect("it is TOML");
        Self {
            budgets,
            only,
            json: words.iter().any(|word| word == "--json"),
            test: is_test(),
            rows: Vec::new(),
            notes: Vec::new(),
            frame_us: None,
            used: Vec::new(),
            stand_in: model::config(1).model.starts_with(model::TEST_MODELS),
        }
    }

    /// Tells whether a stage was asked for; all are where none was named.
    pub(crate) fn wants(&self, stage: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| stage.contains(word.as_str()))
    }

    /// `full`, or as little as shows that it works.
    pub(crate) fn turns(&self, full: usize) -> usize {
        if self.test { 1 } else { full }
    }

    /// Puts a line below the table.
    pub(crate) fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Says what decoding and inferring a frame costs with the bare libraries.
    pub(crate) fn set_frame(&mut self, us: f64) {
        self.frame_us = Some(us).filter(|_| !self.stand_in);
    }

    /// Lets ours and bare take turns; each closure does its work and says for how many frames.
    pub(crate) fn compare(
        &mut self,
        plan: Plan,
        mut ours: impl FnMut() -> usize,
        mut bare: impl FnMut() -> usize,
    ) {
        let least = if self.test { 0.0 } else { TURN_SECONDS };
        let repeats =
            (repeats(least, plan.clock, &mut ours), repeats(least, plan.clock, &mut bare));
        // As much work for both, so that it lasts as long.
        let repeats = repeats.0.max(repeats.1);
        let mut odd = false;
        self.pairs(plan, || {
            // Whoever is second finds the caches as the first one left them: change places.
            odd = !odd;
            if odd {
                let first = turn(plan.clock, repeats, &mut ours);
                (first, turn(plan.clock, repeats, &mut bare))
            } else {
                let first = turn(plan.clock, repeats, &mut bare);
                (turn(plan.clock, repeats, &mut ours), first)
            }
        });
    }

    /// As [`Bench::compare`], for what measures by itself: microseconds of ours and of bare.
    /// Gives the middle of the latter.
    pub(crate) fn pairs(&mut self, plan: Plan, mut measure: impl FnMut() -> (f64, f64)) -> f64 {
        let budget = plan.key.map(|key| {
            self.used.push(key);
            *self.budgets.ratio_max.get(key).unwrap_or_else(|| panic!("no budget for {key}"))
        });
        let is_moot = |key| self.stand_in && NEEDS_MODEL.contains(&key);
        let budget = budget.filter(|_| !plan.key.is_some_and(is_moot));
        let turns = self.turns(plan.turns);
        let mut pairs: Vec<(f64, f64)> = (0..turns).map(|_| measure()).collect();
        let mut against = against(&pairs);
        // Chance puts one run in many a little over: look longer before saying so.
        if budget.is_some_and(|budget| against.is_over(budget)) && !self.test {
            pairs.extend((0..2 * turns).map(|_| measure()));
            against = self::against(&pairs);
        }
        let us = median(&mut pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
        let bare = median(&mut pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
        self.rows.push(Row { title: plan.title.to_owned(), us, against, budget });
        bare
    }

    /// What ours cost more than bare in the row before, as a share of a frame's cost: where a stage
    /// is a two-thousandth of a frame, the ratio of two figures so small is mostly chance.
    pub(crate) fn extra(&mut self, title: &str, key: &'static str) {
        self.used.push(key);
        let budget = self.budgets.share_max.get(key).copied();
        let budget = Some(budget.unwrap_or_else(|| panic!("no budget for {key}")));
        let Some(Row { us, against: Against::Bare { us: bare, .. }, .. }) = self.rows.last() else {
            panic!("{key}: no row with a bare library stands before")
        };
        let (title, us) = (title.to_owned(), (us - bare).max(0.0));
        self.rows.push(Row { title, us, against: Against::Frame, budget });
    }

    /// For what no library does: its share of a frame's cost is judged.
    pub(crate) fn alone(&mut self, plan: Plan, mut ours: impl FnMut() -> usize) -> f64 {
        let budget = plan.key.map(|key| {
            self.used.push(key);
            *self.budgets.share_max.get(key).unwrap_or_else(|| panic!("no budget for {key}"))
        });
        let us = self.time(plan.clock, plan.turns, &mut ours);
        self.rows.push(Row { title: plan.title.to_owned(), us, against: Against::Frame, budget });
        us
    }

    /// Microseconds a frame, nothing added to the table.
    pub(crate) fn time(
        &self,
        clock: ClockId,
        turns: usize,
        mut ours: impl FnMut() -> usize,
    ) -> f64 {
        let repeats = repeats(if self.test { 0.0 } else { TURN_SECONDS }, clock, &mut ours);
        let turns = self.turns(turns);
        median(&mut (0..turns).map(|_| turn(clock, repeats, &mut ours)).collect::<Vec<_>>())
    }

    /// Prints everything; fails where something is over its budget.
    pub(crate) fn finish(mut self) -> ExitCode {
        if self.stand_in {
            let moot = "not judged for want of models/keng.onnx: infer, pipeline, shares";
            self.note(format!("\n{moot}"));
        }
        if self.only.is_empty() {
            let named = self.budgets.ratio_max.keys().chain(self.budgets.share_max.keys());
            let idle: Vec<_> = named.filter(|key| !self.used.contains(&key.as_str())).collect();
            assert!(idle.is_empty(), "budgets that nothing is held against: {idle:?}");
        }
        let judged = !self.test && cfg!(not(debug_assertions));
        let report = report::Report {
            rows: &self.rows,
            notes: &self.notes,
            frame_us: self.frame_us,
            judged,
        };
        if report.print(self.json) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Against {
    fn is_over(self, budget: f64) -> bool {
        matches!(self, Self::Bare { ratio, .. } if ratio > budget)
    }
}

/// Returns the number of times to do `work` so that it takes long enough; does it a first time.
fn repeats(least: f64, clock: ClockId, work: &mut impl FnMut() -> usize) -> usize {
    let mut repeats = 1;
    loop {
        let start = seconds(clock);
        for _ in 0..repeats {
            assert!(work() > 0, "nothing was done");
        }
        if seconds(clock) - start >= least {
            return repeats;
        }
        repeats *= 2;
    }
}

/// Microseconds a frame.
fn turn(clock: ClockId, repeats: usize, work: &mut impl FnMut() -> usize) -> f64 {
    let start = seconds(clock);
    let frames: usize = (0..repeats).map(|_| work()).sum();
    (seconds(clock) - start) * 1e6 / frames as f64
}

fn against(pairs: &[(f64, f64)]) -> Against {
    let mut ratios: Vec<f64> = pairs.iter().map(|(ours, bare)| ours / bare).collect();
    let ratio = median(&mut ratios);
    // The order statistics that the true median lies between 19 times in 20.
    let (middle, reach) = (ratios.len() / 2, ratios.len().isqrt());
    let above = ratios[(middle + reach).min(ratios.len() - 1)];
    let spread = (above - ratios[middle.saturating_sub(reach)]) / 2.0;
    let us = median(&mut pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    Against::Bare { us, ratio, spread }
}
