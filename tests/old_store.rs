//! A store that the release binary of the commit before the crates were cut has left behind
//! (`tests/testdata/store-0.1`, see its README), opened by the present code: the files on disk are
//! a contract with every ward that updates.
//!
//! Most of it goes by the binary's own words, which `expected/` keeps as that binary said them.
//! Nothing in there is written anew by a test; a new store is made by `make.py`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall say where")]

use keng_testkit::daemon;
use keng_testkit::mosquitto;
use keng_testkit::receiver;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use keng::access::Access;
use keng::time::{Clock, ManualClock, Mono, Stamp, Wall};
use serde_json::{Value, json};

use daemon::{Daemon, Site, scripted_model};
use keng_testkit::root;
use receiver::Receiver;

/// Everybody's.
const PASSWORD: &str = "g%C3%B5+k%E1%BA%BBng+ba+h%E1%BB%93i";
/// The night of the store, in the ward.
const DAY: &str = "2026-11-21";
const KINDS: [&str; 5] = ["camera", "fire", "loitering", "other", "smoke"];

fn kept(name: &str) -> PathBuf {
    root().join("tests/testdata/store-0.1").join(name)
}

fn expected(name: &str) -> String {
    std::fs::read_to_string(kept("expected").join(name)).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Puts the outbox's file back, which is mostly zeros.
fn unpack(store: &Path) {
    let packed = store.join("outbox/db.gz");
    let done = Command::new("gzip").arg("-d").arg(&packed).status();
    assert!(done.expect("the tests need gzip").success(), "{}", packed.display());
}

/// A ward with a copy of the old store, whose webhooks go to this port.
fn old_ward(hook: u16) -> Site {
    let site = Site::new().with_secret("KENG_KP4_KEY", "0123456789abcdef of khu phố 4");
    copy(&kept("var"), &site.path("var"));
    unpack(&site.path("var"));
    let text = std::fs::read_to_string(kept("keng.toml")).unwrap();
    let text = text
        .replace("{mqtt}", "0")
        .replace("{web}", "0")
        .replace("{hook}", &hook.to_string())
        .replace("{rtsp}", "9")
        .replace("{escalate}", "86400")
        // No camera answers, and none of that is to be told here.
        .replace("offline_s = 8.0", "offline_s = 86400")
        .replace("{model}", scripted_model().to_str().unwrap());
    site.configure(&text);
    site
}

/// What the binary says, and that it is content.
async fn says(site: &Site, arguments: &[&str]) -> String {
    let config = ["--config", "keng.toml"];
    let done = site.run(&[arguments, &config[..]].concat()).await;
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {err}");
    String::from_utf8(done.stdout).unwrap()
}

/// A line without the moment at which a report was made, and by which version.
fn timeless(line: &str) -> &str {
    let json = line.split_once("\"made_at\"").map(|(before, _)| before);
    let html = line.rsplit_once("<p>Lập lúc ").map(|(before, _)| before);
    json.or(html).unwrap_or(line)
}

#[tokio::test]
async fn the_binary_says_of_it_what_it_said() {
    let site = old_ward(9);
    let report = |form: &'static str| ["report", "--from", DAY, "--to", DAY, "--format", form];
    for (name, arguments) in [
        ("check_store.txt", &["check", "--store"][..]),
        ("audit_verify.txt", &["audit", "verify"]),
        ("audit_show.txt", &["audit", "show", "--last", "100"]),
        ("users.txt", &["user", "list"]),
        ("tune.json", &["tune", "--json"]),
        ("tune_set.json", &["tune", "--json", "--set", "rule.loitering.dwell_s=60"]),
        ("report.text", &report("text")),
        ("report.csv", &report("csv")),
        ("report.json", &report("json")),
        ("report.html", &report("html")),
    ] {
        let (said, kept) = (says(&site, arguments).await, expected(name));
        for (number, (said, kept)) in said.lines().zip(kept.lines()).enumerate() {
            assert_eq!(timeless(said), timeless(kept), "{name}, line {}", number + 1);
        }
        assert_eq!(said.lines().count(), kept.lines().count(), "{name} has another end");
    }
    // What was given up can still be asked for.
    let kept = expected("check_store.txt");
    let count = kept.lines().find_map(|line| line.strip_prefix("undelivered  ")?.split_once(' '));
    let again = format!("{} of webhook/refuses will be delivered once more", count.unwrap().0);
    let said = says(&site, &["check", "--store", "--retry", "webhook/refuses"]).await;
    assert!(said.contains(&again), "{said}");
}

/// Returns what somebody who has signed in sends along.
fn signed_in(daemon: &Daemon, name: &str) -> String {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("name={name}&password={PASSWORD}");
    let (status, head, _) = daemon.answer("POST", "/sign-in", form, &body);
    assert_eq!(status, 303, "{name}: {head}");
    let line = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("Cookie: {}\r\n", line.split(';').next().unwrap());
    let me = get(daemon, "/api/me", &cookie);
    format!("{cookie}X-Keng-CSRF: {}\r\n", me["csrf"].as_str().unwrap())
}

fn get(daemon: &Daemon, path: &str, who: &str) -> Value {
    serde_json::from_slice(&daemon.bytes_with(path, who)).unwrap()
}

/// The alerts as the old daemon's feed gave them, and the newest of each incident.
fn recorded() -> (Vec<Value>, BTreeMap<String, Value>) {
    let feed: Value = serde_json::from_str(&expected("feed.json")).unwrap();
    let alerts = feed["alerts"].as_array().unwrap().clone();
    let id = |alert: &Value| alert["id"].as_str().unwrap().to_owned();
    let newest = alerts.iter().map(|alert| (id(alert), alert.clone())).collect();
    (alerts, newest)
}

fn kinds<'a>(alerts: impl Iterator<Item = &'a Value>) -> BTreeSet<&'a str> {
    alerts.map(|alert| alert["kind"].as_str().unwrap()).collect()
}

fn is_open(alert: &Value) -> bool {
    alert["closed_at"].is_null()
}

fn address(alert: &Value) -> String {
    let text = |key: &str| alert[key].as_str().unwrap();
    format!("/api/khu-pho/{}/incidents/{}", text("khu_pho"), text("id"))
}

#[tokio::test]
async fn alerts_are_replayed_with_their_bytes_and_sent_to_nobody_again() {
    let receiver = Receiver::start([]).await;
    let site = old_ward(receiver.address.port());
    let daemon = site.start().await;
    let admin = signed_in(&daemon, "admin");
    let told = daemon.bytes_with("/api/alerts?after=0&limit=500", &admin);
    let told = String::from_utf8(told).unwrap();
    let (alerts, newest) = recorded();
    let feed = expected("feed.json");
    let list = |text: &str| text.split_once(r#""alerts":["#).unwrap().1.to_owned();
    // Behind the recorded list newer ones may stand.
    let known = list(&feed);
    let known = known.split_once(r#"],"pictures""#).unwrap().0;
    assert!(known.len() > 20_000 && list(&told).starts_with(known), "{told}");
    let pictures = |text: &str| serde_json::from_str::<Value>(text).unwrap()["pictures"].clone();
    assert_eq!(pictures(&told), pictures(&feed), "their addresses too");

    let at = alerts.last().unwrap()["sequence"].as_u64().unwrap();
    let system = get(&daemon, "/api/system", &admin);
    assert!(system["outbox"]["mqtt"].as_u64().unwrap() >= at, "{system}");
    // What is new is sent, and nothing before it.
    let other = json!({ "kind": "other", "place": "mới" }).to_string();
    assert_eq!(daemon.post("/api/khu-pho/kp4/report", &admin, &other).0, 200);
    mosquitto::until("the new one is sent", || {
        receiver.texts().iter().any(|text| text.contains("mới"))
    })
    .await;
    for text in receiver.texts() {
        let alert: Value = serde_json::from_str(&text).unwrap();
        assert!(alert["sequence"].as_u64().unwrap() > at, "{text}");
    }

    // Each picture of an alert is there, and so are those of before, at and after.
    let (mut snapshots, mut moments) = (0, 0);
    for alert in newest.values() {
        let incident = get(&daemon, &address(alert), &admin);
        let pictures = incident["pictures"].as_object().unwrap();
        for name in pictures.values() {
            let jpeg = daemon.bytes_with(name.as_str().unwrap(), &admin);
            assert!(jpeg.starts_with(&[0xff, 0xd8]), "{name}");
            snapshots += 1;
        }
        for moment in incident["moments"].as_array().unwrap() {
            let jpeg = daemon.bytes_with(moment["url"].as_str().unwrap(), &admin);
            assert!(jpeg.starts_with(&[0xff, 0xd8]), "{moment}");
            moments += 1;
        }
    }
    let there = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(snapshots, there(&kept("var/snapshots")));
    let incidents = std::fs::read_dir(kept("var/album")).unwrap();
    assert_eq!(moments, incidents.map(|entry| there(&entry.unwrap().path())).sum::<usize>());
}

#[tokio::test]
async fn open_incidents_of_each_kind_are_answered_where_they_were_left() {
    let site = old_ward(9);
    let daemon = site.start().await;
    let police = signed_in(&daemon, "police");
    let (_, newest) = recorded();
    // The siren sounded when that daemon was stopped; by now it has sounded for too long.
    let sounding = |alert: &&Value| alert["siren"]["state"] == "on";
    let loud: Vec<&Value> = newest.values().filter(sounding).collect();
    assert_eq!(loud.len(), 1);
    let incident = || get(&daemon, &address(loud[0]), &police);
    mosquitto::until("the siren is silent", || {
        incident()["revisions"].as_array().unwrap().last().unwrap()["siren"]["state"] == "off"
    })
    .await;
    let open = newest.values().filter(|alert| is_open(alert));
    assert_eq!(kinds(open.clone()), KINDS.into());
    let states: BTreeSet<_> = newest.values().map(|a| a["state"].as_str().unwrap()).collect();
    let all = ["acknowledged", "expired", "false_alarm", "on_scene", "open", "resolved"];
    assert_eq!(states, all.into(), "the store has incidents in every state");
    for alert in open {
        let answer = json!({ "action": "resolve", "note": "sau khi nâng cấp" }).to_string();
        let command = format!("{}/command", address(alert));
        let (status, said) = daemon.post(&command, &police, &answer);
        assert_eq!((status, &said["outcome"]), (200, &json!("done")), "{alert}");
        let closed = &said["alert"];
        assert_eq!(closed["state"], "resolved");
        assert!(closed["revision"].as_u64() > alert["revision"].as_u64());
        for key in ["kind", "opened_at", "cameras", "reports", "acknowledged", "exercise"] {
            if key != "acknowledged" || !alert[key].is_null() {
                assert_eq!(closed[key], alert[key], "{key}");
            }
        }
    }
    for alert in newest.values().filter(|alert| !is_open(alert)) {
        let answer = json!({ "action": "resolve" }).to_string();
        let (status, said) = daemon.post(&format!("{}/command", address(alert)), &police, &answer);
        let resolved = alert["state"] == "resolved";
        assert_eq!(status, if resolved { 200 } else { 409 }, "{alert}: {said}");
        assert_eq!(said["outcome"], if resolved { "already" } else { "refused" });
    }
}

#[tokio::test]
async fn users_sign_in_and_what_they_asked_for_holds() {
    let site = old_ward(9);
    let daemon = site.start().await;
    for (name, role, khu_pho) in [
        ("admin", "admin", Value::Null),
        ("police", "police", Value::Null),
        ("khu", "khu_pho", json!(["kp3"])),
    ] {
        let me = get(&daemon, "/api/me", &signed_in(&daemon, name));
        assert_eq!((&me["role"], &me["khu_pho"]), (&json!(role), &khu_pho), "{me}");
    }
    let gone = format!("name=gone&password={PASSWORD}");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(daemon.answer("POST", "/sign-in", form, &gone).0, 401);
    let push = get(&daemon, "/api/push", &signed_in(&daemon, "police"));
    assert_eq!(push["key"], expected("push_key.txt").trim(), "subscriptions are made for it");
    let (ended, ..) = daemon.stop().await;
    assert!(ended.success());
    let file = "access/push.json";
    let read = |path: PathBuf| -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    assert_eq!(read(site.path("var").join(file)), read(kept("var").join(file)));
}

#[tokio::test]
async fn sessions_of_that_day_go_on() {
    let site = old_ward(9);
    let wall = Wall::parse_rfc3339(expected("made_at.txt").trim()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Stamp { mono: Mono(1), wall }));
    let access = Access::open(&site.path("var"), clock).unwrap();
    let sessions: BTreeMap<String, String> =
        serde_json::from_str(&expected("sessions.json")).unwrap();
    assert_eq!(sessions.len(), 3);
    for (name, session) in sessions {
        assert_eq!(access.viewer(&session).unwrap().login, name);
    }
    assert!(access.viewer(&"0".repeat(64)).is_none());
}
