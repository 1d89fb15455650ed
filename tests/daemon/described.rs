//! The description of a configuration to people: what `keng check` says of one, byte for
//! byte, and what the page is told of its cameras.
//!
//! `KENG_GOLDEN=write cargo test --test daemon described` writes `tests/daemon/golden` anew, which
//! is right only where what is said is meant to change. The page may be told more than is kept,
//! never less nor otherwise.

use std::path::PathBuf;

use serde_json::Value;

use crate::daemon::Site;
use crate::daemon::scripted_model;
use keng_testkit::root;

/// What differs from one moment to the next.
const COUNTED: [&str; 4] = ["received", "analysed", "dropped", "sessions"];

fn golden(name: &str) -> PathBuf {
    root().join("tests/daemon/golden").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(golden(name)).unwrap()
}

/// Configurations whose cameras stay watched for long.
fn configurations() -> [(&'static str, String); 2] {
    let example = std::fs::read_to_string(root().join("config/example.toml")).unwrap();
    let listen = "[mqtt]\nlisten = \"127.0.0.1:0\"\n\n[web]\nlisten = \"127.0.0.1:0\"";
    let example = example
        .replace("[web]\nlisten = \"127.0.0.1:8080\"", listen)
        .replace("consent_until = 2027", "consent_until = 2097")
        .replace("models/keng.onnx", "models/not-there.onnx");
    [("example", example), ("rich", read("rich.toml"))]
}

/// Writes what is kept where that is asked for.
fn writes(name: &str, text: &str) -> bool {
    let asked = std::env::var_os("KENG_GOLDEN").is_some();
    if asked {
        std::fs::write(golden(name), text).unwrap();
    }
    asked
}

#[tokio::test]
async fn check_says_what_it_said() {
    let [example, rich] = configurations();
    for (name, text) in [example, rich, ("faults", read("faults.toml"))] {
        let site = Site::new();
        site.configure(&text);
        let done = site.run(&["check", "--config", "keng.toml"]).await;
        let [out, err] = [done.stdout, done.stderr].map(|said| String::from_utf8(said).unwrap());
        let said = format!("{out}--\n{err}-- {}\n", done.status.code().unwrap());
        let kept = format!("check.{name}.txt");
        if !writes(&kept, &said) {
            assert_eq!(said, read(&kept), "{kept}");
        }
    }
}

#[tokio::test]
async fn the_page_is_told_all_of_a_camera_that_it_was_told() {
    for (name, text) in configurations() {
        let site = Site::new();
        let model = scripted_model();
        site.configure(&text.replace("models/not-there.onnx", model.to_str().unwrap()));
        let daemon = site.start().await;
        let mut told: Value = serde_json::from_str(&daemon.get("/api/cameras")).unwrap();
        for camera in told["cameras"].as_array_mut().unwrap() {
            for key in COUNTED {
                assert!(camera.as_object_mut().unwrap().remove(key).unwrap().is_u64(), "{key}");
            }
        }
        let kept = format!("cameras.{name}.json");
        if !writes(&kept, &format!("{told:#}\n")) {
            holds(&told, &serde_json::from_str(&read(&kept)).unwrap(), &kept);
        }
        let (ended, ..) = daemon.stop().await;
        assert!(ended.success());
    }
}

/// Tells whether all that is `kept` is told as it is kept.
fn holds(told: &Value, kept: &Value, place: &str) {
    match (told, kept) {
        (Value::Object(told), Value::Object(kept)) => {
            for (key, kept) in kept {
                let told = told.get(key).unwrap_or_else(|| panic!("{place} lacks {key}"));
                holds(told, kept, &format!("{place}/{key}"));
            }
        }
        (Value::Array(told), Value::Array(kept)) => {
            assert_eq!(told.len(), kept.len(), "{place}");
            for (index, (told, kept)) in told.iter().zip(kept).enumerate() {
                holds(told, kept, &format!("{place}/{index}"));
            }
        }
        _ => assert_eq!(told, kept, "{place}"),
    }
}

#[test]
#[should_panic(expected = "a/1/y lacks z")]
fn what_is_no_longer_told_is_found() {
    let kept = serde_json::json!([1, { "y": { "z": 2 } }]);
    holds(&kept, &kept, "a");
    holds(&serde_json::json!([1, { "y": { "x": 1 } }]), &kept, "a");
}
