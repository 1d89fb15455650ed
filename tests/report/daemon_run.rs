//! From the daemon into a figure, over a kill and a restart, with the real command.

use jiff::ToSpan as _;
use jiff::civil::Date;
use keng::clock::SystemClock;
use keng::time::Clock;
use serde_json::Value;

use crate::daemon::{Site, camera, ward};
use crate::mosquitto::{Mosquitto, free_port, until};
use crate::subscriber::{AlertSubscriber, say};

const REPORTS: &str = "keng/p14/kp3/report";
const ALERTS: &str = "keng/p14/kp3/alert";

/// Yesterday and tomorrow in the ward: midnight may come while a test runs.
fn around() -> [String; 2] {
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
    let today: Date = SystemClock::new().now().wall.to_jiff().to_zoned(zone).date();
    [today.saturating_sub(1.day()), today.saturating_add(1.day())].map(|day| day.to_string())
}

async fn figures(site: &Site) -> Value {
    let [from, to] = around();
    let output =
        site.run_configured(&["report", "--from", &from, "--to", &to, "--format", "json"]).await;
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn what_the_daemon_tells_is_counted_once_over_a_kill_and_a_restart() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    site.configure(&ward(broker.port, &[camera(1, "hem-42", &url, "")]));
    let alert = |revision: u64| {
        let fits = |alert: &Value| alert["revision"] == revision && alert["kind"] == "other";
        subscriber.on(ALERTS).iter().map(|heard| heard.json()).find(fits)
    };
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    say(broker.port, REPORTS, r#"{"kind":"other","by":"Bà Tám","note":"ồn"}"#, &[]);
    until("the report", || alert(1).is_some()).await;
    let id = alert(1).unwrap()["id"].as_str().unwrap().to_owned();
    let command = format!("keng/p14/kp3/incident/{id}/command");
    say(broker.port, &command, r#"{"action":"acknowledge","by":"Tổ 3"}"#, &[]);
    until("the answer", || alert(2).is_some()).await;
    until("the camera is given up", || daemon.camera("hem-42")["state"] == "offline").await;
    daemon.kill();

    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    say(broker.port, &command, r#"{"action":"false_alarm","by":"Tổ 3"}"#, &[]);
    until("the end", || alert(3).is_some()).await;
    let drill = r#"{"kind":"fire","by":"Ban chỉ huy","exercise":true}"#;
    say(broker.port, REPORTS, drill, &[]);
    let drilled = || subscriber.on(ALERTS).iter().any(|heard| heard.json()["exercise"] == true);
    until("the drill", drilled).await;
    until("the camera is given up", || daemon.camera("hem-42")["state"] == "offline").await;
    // Beside a daemon at work.
    figures(&site).await;
    assert_eq!(daemon.stop().await.0.code(), Some(0));

    let report = figures(&site).await;
    let total = &report["total"]["value"];
    assert_eq!((&report["schema"], &report["ward"]), (&"keng.report/1".into(), &"p14".into()));
    assert_eq!((&total["incidents"], &total["by_kind"]["other"]), (&1.into(), &1.into()));
    assert_eq!(total["false_alarms"]["told"], 1);
    assert_eq!(total["false_alarms"]["share"], 1.0);
    assert_eq!((&total["acknowledge"]["n"], &total["duration"]["n"]), (&1.into(), &1.into()));
    assert_eq!(total["drills"]["count"], 1);
    assert_eq!(report["khu_pho"][0]["name"], "Khu phố 3");
    assert_eq!(report["before"]["complete"], false);
    let uptime = &report["cameras"][0]["value"]["uptime"];
    assert_eq!((&uptime["up_ms"], &uptime["share"]), (&0.into(), &0.0.into()));
    assert!(uptime["offline_ms"].as_u64().unwrap() > 0, "{report:#}");
    for name in ["Bà Tám", "Tổ 3", "Ban chỉ huy", "ồn"] {
        assert!(!ledger(&site).contains(name), "{name} is nobody's business in years");
    }
}

fn ledger(site: &Site) -> String {
    let files = std::fs::read_dir(site.path("var").join("ledger")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[tokio::test]
async fn what_can_not_be_reported_is_said_with_its_remedy() {
    let site = Site::new();
    site.configure(&ward(1, &[camera(1, "hem-42", "rtsp://127.0.0.1:1/cam", "")]));
    for (arguments, code, words) in [
        (&["report"][..], 1, "no ledger in"),
        (&["report", "--from", "2026-11-02", "--to", "2026-11-01"], 64, "before it begins"),
        (&["report", "--from", "1990-01-01", "--to", "2026-11-01"], 64, "3653 days at most"),
        (&["report", "--from", "2026-11-31"], 64, "2026-11-31"),
        (&["report", "--khu-pho", "kp9"], 64, "there is kp3"),
        (&["report", "--format", "pdf"], 64, "possible values"),
    ] {
        let output = site.run_configured(arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    // A ledger with damage is told of, and read.
    std::fs::create_dir_all(site.path("var").join("ledger")).unwrap();
    let lines = "{\"ledger\":\"keng.ledger/1\"}\n{\"started\":\"2026-11-01T00:00:00Z\"}\nrust\n";
    std::fs::write(site.path("var").join("ledger").join("2026-11.jsonl"), lines).unwrap();
    let output = site.run_configured(&["report", "--language", "en"]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 lines of the ledger"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Incidents by kind"));
}
