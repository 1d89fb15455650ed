//! Answers over a real broker: who answered and who was too late, in the alert and in the audit
//! log.

use std::process::Command;

use serde_json::Value;
use serde_json::json;

use crate::ALERTS;
use crate::STATUS;
use crate::daemon::Daemon;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::free_port;
use crate::mosquitto::until;
use crate::subscriber::AlertSubscriber;
use crate::subscriber::say;
use keng_testkit::root;

const REPORTS: &str = "keng/p14/kp3/report";

/// A ward of two khu phố; no camera answers. `key`: what stands in that of khu phố 3.
fn configure(site: &Site, broker: u16, key: &str) {
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    let text = ward(broker, &[camera(1, "hem-42", &url, "")]);
    let named = "name = \"Khu phố 3\"\n";
    let more = format!("{named}{key}\n\n[[khu_pho]]\nid = \"kp4\"\n");
    site.configure(&text.replace(named, &more));
}

async fn heard(subscriber: &AlertSubscriber, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let find = || subscriber.on(ALERTS).iter().map(|heard| heard.json()).find(|alert| fits(alert));
    until(what, || find().is_some()).await;
    find().unwrap()
}

/// Returns what the audit log holds: who, action and detail.
fn audit(site: &Site) -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(site.path("var/audit/0000000001.jsonl")).unwrap_or_default();
    let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| [&line["who"]["name"], &line["action"], &line["detail"]].map(field))
        .collect()
}

async fn audited(site: &Site, action: &str, words: &str) {
    let found =
        || audit(site).iter().any(|[_, what, detail]| what == action && detail.contains(words));
    until(&format!("{action}: {words}"), found).await;
}

async fn start(site: &Site) -> Daemon {
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    daemon
}

#[tokio::test]
async fn what_came_first_wins_and_all_of_it_is_written_down() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    configure(&site, broker.port, "");
    let daemon = start(&site).await;
    say(broker.port, REPORTS, r#"{"kind":"fire","by":"Bà Tám"}"#, &[]);
    let first = heard(&subscriber, "the report", |alert| alert["revision"] == 1).await;
    let command = format!("keng/p14/kp3/incident/{}/command", first["id"].as_str().unwrap());
    let act = |action: &str, by: &str| {
        say(broker.port, &command, &json!({"action": action, "by": by}).to_string(), &[]);
    };
    act("on_scene", "An");
    act("on_scene", "An");
    act("acknowledge", "Bình");
    act("resolve", "An");
    act("resolve", "An");
    act("false_alarm", "Bình");
    // Another khu phố's team, and a name for an incident that nobody knows.
    let elsewhere = command.replace("/kp3/", "/kp4/");
    say(broker.port, &elsewhere, r#"{"action":"resolve","by":"Chi"}"#, &[]);
    say(broker.port, REPORTS, "no JSON", &[]);
    audited(&site, "report", "refused: the payload").await;
    let closed = heard(&subscriber, "the end", |alert| alert["closed"].is_object()).await;
    assert_eq!((&closed["revision"], &closed["state"]), (&json!(3), &json!("resolved")));
    for step in ["acknowledged", "on_scene", "closed"] {
        assert_eq!(closed[step]["by"], "An", "{step}");
    }
    assert_eq!(daemon.alerts().len(), 3, "said twice or too late: no revision");
    let rows = audit(&site);
    let of = |by: &str, action: &str| -> Vec<&str> {
        let fits = |row: &&[String; 3]| row[0] == by && row[1] == action;
        rows.iter().filter(fits).map(|row| row[2].as_str()).collect()
    };
    let id = first["id"].as_str().unwrap();
    assert_eq!(of("Bà Tám", "report"), [format!("done: {id} revision 1; fire")]);
    assert_eq!(of("An", "on_scene"), [&format!("done: {id} revision 2")[..], "already so"]);
    assert_eq!(of("An", "resolve"), [&format!("done: {id} revision 3")[..], "already so"]);
    let late = ["refused: the incident is on_scene by \"An\" and can't become acknowledged"];
    assert_eq!(of("Bình", "acknowledge"), late);
    let late = ["refused: the incident is closed as resolved by \"An\""];
    assert_eq!(of("Bình", "false_alarm"), late);
    assert!(of("Chi", "resolve")[0].starts_with("refused: no incident"), "{rows:?}");
    assert_eq!(daemon.metric("keng_messages_refused_total"), 4);

    daemon.kill();
    // What was closed before is known to the next one, and its head is on the status topic.
    let daemon = start(&site).await;
    act("resolve", "An");
    act("false_alarm", "Bình");
    let told = |row: &[String; 3]| row[1] == "false_alarm" && row[2].contains("closed as resolved");
    until("both are told", || audit(&site).iter().filter(|row| told(row)).count() == 2).await;
    assert_eq!(daemon.alerts().len(), 3);
    let head = subscriber.newest(STATUS)["audit"].clone();
    assert!(head["number"].as_u64().unwrap() >= 9, "{head}");
    assert_eq!(daemon.stop().await.0.code(), Some(0));

    let good = site.run_configured(&["audit", "verify"]).await;
    assert!(good.status.success(), "{good:?}");
    let kept = format!("{}:{}", head["number"], head["hash"].as_str().unwrap());
    let good = site.run_configured(&["audit", "verify", "--head", &kept]).await;
    assert!(String::from_utf8_lossy(&good.stdout).contains("among them"), "{good:?}");
    let shown = site.run_configured(&["audit", "show", "--last", "1"]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("by system: stop daemon"), "{shown:?}");
    let path = site.path("var/audit/0000000001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("Bình", "Dũng", 1)).unwrap();
    let bad = site.run_configured(&["audit", "verify"]).await;
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("was changed"), "{bad:?}");
}

/// The shell lines of docs/mqtt.md that sign a report.
fn documented_signing() -> String {
    let text = std::fs::read_to_string(root().join("docs/mqtt.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.into_iter().find(|block| block.contains("openssl dgst")).unwrap().to_owned()
}

#[tokio::test]
async fn where_a_team_has_a_key_only_what_it_signs_counts() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    std::fs::write(site.path("kp3.key"), "0123456789abcdef0123456789abcdef\n").unwrap();
    configure(&site, broker.port, "key = { file = \"kp3.key\" }");
    let daemon = start(&site).await;
    say(broker.port, REPORTS, r#"{"kind":"fire","by":"Kẻ lạ"}"#, &[]);
    audited(&site, "report", "not signed").await;
    // Where no key is set, the broker's word is enough.
    say(broker.port, "keng/p14/kp4/report", r#"{"kind":"other","by":"Ông Tư"}"#, &[]);
    audited(&site, "report", "revision 1; other").await;

    let script = documented_signing()
        .replace("phuong-14", "p14")
        .replace("-p 1883", &format!("-p {}", broker.port));
    let mut shell = Command::new("sh");
    let signed = shell.args(["-e", "-c", &script]).current_dir(site.path("")).status();
    assert!(signed.expect("the documented lines run").success());
    let told = heard(&subscriber, "the signed report", |alert| alert["khu_pho"] == "kp3").await;
    assert_eq!(told["reports"][0]["by"], "Tổ bảo vệ 3");
    let sent = subscriber.on(REPORTS).last().unwrap().text();
    assert!(sent.contains("\"hmac\""), "{sent}");

    // Caught on the way and sent once more, and with another word in it.
    say(broker.port, REPORTS, &sent, &[]);
    say(broker.port, REPORTS, &sent.replace("fire", "smoke"), &[]);
    audited(&site, "report", "signature is wrong").await;
    assert_eq!(daemon.alerts().len(), 2);
    assert_eq!(daemon.metric("keng_messages_refused_total"), 2);
    assert!(daemon.log.text().contains("said again"));
    let team = |row: &[String; 3]| row[0] == "Tổ bảo vệ 3" && row[2].starts_with("done");
    assert_eq!(audit(&site).iter().filter(|row| team(row)).count(), 1);

    // A daemon that was killed knows it again; and who was on patrol still is.
    let patrol = r#"{"team":"Tổ 4","minutes":30}"#;
    say(broker.port, "keng/p14/kp4/patrol", patrol, &[]);
    until("the patrol is taken in", || daemon.log.text().contains("Tổ 4")).await;
    // What is said next waits for what was said before to be durable.
    say(broker.port, "keng/p14/kp4/report", r#"{"kind":"other","by":"Bà Năm"}"#, &[]);
    until("what comes behind it", || daemon.alerts().len() == 3).await;
    daemon.kill();
    let daemon = start(&site).await;
    assert!(daemon.log.text().contains("a patrol is still there"));
    say(broker.port, REPORTS, &sent, &[]);
    until("it is known", || daemon.log.text().contains("said again")).await;
    assert_eq!(daemon.alerts().len(), 3);
}

#[tokio::test]
async fn whoever_floods_the_broker_is_heard_and_written_down_only_so_often() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    configure(&site, broker.port, "");
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.configure(&text.replace("\n[web]", "reports_per_minute = 2\n\n[web]"));
    let daemon = start(&site).await;
    let flood = |topic: &str, payload: &str, count: usize| {
        let lines = format!("{payload}\n").repeat(count);
        let port = broker.port.to_string();
        let mut said = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-l"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut said.stdin.take().unwrap(), lines.as_bytes()).unwrap();
        assert!(said.wait().unwrap().success());
    };
    flood(REPORTS, r#"{"kind":"other","by":"Ba Năm"}"#, 40);
    let refused = || daemon.metric("keng_messages_refused_total");
    until("more than two are refused", || refused() == 38).await;
    audited(&site, "report", "refused: more than 2 reports in a minute; wait").await;
    // Another khu phố is heard.
    say(broker.port, "keng/p14/kp4/report", r#"{"kind":"other","by":"Ông Tư"}"#, &[]);
    audited(&site, "report", "revision 1; other").await;
    let unknown = "keng/p14/kp3/incident/20261121t221403120z-hem-42/command";
    flood(unknown, r#"{"action":"resolve","by":"x"}"#, 100);
    until("none of it does anything", || refused() == 138).await;
    say(broker.port, "keng/p14/kp4/report", r#"{"kind":"fire","by":"Ông Tư"}"#, &[]);
    audited(&site, "report", "fire").await;
    let rows = audit(&site);
    let idle = |row: &&[String; 3]| ["refused", "already so"].iter().any(|w| row[2].starts_with(w));
    assert_eq!(rows.iter().filter(idle).count(), 60);
}
