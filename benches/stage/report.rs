//! The table, and whether something is over its budget.

#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::path::Path;

use serde_json::Value;
use serde_json::json;

use super::bench::Against;
use super::bench::Row;
use crate::support::model;
use keng_testkit::machine::machine;
use keng_testkit::results;

/// What was measured.
pub(super) struct Report<'a> {
    pub(super) rows: &'a [Row],
    pub(super) notes: &'a [String],
    /// What the bare libraries take for one analysed frame, in microseconds.
    pub(super) frame_us: Option<f64>,
    /// Tells whether the figures mean anything.
    pub(super) judged: bool,
}

impl Report<'_> {
    /// Prints it; says whether everything keeps to its budget.
    pub(super) fn print(&self, json: bool) -> bool {
        println!("made by: {}", command());
        println!("machine: {}", machine());
        println!("model:   {}", model::config(1).model.display());
        if let Some(us) = self.frame_us {
            println!("a frame: {us:.0} µs to decode, scale and infer with the bare libraries");
        }
        println!();
        let head = ["stage", "ours µs", "bare µs", "ratio", "±", "share", "budget", ""];
        println!("{}", line(&head.map(str::to_owned)));
        for row in self.rows {
            println!("{}", line(&self.cells(row)));
        }
        for note in self.notes {
            println!("{note}");
        }
        let over = self.rows.iter().filter(|row| self.verdict(row) == "OVER").count();
        if !self.judged {
            println!("\nnothing was judged: a test run, or a build without optimisation");
        } else if over > 0 {
            println!("\n{over} over budget (benches/budget.toml)");
        }
        let figures = self.to_json();
        if json {
            println!("{figures}");
        }
        if self.judged {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            results::record(root, "bench", &figures).expect("the results can be written");
        }
        over == 0
    }

    fn cells(&self, row: &Row) -> [String; 8] {
        let share = self.share(row).map(percent).unwrap_or_default();
        let (bare, ratio, spread) = match row.against {
            Against::Bare { us, ratio, spread } => {
                (format!("{us:.1}"), format!("{ratio:.3}"), format!("{spread:.3}"))
            }
            Against::Frame => Default::default(),
        };
        let budget = match (row.budget, row.against) {
            (Some(budget), Against::Bare { .. }) => format!("{budget:.2}"),
            (Some(budget), Against::Frame) => percent(budget),
            (None, _) => String::new(),
        };
        let ours = format!("{:.1}", row.us);
        let verdict = self.verdict(row).to_owned();
        [row.title.clone(), ours, bare, ratio, spread, share, budget, verdict]
    }

    fn share(&self, row: &Row) -> Option<f64> {
        match row.against {
            Against::Bare { .. } => None,
            Against::Frame => self.frame_us.map(|frame| row.us / frame),
        }
    }

    fn verdict(&self, row: &Row) -> &'static str {
        let found = match row.against {
            Against::Bare { ratio, .. } => Some(ratio),
            Against::Frame => self.share(row),
        };
        let spread = match row.against {
            Against::Bare { spread, .. } => spread,
            Against::Frame => 0.0,
        };
        match (row.budget, found) {
            (Some(_), _) if !self.judged => "not judged",
            (Some(budget), Some(found)) if found - spread > budget => "OVER",
            (Some(budget), Some(found)) if found > budget => "unclear",
            (Some(_), Some(_)) => "ok",
            (Some(_), None) => "not judged",
            (None, _) => "",
        }
    }

    fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let (bare, ratio, spread) = match row.against {
                    Against::Bare { us, ratio, spread } => (Some(us), Some(ratio), Some(spread)),
                    Against::Frame => (None, None, None),
                };
                json!({"stage": row.title, "ours_us": row.us, "bare_us": bare, "ratio": ratio,
                    "spread": spread, "share": self.share(row), "budget": row.budget,
                    "verdict": self.verdict(row)})
            })
            .collect();
        json!({"machine": machine(), "command": command(), "frame_us": self.frame_us,
            "judged": self.judged, "notes": self.notes, "stages": rows})
    }
}

fn line(cells: &[String; 8]) -> String {
    let [stage, ours, bare, ratio, spread, share, budget, verdict] = cells;
    format!("{stage:<44}{ours:>10}{bare:>10}{ratio:>8}{spread:>7}{share:>8}{budget:>8}  {verdict}")
        .trim_end()
        .to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn command() -> String {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    format!("cargo bench --bench stages -- {}", words.join(" "))
        .trim_end_matches(['-', ' '])
        .to_owned()
}
