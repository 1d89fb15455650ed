//! The exact bytes of alerts: of every revision that every scenario brings forth, and of made-up
//! incidents in which each kind, state and optional member occurs.
//!
//! Receivers compare alerts by their bytes, and a daemon reads those of an earlier version back.
//! So `alerts/NAME.jsonl` keeps one alert a line, in the order of the revisions, for each scenario
//! NAME and for the made-up incidents (`made`), in Vietnamese; `messages.en.txt` keeps the one
//! member that reads otherwise in English, its message. Nothing of it may change by accident.
//!
//! `KENG_GOLDEN=write cargo test -p keng-core --test scenarios golden` writes all files anew. That
//! is right only where the public form is meant to change, or where a scenario is new: read the
//! difference before it is committed, and say in CHANGELOG.md what receivers will see.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keng_core::alert::{AlertContext, Latency, Messages, parse};
use keng_core::detection::ModelIdentity;
use keng_core::geometry::BoundingBox;
use keng_core::incident::{Incident, Sighting};
use keng_core::time::Wall;
use keng_core::ward::{
    Coordinates, FirePoint, FirePointKind, Id, KhuPho, Language, Location, Site, Team, Ward,
};

use super::{Play, id, site};

mod made;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Compares `text` with the kept file of this name, or writes it where that is asked for. A
/// difference is told by its first line.
fn compare(name: &str, text: &str, wrong: &mut String) {
    let path = root().join("golden").join(name);
    if std::env::var_os("KENG_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == text {
        return;
    }
    let first = kept.lines().zip(text.lines()).position(|(kept, now)| kept != now);
    let line = first.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    let nth = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    writeln!(wrong, "{name}, line {}\n  kept: {}\n  now:  {}", line + 1, nth(&kept), nth(text))
        .unwrap();
}

/// The ward that the alerts tell of, with `sites` for cameras.
fn context(language: Language, sites: Vec<Site>) -> AlertContext {
    let khu_pho = |name: &str, team: Option<Team>| KhuPho {
        id: id(name),
        name: format!("Khu phố {}", name.trim_start_matches("kp")),
        team,
    };
    let fire_point = |name: &str, kind: FirePointKind, north: f64| FirePoint {
        kind,
        name: name.to_owned(),
        place: Location {
            address: name.to_owned(),
            coordinates: Some(Coordinates {
                latitude: 10.79 + north / 111_195.0,
                longitude: 106.66,
            }),
        },
    };
    AlertContext {
        ward: Ward {
            id: id("phuong-14"),
            name: "Phường 14".to_owned(),
            timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
            language,
        },
        khu_pho: vec![
            khu_pho("kp1", Some(Team { name: "Tổ 1".into(), phone: Some("0900 000 001".into()) })),
            khu_pho("kp2", Some(Team { name: "Tổ 2".into(), phone: None })),
            khu_pho("kp3", None),
        ],
        sites,
        fire_points: vec![
            fire_point("trụ nước", FirePointKind::Hydrant, 30.4),
            fire_point("bình chữa cháy", FirePointKind::Extinguisher, 120.0),
            fire_point("xa", FirePointKind::Extinguisher, 20_000.0),
        ],
        model: ModelIdentity { name: "keng".to_owned(), sha256: "0f".repeat(32) },
        messages: Messages::of(language),
    }
}

/// The alert of a revision as the log's entry `sequence`: the first of an incident with a picture,
/// each that a camera saw with its latency.
fn alert(context: &AlertContext, incident: &Incident, sequence: u64) -> String {
    let Incident { khu_pho, id, revision, .. } = incident;
    let snapshot = (*revision == 1 && !incident.cameras.is_empty())
        .then(|| format!("keng/phuong-14/{khu_pho}/incident/{id}/snapshot"));
    let latency = (!incident.cameras.is_empty()).then(|| Latency {
        decode: Duration::from_micros(6_123),
        queue: Duration::from_micros(1_010),
        inference: Duration::from_micros(41_999),
        core: Duration::from_micros(87),
        store: Duration::from_micros(250),
    });
    String::from_utf8(context.render(incident, sequence, snapshot, latency)).unwrap()
}

/// `incidents` as a file keeps them. Each is read back on the way, as a restarted daemon does.
fn lines(context: &AlertContext, incidents: &[Incident]) -> String {
    let mut text = String::new();
    for (incident, sequence) in incidents.iter().zip(1..) {
        let told = alert(context, incident, sequence);
        let read = parse(told.as_bytes()).unwrap();
        assert_eq!(alert(context, &read, sequence), told, "read back and written again");
        text.push_str(&told);
        text.push('\n');
    }
    text
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn listed(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A file's name, the ward's cameras and all revisions, in order.
type Revisions = (String, Vec<Site>, Vec<Incident>);

fn of_scenario(file: &Path) -> Revisions {
    let text = std::fs::read_to_string(file).unwrap();
    let mut play = Play::of(&text);
    play.run(&text);
    let sites = play.watched.iter().map(|camera| camera.site.clone()).collect();
    (stem(file), sites, play.revisions)
}

fn made_up() -> Revisions {
    let cameras = [("gate", "kp1", "0"), ("lane", "kp1", "100"), ("market", "kp2", "140")];
    let sites = cameras.map(|(name, khu_pho, north)| site(name, khu_pho, north, &[]));
    ("made".to_owned(), sites.to_vec(), made::all())
}

#[test]
fn alerts_keep_their_bytes() {
    let mut all: Vec<Revisions> =
        listed("scenarios").iter().map(|file| of_scenario(file)).collect();
    all.push(made_up());
    let (mut wrong, mut english) = (String::new(), String::new());
    for (name, sites, revisions) in &all {
        let vi = context(Language::Vi, sites.clone());
        compare(&format!("alerts/{name}.jsonl"), &lines(&vi, revisions), &mut wrong);
        let en = context(Language::En, sites.clone());
        drop(lines(&en, revisions));
        for incident in revisions {
            let Incident { kind, revision, .. } = incident;
            let message = en.message(incident);
            writeln!(english, "{name} {} r{revision}: {message}", kind.as_str()).unwrap();
        }
    }
    compare("messages.en.txt", &english, &mut wrong);
    let known: BTreeSet<String> = all.into_iter().map(|(name, ..)| name).collect();
    let kept: BTreeSet<String> = listed("golden/alerts").iter().map(|path| stem(path)).collect();
    assert_eq!(kept, known, "one file a scenario, and none besides");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A camera that has seen something.
fn sighting(camera: &str, since: Wall) -> Sighting {
    Sighting {
        camera: Id::new(camera).unwrap(),
        confidence: Some(0.83),
        zone: None,
        bbox: Some(BoundingBox::new(0.41, 0.22, 0.52, 0.37)),
        since,
        fault: None,
    }
}
