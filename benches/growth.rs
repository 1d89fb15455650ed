//! The growth of cost with what there is more of: each series measured, with its slope.
//!
//! `make growth`, or words after `--` to choose series by name; `STORED=1000000` for as many stored
//! alerts. A slope of 1 is proportional, 0 is constant: it is the exponent between the last two
//! points. Times are the least of many turns, of this thread's processor time (of the clock's,
//! where a disk is waited for), so that other work beside disturbs little. Writes the curves as
//! `growth.svg` below Cargo's target folder. Judges nothing; once each with `-- --test`.

#![expect(clippy::print_stdout, reason = "a benchmark reports")]

mod grow {
    pub(crate) mod core;
    pub(crate) mod plot;
    pub(crate) mod store;
    pub(crate) mod video;
}
mod support {
    pub(crate) mod measure;
    pub(crate) mod scene;
}

use grow::core;
use grow::plot;
use grow::store;
use grow::video;
use support::measure::ClockId;
use support::measure::is_test;
use support::measure::seconds;

/// A turn is at least this long, so that reading clocks doesn't count.
const TURN_SECONDS: f64 = 0.002;
const TURNS: usize = 15;
/// After as long, three turns do.
const LONG_SECONDS: f64 = 1.0;

/// What was measured over something that grows.
pub(crate) struct Series {
    /// What costs.
    pub(crate) title: &'static str,
    /// What there is more of.
    pub(crate) over: &'static str,
    /// The size, and microseconds.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Series {
    /// Measures `make(n)`'s work for each of `sizes`.
    pub(crate) fn new<W: FnMut()>(
        (title, over): (&'static str, &'static str),
        sizes: &[usize],
        mut make: impl FnMut(usize) -> W,
    ) -> Self {
        let mut point = |size: usize| (size as f64, least_us(ClockId::ThreadCPUTime, make(size)));
        let sizes = if is_test() { &sizes[..2] } else { sizes };
        Self { title, over, points: sizes.iter().map(|size| point(*size)).collect() }
    }

    /// The exponent between the last two points.
    fn slope(&self) -> Option<f64> {
        let [.., (few, cheap), (many, dear)] = self.points[..] else { return None };
        (few > 0.0 && cheap > 0.0).then(|| (dear / cheap).ln() / (many / few).ln())
    }

    fn tell(&self) {
        let points: Vec<String> =
            self.points.iter().map(|(size, us)| format!("{size}: {us:.1}")).collect();
        let slope = self.slope().map_or("-".to_owned(), |slope| format!("{slope:.2}"));
        println!("| {} | {} | {} | {slope} |", self.title, self.over, points.join(", "));
    }
}

/// Microseconds of one call, in the least disturbed of some turns.
pub(crate) fn least_us(clock: ClockId, mut once: impl FnMut()) -> f64 {
    let (turns, lasts) = if is_test() { (1, 0.0) } else { (TURNS, TURN_SECONDS) };
    let mut repeats = 1u32;
    let mut turn = |repeats: u32| {
        let start = seconds(clock);
        (0..repeats).for_each(|_| once());
        seconds(clock) - start
    };
    while turn(repeats) < lasts {
        repeats *= 2;
    }
    let mut least = f64::INFINITY;
    let mut spent = 0.0;
    for number in 0..turns {
        let took = turn(repeats);
        (least, spent) = (least.min(took / f64::from(repeats)), spent + took);
        // What takes so long is disturbed as much in each turn.
        if spent > LONG_SECONDS && number >= 2 {
            break;
        }
    }
    least * 1e6
}

/// Gives the series of one part.
type Measure = fn() -> Vec<Series>;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with('-')).collect();
    let parts: [(&str, Measure); 6] = [
        ("detections", core::detections),
        ("zones", core::zones),
        ("incidents", core::incidents),
        ("cameras", core::cameras),
        ("stored", store::stored),
        ("video", video::video),
    ];
    println!("| what, µs | over | | slope |\n| --- | --- | --- | --- |");
    let mut all = Vec::new();
    for (name, measure) in parts {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            let found = measure();
            found.iter().for_each(Series::tell);
            all.extend(found);
        }
    }
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("growth.svg");
    std::fs::write(&file, plot::curves(&all).expect("text can be written"))?;
    println!("\ncurves: {}", file.display());
    Ok(())
}
