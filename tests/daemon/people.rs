//! Commands and reports of people, also while nobody is there, also with ill will.

use keng_testkit::gst::Codec;
use serde_json::Value;
use serde_json::json;

use crate::ALERTS;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::gst;
use crate::gst::Auth;
use crate::gst::Server;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::free_port;
use crate::mosquitto::until;
use crate::scene;
use crate::subscriber::AlertSubscriber;
use crate::subscriber::say;

const REPORTS: &str = "keng/p14/kp3/report";

/// The first alert that `fits`, once it has come.
async fn alert(subscriber: &AlertSubscriber, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let find = || subscriber.on(ALERTS).iter().map(|heard| heard.json()).find(|alert| fits(alert));
    until(what, || find().is_some()).await;
    find().unwrap()
}

#[tokio::test]
async fn an_answer_becomes_the_next_revision() {
    let site = Site::new();
    let clip = site.path("clip.h264");
    gst::encode(&clip, Codec::H264, &scene::fire(1, 20));
    let server = Server::serve((Codec::H264, &clip, gst::FPS), Auth::None, 0).await;
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    let url = format!("rtsp://127.0.0.1:{}/cam", server.port);
    site.configure(&ward(broker.port, &[camera(1, "hem-42", &url, "")]));
    let daemon = site.start().await;

    let first = alert(&subscriber, "the fire", |alert| alert["revision"] == 1).await;
    assert_eq!((&first["state"], &first["acknowledged"]), (&json!("open"), &Value::Null));
    let id = first["id"].as_str().unwrap().to_owned();
    let incident = format!("keng/p14/kp3/incident/{id}");
    let command = format!("{incident}/command");
    say(broker.port, &command, r#"{"action":"acknowledge","by":"Tổ 3","note":"Đi ngay"}"#, &[]);
    let second = alert(&subscriber, "the answer", |alert| alert["revision"] == 2).await;
    assert_eq!((&second["id"], &second["state"]), (&first["id"], &json!("acknowledged")));
    assert_eq!(second["acknowledged"]["by"], "Tổ 3");
    assert_eq!(second["acknowledged"]["note"], "Đi ngay");
    assert_eq!(second["latency_ms"], Value::Null);

    say(broker.port, &command, r#"{"action":"resolve","by":"Tổ 3"}"#, &[]);
    let third = alert(&subscriber, "the end", |alert| alert["revision"] == 3).await;
    assert_eq!(third["state"], "resolved");
    assert!(third["closed_at"].is_string());
    let cleared = || subscriber.on(&incident).last().is_some_and(|heard| heard.payload.is_empty());
    until("the incident's own topic is cleared", cleared).await;
    let ids: Vec<Value> = daemon.alerts().iter().map(|alert| alert["id"].clone()).collect();
    assert!(ids.iter().all(|other| *other == id), "{ids:?}");
}

#[tokio::test]
async fn a_report_sent_while_the_daemon_is_down_is_taken_in_afterwards() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    site.configure(&ward(broker.port, &[camera(1, "hem-42", &url, "")]));
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    say(broker.port, REPORTS, r#"{"kind":"other","by":"Bà Tám","note":"khi còn chạy"}"#, &[]);
    alert(&subscriber, "a report to the daemon at work", |alert| alert["kind"] == "other").await;
    daemon.kill();

    let report = r#"{"kind":"smoke","place":"Chợ nhỏ","by":"Ông Tư","note":"khói đen"}"#;
    say(broker.port, REPORTS, report, &[]);
    let daemon = site.start().await;
    let told = alert(&subscriber, "the report", |alert| alert["kind"] == "smoke").await;
    let reports = told["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 1, "{told:#}");
    assert_eq!((&reports[0]["by"], &reports[0]["place"]), (&json!("Ông Tư"), &json!("Chợ nhỏ")));
    assert_eq!(reports[0]["note"], "khói đen");
    assert_eq!(told["cameras"], json!([]));
    assert_eq!(daemon.alerts().len(), 2);
}

#[tokio::test]
async fn hostile_messages_change_nothing() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    site.configure(&ward(broker.port, &[camera(1, "hem-42", &url, "")]));
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    say(broker.port, REPORTS, r#"{"kind":"fire","by":"Ba Năm"}"#, &[]);
    let first = alert(&subscriber, "an incident", |alert| alert["kind"] == "fire").await;
    let command = format!("keng/p14/kp3/incident/{}/command", first["id"].as_str().unwrap());

    let huge = format!("{{\"action\":\"resolve\",\"by\":\"{}\"}}", "x".repeat(20_000));
    let deep = "[".repeat(10_000);
    let resolve = r#"{"action":"resolve","by":"x"}"#;
    for payload in ["{", "null", "[]", "\u{1}", r#"{"action":"burn","by":"x"}"#, &huge, &deep] {
        say(broker.port, &command, payload, &[]);
    }
    for payload in [r#"{"action":"resolve","by":""}"#, r#"{"action":["resolve"],"by":"x"}"#] {
        say(broker.port, &command, payload, &[]);
    }
    for topic in [
        command.replace("/kp3/", "/kp9/"),
        command.replace("/p14/", "/p15/"),
        "keng/p14/kp3/incident/none/command".to_owned(),
        "keng/p14/kp3/incident/../command".to_owned(),
        format!("{command}/more"),
        "keng/p14/kp9/report".to_owned(),
    ] {
        say(broker.port, &topic, resolve, &[]);
    }
    say(broker.port, "keng/p14/kp3/alert", r#"{"schema":"keng.alert/1","id":"forged"}"#, &[]);
    // Taken in one after another: once this one is there, the others have been looked at.
    say(broker.port, REPORTS, r#"{"kind":"other","by":"Bà Tám"}"#, &[]);
    alert(&subscriber, "the last report", |alert| alert["kind"] == "other").await;
    let alerts = daemon.alerts();
    assert_eq!(alerts.len(), 2, "{alerts:#?}");
    assert_eq!(alerts[0], first);
    assert_eq!(alerts[1]["kind"], "other");
    assert!(daemon.log.text().contains("a message is refused"));
    assert_eq!(daemon.stop().await.0.code(), Some(0));
}
