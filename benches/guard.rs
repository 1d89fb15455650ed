//! The costs that must not grow unnoticed, counted instead of timed: a busy machine changes
//! nothing.
//!
//! `make guard` counts, for each piece of the hot loop, instructions (by Valgrind's callgrind) and
//! allocations (by a counting allocator), and fails where either is over `benches/budget.toml`.
//! Without Valgrind the instructions are skipped, and said so. It is part of `make test`, whose
//! build it judges: `cargo bench --bench guard` shows what an optimised one takes, unjudged.
//!
//! Under Valgrind this program runs itself again with `--run`. There is no network in there: ONNX
//! Runtime uses instructions that Valgrind does not know.

#![expect(clippy::print_stdout, reason = "a bench tells its figures")]

mod count {
    pub(crate) mod callgrind;
    pub(crate) mod frames;
    pub(crate) mod work;
}
mod support {
    pub(crate) mod clips;
    pub(crate) mod model;
    pub(crate) mod scene;
}

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Deserialize;

use count::callgrind;
use count::frames;
use count::work;

/// Done before anything is counted: buffers get their size.
const WARM_UP: usize = 320;
/// Done while allocations are counted.
const COUNTED: usize = 300;
/// Done under Valgrind, a fiftieth as fast.
const TRACED: usize = 60;

/// What an optimised build has no budget for.
const INSTRUCTIONS: &str = "instructions";

/// `benches/budget.toml`, as far as it is meant for this.
#[derive(Debug, Deserialize)]
struct Budgets {
    guard: Guard,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Guard {
    /// So many times the budget may be found: compilers differ.
    instructions_tolerance: f64,
    /// As `make test` builds.
    instructions: BTreeMap<String, f64>,
    /// On average.
    allocations_max: BTreeMap<String, f64>,
}

/// One piece: what was counted for one frame (or packet, or alert), and what it may be.
struct Row {
    name: &'static str,
    what: &'static str,
    found: f64,
    most: Option<f64>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--run") {
        for (_, mut once) in work::all() {
            (0..TRACED).for_each(|_| once());
        }
        return ExitCode::SUCCESS;
    }
    let Budgets { guard: budget } =
        toml::from_str(include_str!("budget.toml")).expect("it is TOML");
    let mut rows = Vec::new();
    for (name, mut once) in work::all().into_iter().chain(frames::all()) {
        (0..WARM_UP).for_each(|_| once());
        let counted = allocation_counter::measure(|| (0..COUNTED).for_each(|_| once()));
        let found = f64::from(u32::try_from(counted.count_total).unwrap_or(u32::MAX));
        let most = budget.allocations_max.get(name).copied();
        rows.push(Row { name, what: "allocations", found: found / COUNTED as f64, most });
    }
    match callgrind::count(work::NAMES) {
        Ok(counted) => rows.extend(counted.into_iter().map(|(name, found)| {
            let most = budget.instructions.get(name);
            let most = most.map(|most| most * budget.instructions_tolerance);
            Row { name, what: INSTRUCTIONS, found, most }
        })),
        Err(callgrind::Missing(why)) => println!("skipped: instruction counts ({why})"),
    }
    tell(&rows)
}

/// Prints everything; fails where something is over its budget, or has none.
fn tell(rows: &[Row]) -> ExitCode {
    let mut over = 0;
    println!("{:<14}{:<16}{:>14}{:>14}", "piece", "counted", "found", "at most");
    for Row { name, what, found, most } in rows {
        let most_text = most.map_or("none".to_owned(), |most| format!("{most:.1}"));
        let verdict = match most {
            _ if *what == INSTRUCTIONS && cfg!(not(debug_assertions)) => "not judged",
            Some(most) if found <= most => "ok",
            Some(_) => "OVER",
            None => "NO BUDGET",
        };
        over += usize::from(matches!(verdict, "OVER" | "NO BUDGET"));
        println!("{name:<14}{what:<16}{found:>14.1}{most_text:>14}  {verdict}");
    }
    if over == 0 {
        return ExitCode::SUCCESS;
    }
    println!("\n{over} over budget (benches/budget.toml, [guard])");
    ExitCode::FAILURE
}
