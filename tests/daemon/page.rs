//! Commands at the page reach the core as those over MQTT do.

use keng_testkit::gst::Codec;
use serde_json::Value;
use serde_json::json;

use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::gst;
use crate::gst::Auth;
use crate::gst::Server;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::until;
use crate::scene;

const REPORT: &str = "/api/khu-pho/kp3/report";

#[tokio::test]
async fn what_is_done_at_the_page_is_durable_when_it_answers() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    site.configure(&ward(broker.port, &[]));
    let daemon = site.start().await;

    let report = json!({"kind": "fire", "place": "Chợ", "note": "khói to"});
    let (status, said) = daemon.act(REPORT, &report);
    assert_eq!((status, &said["outcome"], &said["reason"]), (200, &json!("done"), &Value::Null));
    let alert = &said["alert"];
    assert_eq!((&alert["kind"], &alert["revision"]), (&json!("fire"), &json!(1)));
    assert_eq!(alert["reports"][0]["by"], "Máy trực", "not what anybody says");
    assert_eq!(&daemon.alerts()[0], alert);
    let (status, said) = daemon.act(REPORT, &report);
    assert_eq!((status, &said["outcome"]), (200, &json!("already")));

    let id = alert["id"].as_str().unwrap();
    let command = format!("/api/khu-pho/kp3/incidents/{id}/command");
    let (status, said) = daemon.act(&command, &json!({"action": "on_scene", "note": "Đến rồi"}));
    assert_eq!((status, &said["outcome"]), (200, &json!("done")));
    assert_eq!(
        (&said["alert"]["state"], &said["alert"]["revision"]),
        (&json!("on_scene"), &json!(2))
    );
    let (status, said) = daemon.act(&command, &json!({"action": "on_scene"}));
    assert_eq!(
        (status, &said["outcome"], &said["alert"]["revision"]),
        (200, &json!("already"), &json!(2))
    );
    let (status, said) = daemon.act(&command, &json!({"action": "acknowledge"}));
    assert_eq!(
        (status, &said["outcome"], &said["alert"]["revision"]),
        (409, &json!("refused"), &json!(2))
    );
    let (status, _) = daemon.act(&command, &json!({"action": "resolve"}));
    assert_eq!(status, 200);
    let (status, said) = daemon.act(&command, &json!({"action": "resolve"}));
    assert_eq!((status, &said["outcome"]), (200, &json!("already")));
    let (status, said) = daemon.act(&command, &json!({"action": "false_alarm"}));
    assert_eq!((status, &said["alert"]["state"]), (409, &json!("resolved")));

    let (status, said) = daemon.act("/api/khu-pho/kp3/patrol", &json!({"minutes": 30}));
    assert_eq!((status, &said["outcome"]), (200, &json!("done")));
    for (path, body, expected) in [
        ("/api/khu-pho/kp3/incidents/nowhere/command", json!({"action": "resolve"}), 404),
        ("/api/khu-pho/kp3/incidents/NOWHERE/command", json!({"action": "resolve"}), 404),
        ("/api/khu-pho/kp4/report", report.clone(), 404),
        (&command, json!({"action": "explode"}), 422),
        (&command, json!({"action": "resolve", "by": "somebody else"}), 422),
        (REPORT, json!({"kind": "flood"}), 422),
        ("/api/khu-pho/kp3/patrol", json!({"minutes": 0}), 422),
        ("/api/cameras/nowhere/look", json!({}), 404),
    ] {
        let (status, said) = daemon.act(path, &body);
        assert_eq!((status, &said["outcome"]), (expected, &json!("refused")), "{path} {said}");
    }
    let log: Value = serde_json::from_str(&daemon.get("/api/audit")).unwrap();
    let told = log["records"].as_array().unwrap().iter().filter(|record| record["via"] == "page");
    let actions: Vec<&str> = told.map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..4], ["report", "report", "on_scene", "on_scene"]);
}

#[tokio::test]
async fn a_camera_shows_its_newest_picture_and_is_watched_while_somebody_looks() {
    let site = Site::new();
    let clip = site.path("clip.h264");
    gst::encode(&clip, Codec::H264, &scene::quiet(20));
    let server = Server::serve((Codec::H264, &clip, gst::FPS), Auth::None, 0).await;
    let broker = Mosquitto::start().await;
    let url = format!("rtsp://127.0.0.1:{}/cam", server.port);
    site.configure(&ward(broker.port, &[camera(1, "hem-42", &url, "")]));
    let daemon = site.start().await;
    until("the camera is online", || daemon.camera("hem-42")["state"] == "online").await;
    assert_eq!(daemon.camera("hem-42")["attention"], "idle");
    let large = daemon.bytes("/api/cameras/hem-42/picture.jpg");
    let small = daemon.bytes("/api/cameras/hem-42/picture.jpg?size=small");
    assert!(large.starts_with(&[0xff, 0xd8]) && small.starts_with(&[0xff, 0xd8]));
    let (status, _) = daemon.act("/api/cameras/hem-42/look", &json!({}));
    assert_eq!(status, 204);
    until("it is in focus", || daemon.camera("hem-42")["attention"] == "focused").await;
}
