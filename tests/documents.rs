//! The promises of the documents, checked: commands, targets, files, the alert's form.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keng::metrics::Metrics;
use keng::metrics::Stage;
use serde_json::Value;
use serde_json::json;

/// The documents at the top, and every one in `docs/`.
fn documents() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).expect("there is a folder docs");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name());
    let names = names.map(|name| name.into_string().expect("names are UTF-8"));
    let below = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    let top =
        ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "models/README.md"];
    let mut all: Vec<String> = top.map(str::to_owned).into_iter().chain(below).collect();
    all.sort();
    all
}

/// Folders whose files the documents name; other paths in backticks may be a user's.
const FOLDERS: &[&str] = &[
    "assets",
    "benches",
    "config",
    "crates",
    "docs",
    "models",
    "packaging",
    "src",
    "tests",
    "tools",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between single backticks, code blocks left out.
fn inline_code(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let outside = text.split("```").step_by(2);
    for part in outside {
        spans.extend(part.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    spans
}

/// The targets of links, without anchors and without addresses on the net.
fn linked_files(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.starts_with("http") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target))
        .collect()
}

/// The words after `program` in the text, such as the targets after `make`.
fn words_after(text: &str, program: &str) -> BTreeSet<String> {
    let spans = inline_code(text);
    let blocks = text.split("```sh").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(str::to_owned);
    spans
        .into_iter()
        .chain(lines)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(program)).then(|| words.next().map(str::to_owned)).flatten()
        })
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        .collect()
}

/// Commands that a list of what is missing names, behind `- [ ]`.
fn announced(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with("- [ ]"));
    lines.flat_map(|line| words_after(line, "keng")).collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    for document in &documents() {
        let text = read(document);
        let folder = Path::new(document).parent().unwrap_or(Path::new(""));
        for target in linked_files(&text) {
            if !root().join(folder).join(target).exists() {
                missing.push(format!("{document}: {target}"));
            }
        }
        for span in inline_code(&text) {
            let first = span.split('/').next().unwrap_or_default();
            let path = span.contains('/') && FOLDERS.contains(&first) && !span.contains(' ');
            // Source files are named as the modules are, without their folder.
            let source = span.ends_with(".rs");
            let crates = ["core", "runtime", "media", "store", "testkit"];
            let mut folders = crates.map(|name| format!("crates/{name}/src")).to_vec();
            folders.extend(["", "src"].map(str::to_owned));
            let there = folders.iter().any(|folder| root().join(folder).join(&span).exists());
            if (path || source) && !there {
                missing.push(format!("{document}: {span}"));
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there:\n{}", missing.join("\n"));
}

#[test]
fn every_target_that_a_document_names_is_in_the_makefile() {
    let makefile = read("Makefile");
    for document in &documents() {
        for target in words_after(&read(document), "make") {
            let rule = format!("\n{target}:");
            assert!(makefile.contains(&rule), "{document} names `make {target}`");
        }
    }
}

#[test]
fn every_test_program_that_a_document_names_is_there() {
    for document in &documents() {
        let text = read(document);
        for command in inline_code(&text).iter().filter(|span| span.starts_with("cargo ")) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let after = |flag: &str| {
                let at = words.iter().position(|word| *word == flag)?;
                words.get(at + 1).copied()
            };
            let home = match after("-p") {
                Some(package) => format!("crates/{}/", package.trim_start_matches("keng-")),
                None => String::new(),
            };
            for (flag, folder) in [("--test", "tests"), ("--bench", "benches")] {
                let Some(name) = after(flag) else { continue };
                let path = root().join(format!("{home}{folder}/{name}"));
                let there = path.with_extension("rs").exists() || path.join("main.rs").exists();
                assert!(there, "{document} names `{command}`");
            }
        }
    }
}

#[test]
fn every_command_that_a_document_names_is_there() {
    let readme = read("README.md");
    let later = announced(&readme);
    for document in &documents() {
        for command in words_after(&read(document), "keng") {
            if later.contains(&command) {
                continue;
            }
            let help = Command::new(env!("CARGO_BIN_EXE_keng")).args([&command, "--help"]).output();
            let help = help.expect("the binary was built for this test and starts");
            assert!(help.status.success(), "{document} names `keng {command}`: {help:?}");
        }
    }
}

#[test]
fn every_metric_that_a_document_names_is_there() {
    let metrics = Metrics::new();
    metrics.flow("hem-42", Stage::Decode).taken.inc();
    metrics.timer(Stage::Decode).observe(Duration::from_millis(1));
    metrics.camera_up("hem-42").set(1);
    metrics.camera_sessions("hem-42").inc();
    metrics.outlet("webhook/chat").delivered.inc();
    let text = metrics.encode().expect("metrics are text");
    for document in &documents() {
        for span in inline_code(&read(document)) {
            let name = span.split('{').next().unwrap_or_default();
            let there = text.lines().any(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            });
            assert!(!name.starts_with("keng_") || there, "{document} names {name}:\n{text}");
        }
    }
}

#[test]
fn the_change_log_knows_this_version() {
    let heading = format!("\n## {}", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").contains(&heading), "CHANGELOG.md has no {heading:?}");
}

#[test]
fn what_a_clone_needs_is_there() {
    for path in [
        ".ci/run",
        "LICENSE",
        "clippy.toml",
        "config/alert.schema.json",
        "config/default.toml",
        "config/example.toml",
        "deny.toml",
        "packaging/keng.service",
        "rustfmt.toml",
        "tools/setup/setup.sh",
    ] {
        assert!(root().join(path).is_file(), "{path} is not there");
    }
}

/// The alert that `docs/mqtt.md` shows.
fn documented_alert() -> Value {
    let text = read("docs/mqtt.md");
    let block = text.split("```json").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("docs/mqtt.md shows an alert as a json block");
    serde_json::from_str(block).expect("the alert of docs/mqtt.md is JSON")
}

fn alert_schema() -> jsonschema::Validator {
    let schema: Value =
        serde_json::from_str(&read("config/alert.schema.json")).expect("the schema is JSON");
    jsonschema::draft202012::new(&schema).expect("the schema is one of draft 2020-12")
}

#[test]
fn the_documented_alert_has_the_form_of_the_schema() {
    let alert = documented_alert();
    let errors: Vec<String> = alert_schema()
        .iter_errors(&alert)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn the_schema_refuses_what_is_no_alert() {
    let schema = alert_schema();
    let good = documented_alert();
    for (pointer, wrong) in [
        ("/schema", json!("keng.alert/2")),
        ("/sequence", json!(0)),
        ("/id", json!("a/b")),
        ("/revision", json!(0)),
        ("/ward", json!("alert")),
        ("/khu_pho", json!("KP3")),
        ("/kind", json!("flood")),
        ("/severity", json!("high")),
        ("/state", json!("closed")),
        ("/state", json!("expired")),
        ("/state", json!("acknowledged")),
        ("/opened_at", json!("2026-11-21T22:14:03Z")),
        ("/opened_at", json!("2026-11-21 22:14:03.120+07:00")),
        ("/closed_at", json!("2026-11-21T22:14:03.120+07:00")),
        ("/message", json!("")),
        ("/cameras", json!([])),
        ("/cameras/0/box", json!([0.1, 0.2, 0.3])),
        ("/cameras/0/box/0", json!(1.1)),
        ("/cameras/0/confidence", json!(2)),
        ("/cameras/0/latitude", json!(91)),
        ("/fire_points/0/kind", json!("ladder")),
        ("/fire_points/0/distance_m", json!(-1)),
        ("/reports", json!([{ "by": "x" }])),
        ("/dwell_s", json!(12)),
        ("/acknowledged", json!({ "by": "x" })),
        ("/team", json!({ "name": "" })),
        ("/escalated_at", json!("yesterday")),
        ("/siren", json!({ "state": "loud" })),
        ("/held_back", json!(-1)),
        ("/merged_into", json!("20261121t151403120z-hem-44")),
        ("/exercise", json!(null)),
        ("/model/sha256", json!("abc")),
        ("/latency_ms/store", json!("1.1")),
    ] {
        let mut alert = good.clone();
        *alert.pointer_mut(pointer).expect("the documented alert has every key") = wrong.clone();
        assert!(!schema.is_valid(&alert), "{pointer} may not be {wrong}");
    }
    for key in good.as_object().expect("an alert is an object").keys() {
        let mut alert = good.clone();
        alert.as_object_mut().expect("an alert is an object").remove(key);
        assert!(!schema.is_valid(&alert), "{key} may not be absent");
    }
    let mut alert = good;
    alert.as_object_mut().expect("an alert is an object").insert("extra".into(), json!(1));
    assert!(!schema.is_valid(&alert), "there are no other keys");
}

#[test]
fn the_readers_of_documents_find_what_they_must() {
    let text = "`src/a.rs` and `make demo`\n```sh\nmake test # all\nkeng run --config x\n```\n\
                [b](docs/b.md#c) [d](https://d) `keng check --config FILE` `keng probe`\n\
                - [ ] `keng later`";
    assert_eq!(words_after(text, "make"), ["demo", "test"].map(str::to_owned).into());
    let commands = ["check", "later", "probe", "run"].map(str::to_owned);
    assert_eq!(words_after(text, "keng"), commands.into());
    assert_eq!(announced(text), ["later".to_owned()].into());
    assert_eq!(linked_files(text), ["docs/b.md"]);
    assert_eq!(inline_code(text).len(), 5);
}
