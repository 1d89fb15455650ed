//! Reloading: a changed file is noticed, a wrong one changes nothing, and only what changed is
//! touched. Documents: they have every key of the rules as it is declared.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use keng::config;
use keng::config::Changes;
use keng::config::ConfigWatch;
use keng::config::Reload;
use keng::config::Settings;
use keng::rule;
use keng::rule::key::KeyValue;
use keng::rule::key::RuleKey;
use keng::ward::Id;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const EXAMPLE: &str = include_str!("../config/example.toml");
const DEADLINE: Duration = Duration::from_secs(30);

struct Watched {
    path: PathBuf,
    hangups: mpsc::Sender<()>,
    reloads: mpsc::Receiver<Reload>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn watched() -> Watched {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keng.toml");
    std::fs::write(&path, EXAMPLE).unwrap();
    let (hangups, hangups_in) = mpsc::channel(1);
    let (reloads_out, reloads) = mpsc::channel(1);
    let shutdown = CancellationToken::new();
    let watch = ConfigWatch::new(&path);
    let task = tokio::spawn(watch.run(hangups_in, reloads_out, shutdown.clone()));
    Watched { path, hangups, reloads, shutdown, task, _folder: folder }
}

impl Watched {
    async fn reload(&mut self) -> Reload {
        let reload = tokio::time::timeout(DEADLINE, self.reloads.recv()).await;
        reload.expect("a reload before the deadline").expect("the watch goes on")
    }

    async fn good(&mut self) -> Settings {
        match self.reload().await {
            Reload::Good(settings, _) => *settings,
            Reload::Bad(faults) => panic!("{faults}"),
        }
    }
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_a_wrong_one_is_reported_with_its_line() {
    let mut watched = watched();
    std::fs::write(&watched.path, EXAMPLE.replace("dwell_s = 120", "dwell_s = 90")).unwrap();
    let settings = watched.good().await;
    assert_eq!(settings.rules.loitering.dwell, Duration::from_secs(90));

    std::fs::write(&watched.path, EXAMPLE.replace("dwell_s = 120", "dwell_s = -1")).unwrap();
    let Reload::Bad(faults) = watched.reload().await else { panic!("it was taken") };
    let line = EXAMPLE.lines().position(|line| line == "dwell_s = 120").unwrap() + 1;
    let expected = format!("keng.toml:{line}:11: rule.loitering.dwell_s: -1 is out of range");
    assert!(faults.to_string().contains(&expected), "{faults}");

    let new = watched.path.with_extension("new");
    std::fs::write(&new, EXAMPLE).unwrap();
    std::fs::rename(&new, &watched.path).unwrap();
    assert_eq!(watched.good().await.rules.loitering.dwell, Duration::from_secs(120));
}

#[tokio::test]
async fn a_hangup_is_answered_even_where_nothing_changed() {
    let mut watched = watched();
    watched.hangups.send(()).await.unwrap();
    assert_eq!(watched.good().await.cameras.len(), 2);
    std::fs::remove_file(&watched.path).unwrap();
    watched.hangups.send(()).await.unwrap();
    let Reload::Bad(faults) = watched.reload().await else { panic!("it was taken") };
    assert!(faults.to_string().contains("can't be read"), "{faults}");
}

#[tokio::test]
async fn the_watch_ends_when_it_is_told_to() {
    let watched = watched();
    watched.shutdown.cancel();
    tokio::time::timeout(DEADLINE, watched.task).await.unwrap().unwrap();
}

fn settings(text: &str) -> Settings {
    let around = config::Surroundings {
        file: Path::new("x.toml"),
        base_dir: Path::new("/etc/keng"),
        binary_dir: None,
        env: &|_| None,
        now: keng::time::Wall(0),
    };
    config::parse(text, &around).unwrap().settings
}

fn changes(from: &str, to: &str) -> Changes {
    assert!(EXAMPLE.contains(from), "{from}");
    config::diff(&settings(EXAMPLE), &settings(&EXAMPLE.replace(from, to)))
}

#[test]
fn a_change_touches_only_its_cameras() {
    let hem = Id::new("hem-42").unwrap();
    let market = Id::new("cho-nho").unwrap();
    let only = |cameras: &[&Id]| Changes {
        cameras_changed: cameras.iter().copied().cloned().collect(),
        ..Changes::default()
    };
    assert!(changes("Every key", "Each key").is_empty());
    assert_eq!(changes("192.0.2.14", "192.0.2.16"), only(&[&hem]));
    assert_eq!(changes("[0.9, 0.5]", "[0.8, 0.5]"), only(&[&hem]));
    assert_eq!(changes("dwell_s = 120", "dwell_s = 90"), only(&[&hem, &market]));
    assert_eq!(changes("Khu phố 4", "Khu phố Bốn"), only(&[&market]));
    assert_eq!(changes("threads = 2", "threads = 3").restart_needed, ["detector"]);
    assert_eq!(changes("Phường 14", "Phường 15").restart_needed, ["ward"]);
}

#[test]
fn cameras_come_and_go() {
    let start = EXAMPLE.rfind("[[camera]]").unwrap();
    let one = EXAMPLE[..start].replace("neighbours = [\"cho-nho\"]\n", "");
    let fewer = config::diff(&settings(EXAMPLE), &settings(&one));
    assert_eq!(fewer.cameras_removed, [Id::new("cho-nho").unwrap()]);
    assert_eq!(fewer.cameras_changed, [Id::new("hem-42").unwrap()]);
    let more = config::diff(&settings(&one), &settings(EXAMPLE));
    assert_eq!(more.cameras_added, [Id::new("cho-nho").unwrap()]);
    assert_eq!(more.cameras_removed, []);
}

#[test]
fn the_default_file_has_each_key_of_the_rules_with_its_default() {
    let file: toml::Table = config::DEFAULT_TOML.parse().unwrap();
    let written = file["rule"].as_table().unwrap();
    let mut rules = rule::Config::default();
    let sections = rules.sections();
    let names = |table: &toml::Table| table.keys().cloned().collect::<BTreeSet<_>>();
    let expected = sections.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(written), expected, "sections of [rule]");
    for (name, keys) in &sections {
        let written = written[*name].as_table().unwrap();
        let expected = keys.iter().map(|key| key.name.to_owned()).collect();
        assert_eq!(names(written), expected, "keys of [rule.{name}]");
        for key in keys {
            let default: toml::Table = format!("key = {}", key.value).parse().unwrap();
            assert_eq!(written[key.name], default["key"], "rule.{name}.{}", key.name);
        }
    }
}

#[test]
fn the_default_file_describes_each_key_of_the_rules() {
    let begin = config::DEFAULT_TOML.find("\n[rule.").unwrap();
    let end = config::DEFAULT_TOML.find("\n[incident]").unwrap();
    // A key that an earlier section describes means the same in a later one.
    let mut described = BTreeSet::new();
    let mut before = "";
    for line in config::DEFAULT_TOML[begin..end].lines() {
        if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            if before.starts_with("# ") {
                described.insert(key);
            }
            assert!(described.contains(key), "{key} is not described");
        }
        assert!(!before.starts_with("[rule.") || line.starts_with("# "), "{before} says nothing");
        before = line;
    }
    assert!(described.contains("dwell_s") && described.contains("clock_s"));
}

/// The form of a key's value in `/api/cameras`.
fn form(key: &RuleKey<'_>) -> Value {
    let mut form = match &key.value {
        KeyValue::Flag(_) => json!({ "type": "boolean" }),
        KeyValue::Share(_) => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        KeyValue::Count(_, bounds) => {
            json!({ "type": "integer", "minimum": bounds.start(), "maximum": bounds.end() })
        }
        KeyValue::Seconds(..) | KeyValue::Days(..) => json!({ "type": "number", "minimum": 0 }),
        KeyValue::Night(_) => json!({ "type": "string" }),
    };
    form["description"] = json!(key.about);
    form
}

#[test]
fn the_interface_documents_each_key_of_the_rules() {
    let document: Value = serde_json::from_str(include_str!("../docs/openapi.json")).unwrap();
    let documented = &document["components"]["schemas"]["configured"]["properties"]["rules"];
    let mut rules = rule::Config::default();
    let sections = rules.sections();
    let names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
    assert_eq!(documented["required"], json!(names));
    for (name, keys) in &sections {
        let form = |key: &RuleKey<'_>| (key.name.to_owned(), form(key));
        let properties: serde_json::Map<_, _> = keys.iter().map(form).collect();
        let required: Vec<&str> = keys.iter().map(|key| key.name).collect();
        let expected = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        assert_eq!(documented["properties"][*name], expected, "{name} must be {expected:#}");
    }
}

#[test]
fn each_kind_has_a_rule_with_what_is_tuned() {
    let mut rules = rule::Config::default();
    for kind in rule::RuleKind::ALL {
        let keys: Vec<&str> = rules.section(kind.section()).iter().map(|key| key.name).collect();
        assert!(keys.contains(&"enabled"), "{kind:?} has no section {}", kind.section());
        if let Some(tuning) = kind.tuning() {
            assert!(keys.contains(&"confidence_min") && keys.contains(&tuning.lasts_key));
        }
    }
}
