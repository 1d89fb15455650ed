//! The announcements, and the states of sensors.

use super::*;
use crate::outbox::Append;
use crate::time::Wall;
use crate::ward::Location;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn ward() -> Ward {
    Ward {
        id: id("p14"),
        name: "Phường 14".to_owned(),
        timezone: jiff::tz::TimeZone::UTC,
        language: Language::Vi,
    }
}

fn khu_pho(name: &str) -> KhuPho {
    KhuPho { id: id(name), name: format!("Khu phố {name}"), team: None }
}

fn site(name: &str) -> Site {
    let place = Location { address: "Hẻm 42 \"Lê Văn Sỹ\"".to_owned(), coordinates: None };
    Site { id: id(name), khu_pho: id("kp3"), place, owner: None, neighbours: Vec::new() }
}

fn announcer() -> (Announcer, RetainedTopics) {
    let board = RetainedTopics::new();
    let config = Config { prefix: PREFIX.to_owned() };
    (Announcer::new(config, ward(), board.clone()), board)
}

fn said(board: &RetainedTopics, topic: &str) -> Value {
    let bytes = board.get(topic).unwrap_or_else(|| panic!("nothing on {topic}"));
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

fn entry(subject: &str, live: bool, alert: Value) -> Entry {
    Entry {
        sequence: Sequence(1),
        subject: subject.into(),
        live,
        wall: Wall(0),
        payload: alert.to_string().into_bytes().into(),
        snapshot: false,
    }
}

fn alert(kind: &str, cameras: &[&str]) -> Value {
    let cameras: Vec<Value> = cameras.iter().map(|id| json!({ "id": id })).collect();
    json!({ "khu_pho": "kp3", "kind": kind, "cameras": cameras, "exercise": false })
}

const CAMERA: &str = "homeassistant/device/keng_p14/camera_hem-42/config";
const STATUS: &str = "keng/p14/kp3/status";

#[test]
fn every_announcement_has_the_documented_form() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata/home_assistant.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let (announcer, board) = announcer();
    announcer.configure(&[khu_pho("kp3")], &[&site("hem-42"), &site("kp3")]);
    let topics = ["camera_hem-42", "camera_kp3", "khu-pho_kp3"]
        .map(|object| format!("homeassistant/device/keng_p14/{object}/config"));
    let mut unique = BTreeSet::new();
    for topic in &topics {
        let announcement = said(&board, topic);
        let errors: Vec<String> = schema
            .iter_errors(&announcement)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{topic}: {}", errors.join("\n"));
        for (_, component) in announcement["components"].as_object().unwrap() {
            assert!(unique.insert(component["unique_id"].as_str().unwrap().to_owned()));
            assert!(schema_refuses(&schema, &announcement), "a schema that takes all is none");
        }
    }
    assert_eq!(unique.len(), 13);
    assert_eq!(said(&board, CAMERA)["device"]["name"], "Hẻm 42 \"Lê Văn Sỹ\" (hem-42)");
}

fn schema_refuses(schema: &jsonschema::Validator, good: &Value) -> bool {
    let bad = [
        ("/device/identifiers", json!([])),
        ("/origin", json!({})),
        ("/components/fire/device_class", json!("fire")),
        ("/components/fire/platform", json!("binary")),
        ("/components/smoke/state_topic", json!("keng/#")),
        ("/components/smoke", json!({ "platform": "binary_sensor", "colour": "red" })),
        ("/qos", json!(3)),
        ("/availability/0/topic", Value::Null),
    ];
    bad.into_iter().all(|(pointer, wrong)| {
        let mut announcement = good.clone();
        *announcement.pointer_mut(pointer).unwrap() = wrong;
        !schema.is_valid(&announcement)
    })
}

#[test]
fn a_sensor_is_on_while_an_incident_goes_on() {
    let (announcer, board) = announcer();
    announcer.configure(&[khu_pho("kp3"), khu_pho("kp4")], &[]);
    let quiet = json!({ "kinds": [], "cameras": {} });
    assert_eq!(said(&board, STATUS), quiet);
    announcer.0.take(&[
        entry("kp3/a", true, alert("fire", &["hem-42", "hem-44"])),
        entry("kp3/b", true, alert("loitering", &["hem-42"])),
        entry("kp3/c", true, alert("camera", &["hem-45"])),
    ]);
    let expected = json!({
        "kinds": ["fire", "loitering"],
        "cameras": { "hem-42": ["fire", "loitering"], "hem-44": ["fire"] },
    });
    assert_eq!(said(&board, STATUS), expected);
    assert_eq!(said(&board, "keng/p14/kp4/status"), quiet);
    announcer.0.take(&[
        entry("kp3/a", false, alert("fire", &["hem-42", "hem-44"])),
        entry("kp3/b", false, alert("loitering", &["hem-42"])),
    ]);
    assert_eq!(said(&board, STATUS), quiet);
}

#[test]
fn a_drill_sets_off_nothing() {
    let (announcer, board) = announcer();
    announcer.configure(&[khu_pho("kp3")], &[]);
    let mut drill = alert("fire", &[]);
    drill["exercise"] = json!(true);
    announcer.0.take(&[entry("kp3/a", true, drill)]);
    assert_eq!(said(&board, STATUS)["kinds"], json!([]));
}

#[test]
fn what_is_no_longer_configured_is_taken_back() {
    let (announcer, board) = announcer();
    announcer.configure(&[khu_pho("kp3")], &[&site("hem-42")]);
    assert_eq!(said(&board, CAMERA)["components"].as_object().unwrap().len(), 5);
    announcer.configure(&[], &[]);
    assert_eq!(&*board.get(CAMERA).unwrap(), b"");
    assert_eq!(&*board.get(STATUS).unwrap(), b"");
}

#[tokio::test]
async fn states_follow_the_log_from_what_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path()).unwrap();
    let add = |live: bool| {
        let append = Append { subject: "kp3/a".into(), live, wall: Wall(1), snapshot: None };
        outbox.append(append, |_| alert("smoke", &["hem-42"]).to_string().into_bytes()).unwrap();
    };
    add(true);
    let (announcer, board) = announcer();
    announcer.configure(&[khu_pho("kp3")], &[]);
    let stop = CancellationToken::new();
    let task = tokio::spawn(announcer.follow(outbox.clone(), stop.clone()));
    let until = |kinds: Value| {
        let board = board.clone();
        async move {
            let mut set = board.subscribe();
            while said(&board, STATUS)["kinds"] != kinds {
                set.changed().await.unwrap();
            }
        }
    };
    until(json!(["smoke"])).await;
    add(false);
    until(json!([])).await;
    stop.cancel();
    task.await.unwrap();
}

#[test]
fn a_prefix_is_a_topic_that_is_not_ours() {
    for (text, fits) in
        [("homeassistant", true), ("a/b", true), ("", false), ("a//b", false), ("keng", false)]
    {
        assert_eq!(is_prefix(text), fits, "{text}");
    }
    assert!(!is_prefix("keng/x") && !is_prefix("a/#") && !is_prefix("+"));
}
