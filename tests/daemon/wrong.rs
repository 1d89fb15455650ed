//! Wrong usage and wrong configurations: told with their place, before anything starts.

use std::process::Output;

use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;

fn text(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Where `needle` begins in `config`, as `keng.toml:LINE:COLUMN`.
fn place(config: &str, needle: &str) -> String {
    let at = config.find(needle).unwrap();
    let line = config[..at].matches('\n').count() + 1;
    let column = config[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("keng.toml:{line}:{column}: ")
}

#[tokio::test]
async fn every_fault_of_a_configuration_is_told_with_its_place() {
    let hem_42 = camera(1, "hem-42", "rtsp://192.0.2.1/a", "");
    let good = ward(1883, std::slice::from_ref(&hem_42));
    let zone = "[[camera.zone]]\nname = \"z\"\nrules = [\"fire\"]\n\
                polygon = [[0.1, 0.1], [0.9, 0.9]]\n";
    for (config, at, what) in [
        (good.replace("threads = 1", "thread = 1"), "thread = 1", "unknown key: did you mean"),
        (format!("{good}\n{zone}"), "[[0.1, 0.1]", "3"),
        (good.replace("127.0.0.1:0", "0.0.0.0:0"), "\"0.0.0.0:0\"", "127.0.0.1"),
        (good.replace("192.0.2.1", "u:hunter2@192.0.2.1"), "\"rtsp://u:", "username"),
    ] {
        refused(&config, &place(&config, at), what).await;
    }
    // Of two with one id the second is the one that is wrong.
    let twice = format!("{good}\n{}", hem_42.replace("hem-42\"", "hem-42\" "));
    refused(&twice, &place(&twice, "\"hem-42\" "), "hem-42").await;
    // Where in the line a broken header breaks is the parser's matter.
    let broken = good.replace("[web]", "[web");
    let line = place(&broken, "[web").rsplitn(3, ':').nth(2).unwrap().to_owned() + ":";
    refused(&broken, &line, "").await;
}

/// Both `check` and `run` end with 78 and name the place.
async fn refused(config: &str, place: &str, what: &str) {
    let site = Site::new();
    site.configure(config);
    for command in ["check", "run"] {
        let ended = site.run_configured(&[command]).await;
        let told = text(&ended);
        assert_eq!(ended.status.code(), Some(78), "{command}: {told}");
        assert!(told.contains(place) && told.contains(what), "{command}: {place} {what}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(!site.path("var").exists(), "nothing was opened");
}

#[tokio::test]
async fn a_missing_model_and_a_missing_file_are_named() {
    let site = Site::new();
    let gone = site.run_configured(&["run"]).await;
    assert_eq!(gone.status.code(), Some(78), "{}", text(&gone));
    assert!(text(&gone).contains("keng.toml") && text(&gone).contains("can't be read"));

    let good = ward(1883, &[camera(1, "hem-42", "rtsp://192.0.2.1/a", "")]);
    site.configure(&good.replace("yolov8_like.onnx", "not_there.onnx"));
    let ended = site.run_configured(&["run"]).await;
    assert_eq!(ended.status.code(), Some(1), "{}", text(&ended));
    assert!(text(&ended).contains("not_there.onnx"), "{}", text(&ended));
    let checked = site.run_configured(&["check"]).await;
    assert_eq!(checked.status.code(), Some(0));
    assert!(text(&checked).contains("not_there.onnx"), "{}", text(&checked));

    let readme = site.path("readme.onnx");
    std::fs::write(&readme, "this is no model").unwrap();
    let model = crate::daemon::scripted_model();
    site.configure(&good.replace(model.to_str().unwrap(), readme.to_str().unwrap()));
    let ended = site.run_configured(&["run"]).await;
    assert_eq!(ended.status.code(), Some(1), "{}", text(&ended));
    assert!(text(&ended).contains("readme.onnx"), "{}", text(&ended));
}

#[tokio::test]
async fn wrong_usage_is_64_and_help_is_0() {
    let site = Site::new();
    for (arguments, code) in [
        (&[][..], 64),
        (&["run"], 64),
        (&["run", "--config"], 64),
        (&["fly"], 64),
        (&["run", "--config", "x", "--frobnicate"], 64),
        (&["--help"], 0),
        (&["run", "--help"], 0),
        (&["--version"], 0),
    ] {
        let ended = site.run(arguments).await;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", text(&ended));
        let told = if code == 0 { &ended.stdout } else { &ended.stderr };
        assert!(!told.is_empty(), "{arguments:?}");
    }
}
