//! The cost of each stage for a frame, beside the bare library for the same work in the same run.
//!
//! `cargo bench --bench stages` measures everything; words after `--` choose stages by name, and
//! `--json` adds the figures as a last line for machines. Fails where our own part is over the
//! budget in `benches/budget.toml`. With `-- --test` everything runs once, and nothing is judged.
//!
//! Ours and bare take turns, on the same input, and their ratio is the middle of the turns'
//! ratios: what else the machine does falls on both. Processor time is measured wherever nothing
//! waits for a disk.

mod stage;
mod support {
    pub(crate) mod clips;
    pub(crate) mod measure;
    pub(crate) mod middle;
    pub(crate) mod model;
    pub(crate) mod scene;
}

use std::process::ExitCode;

use stage::bench::Bench;

/// Adds its rows.
type Measure = fn(&mut Bench);

fn main() -> ExitCode {
    let mut bench = Bench::new();
    let stages: [(&str, Measure); 9] = [
        ("depacketise", stage::depacketise::measure),
        ("decode", stage::decode::measure),
        ("network", stage::network::measure),
        ("postprocess", stage::postprocess::measure),
        ("core", stage::core::measure),
        ("crowd", stage::core::measure_crowds),
        // Before the outbox, whose database has threads that count as ours.
        ("pipeline", stage::pipeline::measure),
        ("outbox", stage::outbox::measure),
        ("group", stage::outbox::measure_groups),
    ];
    for (name, measure) in stages {
        if bench.wants(name) {
            measure(&mut bench);
        }
    }
    bench.finish()
}
