//! `keng replay` and `keng demo` as people run them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use keng_testkit::daemon;
use keng_testkit::gst;
use keng_testkit::mosquitto;
use keng_testkit::scene;

use std::io::BufRead;
use std::io::BufReader;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;

use keng_testkit::gst::Codec;
use serde_json::Value;

use daemon::Site;
use daemon::camera;
use daemon::ward;
use keng_testkit::root;
use mosquitto::until;

/// Whoever stands in the right half for 5 s loiters.
const LOITERING: &str = "rule.loitering.dwell_s = 5\n[[camera.zone]]\nname = \"cổng trường\"\n\
                         rules = [\"loitering\"]\npolygon = [[0.3, 0.0], [1, 0], [1, 1], [0.3, 1]]";

/// A site whose camera `hem-42` looks for loiterers, with a clip of this scene.
fn site(name: &str, codec: Codec, scene: &str) -> Site {
    let site = Site::new();
    gst::encode(&site.path(name), codec, scene);
    let url = "rtsp://192.0.2.1/a";
    let plain = camera(2, "hem-44", url, "");
    site.configure(&ward(1, &[camera(1, "hem-42", url, LOITERING), plain]));
    site
}

async fn replay(site: &Site, clips: &[&str], more: &[&str]) -> Output {
    site.run_configured(&[&["replay"], clips, more].concat()).await
}

fn alerts(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.lines().map(Result::unwrap);
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn a_fire_is_found_and_each_run_gives_the_same_bytes() {
    let schema = std::fs::read_to_string(root().join("config/alert.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for (name, codec) in [("fire.mp4", Codec::H264), ("fire.mkv", Codec::H265)] {
        let site = site(name, codec, &scene::fire(3, 12));
        let start = ["--json", "--start", "2026-11-21T23:00:00+07:00"];
        let first = replay(&site, &[name], &start).await;
        let found = alerts(&first);
        assert_eq!(found.len(), 1, "{found:#?}");
        let alert = &found[0];
        assert!(schema.is_valid(alert), "{alert:#}");
        assert_eq!((&alert["kind"], &alert["revision"]), (&"fire".into(), &1.into()));
        // It burns from 3 s on; the rule wants 1 s, two thirds of it of what grows, and idle
        // cameras are looked at each second.
        let opened = alert["opened_at"].as_str().unwrap();
        assert!(("2026-11-21T23:00:03.6".."2026-11-21T23:00:07").contains(&opened), "{opened}");
        let again = replay(&site, &[name], &start).await;
        assert_eq!(String::from_utf8(first.stdout), String::from_utf8(again.stdout));
        // Without --json for people, the same alert.
        let plain = String::from_utf8(replay(&site, &[name], &[]).await.stdout).unwrap();
        let lines: Vec<&str> = plain.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains("fire r1  CHÁY tại Hẻm 1"), "{plain}");
        assert!(lines[1].starts_with("1 alerts from "), "{plain}");
    }
}

#[tokio::test]
async fn quiet_clips_give_nothing_and_clips_follow_one_another() {
    let site = site("quiet.mp4", Codec::H264, &scene::quiet(6));
    gst::encode(&site.path("fire.mp4"), Codec::H264, &scene::fire(0, 4));
    let quiet = replay(&site, &["quiet.mp4"], &["--json"]).await;
    assert_eq!(alerts(&quiet), Vec::<Value>::new());
    let start = ["--json", "--start", "2026-11-21T23:00:00+07:00"];
    let both = alerts(&replay(&site, &["quiet.mp4", "fire.mp4"], &start).await);
    assert_eq!(both.len(), 1, "{both:#?}");
    let opened = both[0]["opened_at"].as_str().unwrap();
    assert!(opened > "2026-11-21T23:00:07", "the second clip begins after 6 s: {opened}");
}

#[tokio::test]
async fn somebody_loiters_by_night_in_the_zone_and_not_by_day() {
    let site = site("person.mp4", Codec::H264, &scene::person(1, 10));
    let night = ["--json", "--start", "2026-11-21T23:59:57+07:00"];
    let found = alerts(&replay(&site, &["person.mp4"], &night).await);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["kind"], "loitering");
    assert_eq!(found[0]["cameras"][0]["zone"], "cổng trường");
    assert!(found[0]["dwell_s"].as_f64().unwrap() >= 5.0, "{:#}", found[0]);
    let day = ["--json", "--start", "2026-11-21T12:00:00+07:00"];
    assert_eq!(alerts(&replay(&site, &["person.mp4"], &day).await), Vec::<Value>::new());
    // hem-44 waits for 120 s.
    let other = ["--json", "--camera", "hem-44"];
    assert_eq!(alerts(&replay(&site, &["person.mp4"], &other).await), Vec::<Value>::new());
}

#[tokio::test]
async fn what_can_t_be_replayed_is_named() {
    let site = site("quiet.mp4", Codec::H264, &scene::quiet(1));
    std::fs::write(site.path("text.mp4"), "this is no clip").unwrap();
    for (clip, more, told) in [
        ("gone.mp4", &[][..], "gone.mp4"),
        ("text.mp4", &[], "text.mp4"),
        ("quiet.mp4", &["--camera", "hem-43"], "no camera \"hem-43\""),
        ("quiet.mp4", &["--camera", "hem-43"], "hem-42, hem-44"),
        ("quiet.mp4", &["--start", "yesterday"], "2026-11-21T22:00:00+07:00"),
    ] {
        let ended = replay(&site, &[clip], more).await;
        assert_eq!(ended.status.code(), Some(1), "{clip} {more:?}");
        assert!(complaint(&ended).contains(told), "{clip} {more:?}: {}", complaint(&ended));
    }
    site.configure("[ward]\nid = 7\n");
    let ended = replay(&site, &["quiet.mp4"], &[]).await;
    assert_eq!(ended.status.code(), Some(78));
    assert!(complaint(&ended).contains("keng.toml:2:6: "), "{}", complaint(&ended));
}

#[tokio::test]
async fn the_demo_shows_a_fire_and_a_loiterer_and_nothing_else() {
    for needed in ["models/keng.onnx", "assets/demo/night_fire.mp4"] {
        if !root().join(needed).exists() {
            println!("skipped: there is no {needed}, which the demo needs");
            return;
        }
    }
    let site = Site::new();
    let mut child = site
        .command(&["demo", "--listen", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = Arc::new(Mutex::new(Vec::<String>::new()));
    let (heard, stdout) = (lines.clone(), child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            heard.lock().unwrap().push(line);
        }
    });
    let has = |text: &str| lines.lock().unwrap().iter().any(|line| line.contains(text));
    until("the demo says what to open", || has("Alerts:")).await;
    let shown = lines.lock().unwrap().join("\n");
    assert!(shown.contains("page     http://127.0.0.1:"), "{shown}");
    assert!(shown.contains("mosquitto_sub -h 127.0.0.1 -p "), "{shown}");
    assert!(!shown.contains(":0 ") && !shown.contains("-p 0 "), "{shown}");
    until("a fire and a loiterer", || has("CHÁY") && has("lảng vảng")).await;
    let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(asked.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
    let shown = lines.lock().unwrap().join("\n");
    // Where the quiet camera hangs.
    assert!(!shown.contains("Đường lớn"), "{shown}");
}
