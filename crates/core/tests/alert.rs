//! An alert: any incident gives one of the schema's form, which reads back as the same incident.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::time::Duration;

use keng_core::alert::{AlertContext, Latency, Messages, Phrase, Template, parse};
use keng_core::detection::ModelIdentity;
use keng_core::geometry::BoundingBox;
use keng_core::incident::{
    Acknowledgement, Incident, IncidentId, IncidentState, Kind, Severity, Sighting, Siren, Witness,
};
use keng_core::rule::health::Fault;
use keng_core::time::Wall;
use keng_core::ward::{
    Coordinates, FirePoint, FirePointKind, Id, KhuPho, Language, Location, Owner, Site, Team, Ward,
};
use proptest::prelude::*;

/// 2026-11-21T22:14:03.120+07:00.
const EVENING: Wall = Wall(1_795_274_043_120_000);

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn site(name: &str, address: &str) -> Site {
    Site {
        id: id(name),
        khu_pho: id("kp3"),
        place: Location {
            address: address.to_owned(),
            coordinates: Some(Coordinates { latitude: 10.793, longitude: 106.667 }),
        },
        owner: Some(Owner { name: "Tạp hoá Bảy".to_owned(), consent_until: None }),
        neighbours: Vec::new(),
    }
}

fn fire_point(name: &str, metres_north: f64) -> FirePoint {
    let latitude = 10.793 + metres_north / 111_195.0;
    let coordinates = Some(Coordinates { latitude, longitude: 106.667 });
    let place = Location { address: name.to_owned(), coordinates };
    FirePoint { kind: FirePointKind::Extinguisher, name: name.to_owned(), place }
}

fn context(language: Language) -> AlertContext {
    AlertContext {
        ward: Ward {
            id: id("phuong-14"),
            name: "Phường 14".to_owned(),
            timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
            language,
        },
        khu_pho: vec![KhuPho {
            id: id("kp3"),
            name: "Khu phố 3".to_owned(),
            team: Some(Team { name: "Tổ bảo vệ 3".to_owned(), phone: None }),
        }],
        sites: vec![site("hem-42", "Hẻm 42 Lê Văn Sỹ"), site("hem-44", "")],
        fire_points: vec![
            fire_point("xa", 151.0),
            fire_point("gần", 40.0),
            fire_point("vừa", 149.0),
        ],
        model: ModelIdentity { name: "keng".to_owned(), sha256: "0f".repeat(32) },
        messages: Messages::of(language),
    }
}

fn incident(kind: Kind, cameras: &[&str]) -> Incident {
    let sighting = |name: &&str| Sighting {
        fault: None,
        camera: id(name),
        confidence: Some(0.83),
        zone: None,
        bbox: Some(BoundingBox::new(0.41, 0.22, 0.52, 0.37)),
        since: EVENING,
    };
    Incident {
        id: IncidentId::parse("20261121t151403120z-hem-42").unwrap(),
        revision: 1,
        khu_pho: id("kp3"),
        kind,
        severity: Severity::Critical,
        state: IncidentState::Open,
        opened_at: EVENING,
        updated_at: EVENING,
        closed_at: None,
        cameras: cameras.iter().map(sighting).collect(),
        reports: Vec::new(),
        dwell: None,
        acknowledged: None,
        on_scene_at: None,
        on_scene: None,
        closed: None,
        escalated_at: None,
        siren: None,
        held_back: 0,
        merged_into: None,
        exercise: false,
    }
}

fn json(context: &AlertContext, incident: &Incident) -> serde_json::Value {
    serde_json::from_slice(&context.render(incident, 1042, None, None)).unwrap()
}

#[test]
fn a_fire_on_the_boundary_names_the_other_khu_pho() {
    let mut context = context(Language::Vi);
    let fire = incident(Kind::Fire, &["hem-42", "hem-44"]);
    assert!(json(&context, &fire).get("also_khu_pho").is_none());
    context.sites[1].khu_pho = id("kp4");
    let told = json(&context, &fire);
    assert_eq!(told["also_khu_pho"], serde_json::json!(["kp4"]));
    assert_eq!(parse(told.to_string().as_bytes()).unwrap(), fire);
}

#[test]
fn what_ails_several_cameras_is_what_ails_them() {
    for (fault, line) in [
        (Fault::Offline, "2 camera mất tín hiệu tại "),
        (Fault::Blinded, "2 camera bị che hoặc lệch hướng tại "),
    ] {
        let mut cut = incident(Kind::Camera, &["hem-42", "hem-44"]);
        cut.cameras.iter_mut().for_each(|seen| seen.fault = Some(fault));
        let message = json(&context(Language::Vi), &cut)["message"].to_string();
        assert!(message.contains(line), "{message}");
    }
}

#[test]
fn a_fire_is_told_in_one_line_with_what_is_at_hand() {
    let context = context(Language::Vi);
    let alert = json(&context, &incident(Kind::Fire, &["hem-42", "hem-44"]));
    assert_eq!(alert["message"], "CHÁY tại Hẻm 42 Lê Văn Sỹ (Khu phố 3), 2 camera thấy lửa");
    assert_eq!(alert["opened_at"], "2026-11-21T22:14:03.120+07:00");
    assert_eq!(alert["cameras"][0]["box"], serde_json::json!([0.41, 0.22, 0.52, 0.37]));
    let names: Vec<_> = alert["fire_points"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2, "what is over 150 m away is of no use");
    assert_eq!((&names[0]["name"], &names[0]["distance_m"]), (&"gần".into(), &40.0.into()));
    assert_eq!(alert["team"], serde_json::json!({ "name": "Tổ bảo vệ 3", "phone": null }));
}

#[test]
fn an_admin_s_words_are_used_and_a_lock_screen_shows_them_whole() {
    let mut context = context(Language::Vi);
    let template = |text: &str| Template::parse(text).unwrap();
    context
        .messages
        .set(Phrase::First(Kind::Fire), template("Cháy! {address}, {khu_pho} ({since})"));
    context.messages.set(Phrase::OnScene, template(" – {by} có mặt"));
    let step = Acknowledgement { at: EVENING, by: "An".to_owned(), note: None };
    let there = Incident {
        state: IncidentState::OnScene,
        on_scene: Some(step),
        ..incident(Kind::Fire, &["hem-42"])
    };
    let told = context.message(&there);
    assert_eq!(told, "Cháy! Hẻm 42 Lê Văn Sỹ, Khu phố 3 (22:14) – An có mặt");
    let note = Witness { at: EVENING, by: "x".into(), place: None, note: Some("á".repeat(500)) };
    let long = Incident {
        reports: vec![note],
        state: IncidentState::OnScene,
        ..incident(Kind::Other, &[])
    };
    let told = context.message(&long);
    assert_eq!(told.chars().count(), 120, "{told}");
    assert!(told.ends_with("á… –  có mặt"), "what follows is never cut: {told}");
}

#[test]
fn fire_points_are_within_150_m_nearest_first_and_three_at_most() {
    let mut context = context(Language::Vi);
    let at = |metres| fire_point(&format!("{metres}"), metres);
    context.fire_points = [150.1, -149.9, 149.0, 20.0, 149.9, 0.0].map(at).to_vec();
    let names = |context: &AlertContext| -> Vec<String> {
        let alert = json(context, &incident(Kind::Fire, &["hem-42"]));
        let points = alert["fire_points"].as_array().unwrap();
        points.iter().map(|point| point["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&context), ["0", "20", "149"]);
    context.fire_points = [150.1, -149.9, 149.0].map(at).to_vec();
    assert_eq!(names(&context), ["149", "-149.9"], "150 m is the limit");
    let mut smoke = incident(Kind::Loitering, &["hem-42"]);
    smoke.dwell = Some(Duration::from_secs(1));
    assert_eq!(json(&context, &smoke)["fire_points"], serde_json::json!([]), "nothing burns");
}

#[test]
fn what_is_urgent_beside_stands_in_the_line() {
    let siren = |on| Siren { on, at: EVENING, seconds_max: 60, revision: 1, by: None };
    for (language, words) in [
        (Language::Vi, ["CHƯA AI TIẾP NHẬN", "CÒI ĐANG HÚ", "gộp 7 tin"]),
        (Language::En, ["NOBODY HAS ANSWERED", "THE SIREN SOUNDS", "7 held back"]),
    ] {
        let context = context(language);
        let plain = incident(Kind::Fire, &["hem-42", "hem-44"]);
        let worst = Incident {
            escalated_at: Some(EVENING),
            siren: Some(siren(true)),
            held_back: 7,
            ..plain.clone()
        };
        let told = context.message(&worst);
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
        assert!(told.chars().count() <= 160, "{told}");
        let answered =
            Incident { state: IncidentState::OnScene, siren: Some(siren(false)), ..worst };
        let told = context.message(&answered);
        assert!(!words[..2].iter().any(|word| told.contains(word)), "{told}");
        let later = |s: i64| Wall(EVENING.0 + s * 1_000_000);
        let drill = Incident {
            exercise: true,
            state: IncidentState::Resolved,
            acknowledged: Some(Acknowledgement { at: later(45), by: "x".into(), note: None }),
            on_scene_at: Some(later(89)),
            closed_at: Some(later(600)),
            ..plain
        };
        let told = context.message(&drill);
        assert!(
            told.contains("45 s") && told.contains("89 s") && told.contains("10 min"),
            "{told}"
        );
    }
}

#[test]
fn an_alert_of_before_these_keys_is_read_back() {
    let context = context(Language::Vi);
    let incident = incident(Kind::Fire, &["hem-42"]);
    let mut old = json(&context, &incident);
    let keys = ["team", "on_scene_at", "on_scene", "closed", "escalated_at", "siren", "held_back"];
    for key in keys.into_iter().chain(["merged_into"]) {
        assert!(old.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    assert_eq!(parse(old.to_string().as_bytes()).unwrap(), incident);
}

#[test]
fn every_kind_and_state_has_a_line_in_both_languages() {
    for (language, word) in [(Language::Vi, "tại"), (Language::En, " at ")] {
        let context = context(language);
        for kind in [Kind::Fire, Kind::Smoke, Kind::Loitering, Kind::Camera, Kind::Other] {
            let mut lines = std::collections::BTreeSet::new();
            for state in IncidentState::ALL {
                let told = context.message(&Incident { state, ..incident(kind, &["hem-42"]) });
                assert!(told.contains(word), "{told}");
                assert!(told.chars().count() <= 120, "too long for a lock screen: {told}");
                lines.insert(told);
            }
            assert_eq!(
                lines.len(),
                IncidentState::ALL.len(),
                "{kind:?}: each state reads differently"
            );
        }
        let drill = Incident { exercise: true, ..incident(Kind::Fire, &["hem-42"]) };
        let told = context.message(&drill);
        assert!(told.starts_with("DIỄN TẬP") || told.starts_with("EXERCISE"), "{told}");
    }
}

#[test]
fn the_same_incident_gives_the_same_bytes() {
    let (context, incident) = (context(Language::Vi), incident(Kind::Fire, &["hem-42"]));
    assert_eq!(context.render(&incident, 7, None, None), context.render(&incident, 7, None, None));
}

#[test]
fn what_is_no_alert_is_refused_with_the_field() {
    let context = context(Language::Vi);
    let good = json(&context, &incident(Kind::Fire, &["hem-42"]));
    for (field, value) in [
        ("schema", "keng.alert/2"),
        ("kind", "flood"),
        ("state", "forgotten"),
        ("khu_pho", "KP 3"),
        ("id", "a/b"),
        ("opened_at", "yesterday"),
    ] {
        let mut bad = good.clone();
        bad[field] = value.into();
        let error = parse(bad.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains(value), "{error}");
    }
    assert!(parse(b"").is_err());
}

proptest! {
    #[test]
    fn any_incident_fits_the_schema_and_reads_back(incident in any_incident(), vi: bool) {
        let context = context(if vi { Language::Vi } else { Language::En });
        let latency = Some(Latency { decode: Duration::from_micros(6_123), ..Latency::default() });
        let topic = Some("keng/a/b/incident/c/snapshot".to_owned());
        let bytes = context.render(&incident, 1, topic, latency);
        prop_assert!(!bytes.contains(&b'\n'), "one line");
        let alert: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let faults: Vec<_> = schema().iter_errors(&alert).map(|e| e.to_string()).collect();
        prop_assert!(faults.is_empty(), "{faults:?}\n{alert}");
        prop_assert_eq!(parse(&bytes).unwrap(), incident);
    }
}

/// The words of an enumeration of the schema.
fn enumeration(property: &str) -> Vec<String> {
    let text = include_str!("../../../config/alert.schema.json");
    let schema: serde_json::Value = serde_json::from_str(text).unwrap();
    let words = schema["properties"][property]["enum"].as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_schema_knows_every_kind_and_state_and_severity() {
    assert_eq!(enumeration("kind"), Kind::ALL.map(Kind::as_str));
    assert_eq!(enumeration("state"), IncidentState::ALL.map(IncidentState::as_str));
    let mut severities = Severity::ALL.map(Severity::as_str);
    severities.reverse();
    assert_eq!(enumeration("severity"), severities);
}

fn schema() -> &'static jsonschema::Validator {
    static SCHEMA: std::sync::OnceLock<jsonschema::Validator> = std::sync::OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = include_str!("../../../config/alert.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    })
}

/// Incidents as the register can make them, in the precision that alerts carry.
fn any_incident() -> impl Strategy<Value = Incident> {
    let kinds = [Kind::Fire, Kind::Smoke, Kind::Loitering, Kind::Camera, Kind::Other];
    let severities = [Severity::Info, Severity::Warning, Severity::Critical];
    let who = (
        prop::sample::select(kinds.to_vec()),
        prop::sample::select(severities.to_vec()),
        prop::sample::select(IncidentState::ALL.to_vec()),
        1u32..1_000_000,
        prop::collection::vec(any_sighting(), 1..5),
        prop::collection::vec(any_witness(), 0..20),
    );
    let more = (
        any::<(bool, bool, bool)>(),
        0u32..100,
        prop::option::of((any::<bool>(), 1u32..600, 1u32..9, prop::option::of(any_text()))),
    );
    let rest = (0u64..100_000, any::<bool>(), any_text());
    (who, more, rest).prop_map(|(who, more, (dwell, exercise, by))| {
        let (kind, severity, state, revision, cameras, reports) = who;
        let ((there, escalated, merged), held_back, siren) = more;
        let siren = siren.map(|(on, seconds_max, revision, by)| Siren {
            on,
            at: EVENING,
            seconds_max,
            revision,
            by: by.map(|by| format!("x{by}")),
        });
        let other = IncidentId::parse("20261121t151403120z-hem-44");
        let taken = Acknowledgement { at: EVENING, by: format!("x{by}"), note: Some(by) };
        Incident {
            severity,
            state,
            revision,
            cameras,
            reports,
            closed_at: state.is_closed().then_some(EVENING),
            dwell: (kind == Kind::Loitering).then(|| Duration::from_millis(dwell * 100)),
            on_scene: there.then(|| taken.clone()),
            closed: (escalated && state.is_closed()).then(|| taken.clone()),
            acknowledged: (state != IncidentState::Open).then_some(taken),
            on_scene_at: there.then_some(EVENING),
            escalated_at: escalated.then_some(EVENING),
            siren,
            held_back,
            merged_into: other.filter(|_| merged && state.is_closed()),
            exercise,
            ..incident(kind, &[])
        }
    })
}

fn any_sighting() -> impl Strategy<Value = Sighting> {
    let share = || (0u16..=1_000).prop_map(|n| f32::from(n) / 1_000.0);
    let edges = (share(), share(), share(), share());
    (edges, share(), any_text(), any::<bool>()).prop_map(
        |((a, b, c, d), confidence, zone, seen)| Sighting {
            camera: id("hem-42"),
            confidence: seen.then_some(confidence),
            zone: Some(zone),
            bbox: seen.then(|| BoundingBox::new(a, b, c, d)),
            fault: (!seen).then_some(Fault::Blinded),
            since: EVENING,
        },
    )
}

fn any_witness() -> impl Strategy<Value = Witness> {
    any_text().prop_map(|text| Witness {
        at: EVENING,
        by: format!("x{text}"),
        place: None,
        note: Some(text),
    })
}

/// Whatever people type, quotes and control characters included.
fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..20).prop_map(|chars| chars.into_iter().collect())
}
