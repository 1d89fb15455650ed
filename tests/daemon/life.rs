//! The daemon's start, its refusals to start, and its end.

use std::net::TcpListener;
use std::time::Duration;

use keng::detection_log::{Damage, Folder};
use keng::time::Wall;
use keng_testkit::gst::Codec;
use serde_json::Value;

use crate::ALERTS;
use crate::STATUS;
use crate::daemon::Log;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::daemon::ward_with;
use crate::gst;
use crate::gst::Auth;
use crate::gst::Server;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::free_port;
use crate::mosquitto::until;
use crate::scene;
use crate::subscriber::AlertSubscriber;
use crate::subscriber::say;

/// A stop has five steps of 5 s at most; none of them has anything to wait for here.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// The names of the steps that have stopped, in their order.
fn steps(log: &Log) -> Vec<String> {
    let stopped = |event: &Value| {
        let step = event["fields"]["step"].as_str()?.to_owned();
        (event["fields"]["message"] == "stopped").then_some(step)
    };
    log.events().iter().filter_map(stopped).collect()
}

#[tokio::test]
async fn sigterm_stops_everything_in_order_and_says_so() {
    let site = Site::new();
    let clip = site.path("clip.h264");
    gst::encode(&clip, Codec::H264, &scene::quiet(10));
    let server = Server::serve((Codec::H264, &clip, gst::FPS), Auth::Digest, 0).await;
    let site = site.with_secret("CAM_PASSWORD", "right");
    let password = "username = \"viewer\"\npassword = { env = \"CAM_PASSWORD\" }";
    let there = format!("rtsp://127.0.0.1:{}/cam", server.port);
    let away = format!("rtsp://127.0.0.1:{}/cam", free_port());
    let cameras = [camera(1, "there", &there, password), camera(2, "away", &away, "")];
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    site.configure(&ward(broker.port, &cameras));
    let daemon = site.start().await;
    until("the daemon is online", || subscriber.newest(STATUS)["state"] == "online").await;
    until("the camera is looked at", || daemon.analysed("there") > 0).await;

    let (status, took, log) = daemon.stop().await;
    println!("stopped {:.0} ms after SIGTERM", took.as_secs_f64() * 1e3);
    assert_eq!(status.code(), Some(0));
    assert!(took <= STOPS_WITHIN, "{took:?}");
    assert_eq!(
        steps(&log),
        ["cameras", "detectors", "outbox", "album", "diary", "mqtt and page", "audit log"]
    );
    until("the daemon is offline", || subscriber.newest(STATUS)["state"] == "offline").await;
    // What was looked at is kept, also where nothing was seen, and can be replayed.
    let mut frames = 0;
    let all = Wall(i64::MIN)..Wall(i64::MAX);
    let damage = Folder::of(&site.path("var")).read(&all, |part| frames += part.len()).unwrap();
    assert_eq!(damage, Damage::default());
    assert!(frames > 0, "a frame at least");
    let tuned = site.run_configured(&["tune", "--set", "rule.fire.confirm_s=2"]).await;
    let text = String::from_utf8(tuned.stdout).unwrap();
    assert!(text.starts_with(&format!("{frames} analysed frames of ")), "{text}");
}

#[tokio::test]
async fn without_a_broker_of_the_ward_the_embedded_one_serves() {
    let site = Site::new();
    let port = free_port();
    let embedded = format!("listen = \"127.0.0.1:{port}\"");
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    let away = camera(1, "away", &url, "");
    site.configure(&ward_with(&embedded, "127.0.0.1:0", &[away]));
    let daemon = site.start().await;
    let subscriber = AlertSubscriber::new(port, "phone").await;
    until("its status is there", || subscriber.newest(STATUS)["state"] == "online").await;
    let report = r#"{"kind":"fire","place":"Chợ nhỏ","by":"Ba Năm"}"#;
    say(port, "keng/p14/kp3/report", report, &[]);
    until("the alert", || !subscriber.on(ALERTS).is_empty()).await;
    assert!(daemon.feed().contains(&subscriber.on(ALERTS)[0].text()), "the same bytes");
    drop(subscriber);
    let (status, _, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0));
    let errors: Vec<Value> =
        log.events().into_iter().filter(|event| event["level"] == "ERROR").collect();
    assert!(errors.is_empty(), "nothing has failed: {errors:#?}");
}

#[tokio::test]
async fn what_is_taken_already_is_named() {
    let site = Site::new();
    let embedded = format!("listen = \"127.0.0.1:{}\"", free_port());
    site.configure(&ward_with(&embedded, "127.0.0.1:0", &[]));
    let daemon = site.start().await;
    let page = daemon.get("/healthz");
    assert_eq!(page, "ok\n");

    let refused = site.run_configured(&["run"]).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("in use") && text.contains("var"), "{text}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let other = Site::new();
    let page = format!("127.0.0.1:{port}");
    other.configure(&ward_with("url = \"mqtt://127.0.0.1:1\"", &page, &[]));
    let refused = other.run_configured(&["run"]).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("port {port} is in use")) && text.contains("[web]"), "{text}");

    other.configure(&ward_with(&embedded, "127.0.0.1:0", &[]));
    let refused = other.run_configured(&["run"]).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("listens there already") && text.contains("[mqtt]"), "{text}");
    assert_eq!(daemon.stop().await.0.code(), Some(0));
}
