//! The documents' tables of measured figures agree with the one file that the programs which
//! measured them have written, `docs/results.json`.
//!
//! A table stands between `<!-- results: NAME -->` and `<!-- end of results -->`. `make figures`
//! writes all of them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

/// The documents that have such tables.
const DOCUMENTS: [&str; 4] =
    ["README.md", "docs/measured.md", "docs/performance.md", "models/README.md"];
const BEGIN: &str = "<!-- results: ";
const END: &str = "<!-- end of results -->";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn results() -> Value {
    serde_json::from_str(&read("docs/results.json")).expect("docs/results.json is JSON")
}

#[test]
fn documents_agree_with_the_recorded_results() {
    let tables = tables(&results());
    let rewrite = std::env::var_os("KENG_REWRITE_FIGURES").is_some();
    let mut differing = Vec::new();
    let mut used = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let renewed =
            renew(&text, &tables, &mut used).unwrap_or_else(|why| panic!("{document}: {why}"));
        if renewed != text && rewrite {
            fs::write(root().join(document), &renewed).expect("the document can be written");
        } else if renewed != text {
            differing.push(document);
        }
    }
    assert!(differing.is_empty(), "not as docs/results.json says: {differing:?}; run make figures");
    let unused: Vec<_> = tables.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "no document shows {unused:?}");
}

#[test]
fn a_changed_figure_is_found() {
    let tables = BTreeMap::from([("cost", "| 11.6 |".to_owned())]);
    let text = format!("before\n{BEGIN}cost -->\n| 12.0 |\n{END}\nafter\n");
    let mut used = Vec::new();
    let renewed = renew(&text, &tables, &mut used).unwrap();
    assert_eq!(renewed, format!("before\n{BEGIN}cost -->\n\n| 11.6 |\n\n{END}\nafter\n"));
    assert_eq!(renew(&renewed, &tables, &mut used).unwrap(), renewed);
    let unknown = format!("{BEGIN}costs -->\n{END}\n");
    assert!(renew(&unknown, &tables, &mut used).unwrap_err().contains("costs"));
    let open = format!("{BEGIN}cost -->\n");
    assert!(renew(&open, &tables, &mut used).unwrap_err().contains("no end"));
}

/// Returns the text with every table between markers as `tables` has it.
fn renew(
    text: &str,
    tables: &BTreeMap<&'static str, String>,
    used: &mut Vec<&'static str>,
) -> Result<String, String> {
    let mut renewed = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, marked) = rest.split_at(at);
        let (name, inside) = marked[BEGIN.len()..]
            .split_once(" -->")
            .ok_or_else(|| "a marker is not closed".to_owned())?;
        let (name, table) = tables
            .get_key_value(name)
            .ok_or_else(|| format!("there is no table {name:?}; known: {:?}", tables.keys()))?;
        let (_, after) =
            inside.split_once(END).ok_or_else(|| format!("the table {name:?} has no end"))?;
        renewed.extend([before, BEGIN, name, " -->\n\n", table, "\n\n", END]);
        used.push(name);
        rest = after;
    }
    Ok(renewed + rest)
}

/// Every table, by name.
fn tables(results: &Value) -> BTreeMap<&'static str, String> {
    let (eval, load, bench) = (&results["eval"], &results["load"]["rated"], &results["bench"]);
    BTreeMap::from([
        ("detector-precision", precision(eval)),
        ("detector-thresholds", thresholds(eval)),
        ("detector-cost", cost(eval)),
        ("detector-clips", clips(eval)),
        ("load-rated", rated(load)),
        ("stages", stages(bench)),
        ("summary", summary(eval, load, bench)),
    ])
}

/// A table in Markdown.
struct Table(Vec<String>);

impl Table {
    fn new(head: &[&str]) -> Self {
        let rule = vec!["---"; head.len()];
        Self(vec![line(head), line(&rule)])
    }

    fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        self.0.push(line(cells));
    }

    fn finish(self, section: &Value) -> String {
        let (command, machine) = (word(&section["command"]), word(&section["machine"]));
        self.0.join("\n") + &format!("\n\nBy `{command}`; {machine}.")
    }
}

fn line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | ")).replace("|  |", "| |").replace("|  |", "| |")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// A number with so many decimals; a dash where there is none.
fn number(value: &Value, decimals: usize) -> String {
    value.as_f64().map_or("–".to_owned(), |number| format!("{number:.decimals$}"))
}

fn percent(share: &Value, decimals: usize) -> String {
    share.as_f64().map_or("–".to_owned(), |share| format!("{:.decimals$} %", share * 100.0))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

const CLASSES: [&str; 3] = ["fire", "smoke", "person"];

fn precision(eval: &Value) -> String {
    let groups = ["day", "night", "small", "medium", "large"];
    let mut head = vec!["model", "class", "boxes", "AP50", "AP50-95"];
    head.extend(groups);
    let mut table = Table::new(&head);
    for (model, of) in [("`keng.onnx`", eval), ("`keng-int8.onnx`", &eval["beside"]["int8"])] {
        for class in CLASSES {
            let mut cells = vec![model.to_owned(), class.to_owned()];
            cells.push(number(&of["boxes"][class], 0));
            cells.push(number(&of["ap50"][class], 3));
            cells.push(number(&of["ap50_95"][class], 3));
            cells.extend(groups.map(|group| number(&of["ap50_by"][group][class], 2)));
            table.row(&cells);
        }
    }
    for (name, of) in eval["beside"]["peers"].as_object().into_iter().flatten() {
        let mut cells = vec![name.clone(), "person".to_owned()];
        cells.push(number(&eval["boxes"]["person"], 0));
        cells.push(number(&of["all"]["person"], 3));
        cells.push("–".to_owned());
        cells.extend(groups.map(|group| number(&of[group]["person"], 2)));
        table.row(&cells);
    }
    table.finish(eval)
}

fn thresholds(eval: &Value) -> String {
    let mut table = Table::new(&[
        "class",
        "threshold",
        "precision",
        "recall",
        "clean pictures with a false box",
    ]);
    for class in CLASSES {
        let at = &eval["at_threshold"][class];
        let clean = number(&at["clean_pictures"], 0);
        let share = percent(&at["clean_false_alarm_share"], 1);
        table.row(&[
            class.to_owned(),
            number(&at["threshold"], 2),
            number(&at["precision"], 2),
            number(&at["recall"], 2),
            format!("{share} of {clean}"),
        ]);
    }
    table.finish(eval)
}

fn cost(eval: &Value) -> String {
    let mut table = Table::new(&["model, milliseconds a frame", "1 thread", "2 threads"]);
    for (name, ms) in eval["beside"]["cost_ms"].as_object().into_iter().flatten() {
        let cells = [format!("`{name}`"), number(&ms["threads_1"], 1), number(&ms["threads_2"], 1)];
        table.row(&cells);
    }
    table.finish(eval)
}

fn clips(eval: &Value) -> String {
    let clips = &eval["beside"]["clips"];
    let mut table = Table::new(&[
        "clip",
        "fire or smoke, alert after",
        "loitering, alert after",
        "false alerts",
    ]);
    for clip in list(&clips["each"]) {
        let after = |shown: &str, seconds: &str| match (clip[shown].as_bool(), &clip[seconds]) {
            (Some(true), Value::Null) => "never".to_owned(),
            (Some(true), seconds) => format!("{} s", number(seconds, 1)),
            _ => String::new(),
        };
        let wrong = ["false_alarms", "false_dwell"].map(|name| clip[name].as_u64().unwrap_or(0));
        let wrong: u64 = wrong.iter().sum();
        table.row(&[
            word(&clip["clip"]).to_owned(),
            after("burns", "alarm_after_s"),
            after("person", "dwell_after_s"),
            if wrong == 0 { String::new() } else { wrong.to_string() },
        ]);
    }
    let of = |name: &str| number(&clips[name], 0);
    table.finish(eval)
        + &format!(
            "\n\n{} of {} fires have an alert within 10 s; {} false alerts of fire or smoke in {} \
             s without any; {} of {} people who stay have one.",
            of("alarmed_within_10_s"),
            of("fires"),
            of("false_alarms"),
            of("fire_free_s"),
            of("people_found_staying"),
            of("people")
        )
}

fn rated(load: &Value) -> String {
    let mut table = Table::new(&[
        "cameras",
        "CPU, cameras included",
        "decode, detect, rest: CPU s a camera-minute",
        "quiet, frames/s",
        "in focus",
        "longest gap",
        "latency p50, p95, p99",
        "MiB, cameras included",
        "alerts lost",
        "promises",
    ]);
    for round in list(&load["rounds"]) {
        let spent = &round["cpu_s_per_camera_minute"];
        let broken: Vec<&str> = list(&round["broken_promises"]).iter().map(word).collect();
        let latency: Vec<String> =
            list(&round["latency_ms_p50_p95_p99"]).iter().map(|ms| number(ms, 0)).collect();
        table.row(&[
            number(&round["cameras"], 0),
            format!("{} %", number(&round["machine_percent"], 1)),
            ["decode", "detect", "rest"].map(|kind| number(&spent[kind], 2)).join(", "),
            number(&round["quiet_fps"], 2),
            format!(
                "{} of {}",
                number(&round["focus_fps"], 1),
                number(&round["focus_wanted_fps"], 1)
            ),
            format!("{} s", number(&round["longest_gap_s"], 1)),
            format!("{} ms", latency.join(", ")),
            number(&round["memory_mib"], 0),
            format!("{} of {}", number(&round["alerts_lost"], 0), number(&round["alerts_made"], 0)),
            if broken.is_empty() { "kept".to_owned() } else { broken.join("; ") },
        ]);
    }
    table.finish(load)
}

fn stages(bench: &Value) -> String {
    let mut table = Table::new(&[
        "stage",
        "ours, µs",
        "bare library, µs",
        "ratio",
        "share of a frame",
        "budget",
    ]);
    for stage in list(&bench["stages"]).iter().filter(|stage| !stage["budget"].is_null()) {
        let bare = !stage["ratio"].is_null();
        let spread = number(&stage["spread"], 3);
        let budget = &stage["budget"];
        table.row(&[
            word(&stage["stage"]).to_owned(),
            number(&stage["ours_us"], 1),
            number(&stage["bare_us"], 1),
            if bare {
                format!("{} ± {spread}", number(&stage["ratio"], 3))
            } else {
                "–".to_owned()
            },
            percent(&stage["share"], 2),
            if bare { number(budget, 2) } else { percent(budget, 2) },
        ]);
    }
    table.finish(bench)
}

fn summary(eval: &Value, load: &Value, bench: &Value) -> String {
    let mut table = Table::new(&["what", "figure", "by"]);
    let three = |of: &Value| CLASSES.map(|class| number(&of[class], 3)).join(", ");
    let beside = &eval["beside"];
    let by_eval = format!("`{}`", word(&eval["command"]));
    table.row(&[
        "detector, AP50 of fire, smoke, person",
        &format!("{}; int8 {}", three(&eval["ap50"]), three(&beside["int8"]["ap50"])),
        &by_eval,
    ]);
    let ms = |name: &str| number(&beside["cost_ms"][name]["threads_1"], 1);
    table.row(&[
        "one look of the detector, one thread",
        &format!("{} ms; int8 {} ms", ms("keng.onnx"), ms("keng-int8.onnx")),
        &by_eval,
    ]);
    let mut rounds = list(&load["rounds"]).iter().rev();
    if let Some(most) = rounds.find(|round| round["daemon"] == "keng") {
        let broken: Vec<&str> = list(&most["broken_promises"]).iter().map(word).collect();
        table.row(&[
            &format!("a ward of {} cameras on this machine", number(&most["cameras"], 0)),
            &format!(
                "{} % of the machine, cameras included; {} of {} alerts lost; promises {}",
                number(&most["machine_percent"], 1),
                number(&most["alerts_lost"], 0),
                number(&most["alerts_made"], 0),
                if broken.is_empty() { "kept".to_owned() } else { broken.join("; ") },
            ),
            &format!("`{}`", word(&load["command"])),
        ]);
    }
    let whole = list(&bench["stages"]).iter().find(|stage| {
        word(&stage["stage"]).starts_with("whole pipeline") && !stage["ratio"].is_null()
    });
    if let Some(whole) = whole {
        let over = (whole["ratio"].as_f64().unwrap_or(f64::NAN) - 1.0) * 100.0;
        let spread = whole["spread"].as_f64().unwrap_or(f64::NAN) * 100.0;
        table.row(&[
            "the whole pipeline over FFmpeg and ONNX Runtime used directly",
            &format!("{over:+.1} % ± {spread:.1} %"),
            &format!("`{}`", word(&bench["command"])),
        ]);
    }
    let machines = [eval, load, bench].map(|section| word(&section["machine"]));
    table.0.join("\n") + &format!("\n\nMachine, by row: {}.", machines.join("; "))
}
