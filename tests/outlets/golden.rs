//! The bytes that each outlet makes of the kept alerts: webhooks in every form, CAP, push
//! notifications, and what Home Assistant reads.
//!
//! The alerts are those of `crates/core/tests/golden/alerts`, appended to an outbox as they are,
//! each history under a subject of its own. `KENG_GOLDEN=write cargo test --test outlets golden`
//! writes `tests/outlets/golden` anew, which is right only where an outlet's form is meant to
//! change.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keng::outlet::BodyTemplate;
use keng::outlet::cap;
use keng::outlet::home_assistant::{self, Announcer};
use keng::outlet::webhook::{Body, Config, Filter};
use keng::time::Wall;
use keng::ward::{Id, KhuPho, Language, Location, Site, Ward};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::mosquitto::{Mosquitto, Subscriber, until};
use super::publisher::{self, Daemon};
use super::push;
use super::receiver::{Got, Receiver};
use super::street::{Street, append, webhook};

/// Scenarios with incidents that grow, are merged, are called for, and drills.
const SCENARIOS: [&str; 5] =
    ["smoke_then_fire", "merged", "exercise_silent", "escalation", "power_cut"];

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Compares with the kept file of this name, or writes it where that is asked for.
fn compare(name: &str, text: &str) {
    let path = tests().join("outlets/golden").join(name);
    if std::env::var_os("KENG_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    for (number, (kept, now)) in kept.lines().zip(text.lines()).enumerate() {
        assert_eq!(now, kept, "{name}, line {}", number + 1);
    }
    assert_eq!(text.len(), kept.len(), "{name} has another end");
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// Kept alerts with the subjects that they get here. A made-up one stands alone.
fn alerts(name: &str) -> Vec<(String, String)> {
    let path =
        keng_testkit::root().join("crates/core/tests/golden/alerts").join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    let subject = |(number, line): (usize, &str)| {
        let alert: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| alert[key].as_str().unwrap().to_owned();
        let own = if name == "made" { number.to_string() } else { text("id") };
        (format!("{}/{name}-{own}", text("khu_pho")), line.to_owned())
    };
    let alerts: Vec<_> = text.lines().enumerate().map(subject).collect();
    assert!(!alerts.is_empty(), "{name}");
    alerts
}

fn scenarios() -> Vec<(String, String)> {
    SCENARIOS.iter().flat_map(|name| alerts(name)).collect()
}

fn all() -> Vec<(String, String)> {
    scenarios().into_iter().chain(alerts("made")).collect()
}

fn fill(street: &Street, alerts: &[(String, String)]) {
    for (subject, alert) in alerts {
        street.append(subject, alert);
    }
}

/// Returns what a webhook with this body and filter sends of `alerts`.
async fn sent(alerts: &[(String, String)], body: Body, filter: Filter) -> Vec<Got> {
    let street = Street::new();
    let receiver = Receiver::start([]).await;
    let to = webhook("hook", &format!("http://{}/in", receiver.address));
    let config = Config { body, filter, ..to };
    street.enrol(&config);
    fill(&street, alerts);
    let running = street.run(&config);
    street.all_read(&config).await;
    running.stop().await;
    assert_eq!(street.letters(), [], "nothing is set aside");
    receiver.got()
}

/// Deliveries and their bodies, one below the other.
fn listed(got: &[Got]) -> String {
    let mut text = String::new();
    for got in got {
        writeln!(text, "-- {}\n{}", got.header("x-keng-delivery"), got.text().trim_end()).unwrap();
    }
    text
}

fn issuer(language: Language) -> Arc<cap::Issuer> {
    let khu_pho = |name: &str| KhuPho { id: id(name), name: format!("Khu {name}"), team: None };
    let scope = match language {
        Language::Vi => cap::Scope::Restricted("Lực lượng PCCC & công an".to_owned()),
        Language::En => cap::Scope::Public,
    };
    let ward = Ward { language, ..publisher::ward() };
    let khu_pho = ["kp1", "kp2"].map(khu_pho).to_vec();
    Arc::new(cap::Issuer { sender: "keng@phuong-14.example".to_owned(), scope, ward, khu_pho })
}

#[tokio::test]
async fn a_webhook_sends_the_alerts_own_bytes() {
    let alerts = all();
    let got = sent(&alerts, Body::Alert, Filter::default()).await;
    let bodies: Vec<String> = got.iter().map(Got::text).collect();
    let bytes: Vec<String> = alerts.into_iter().map(|(_, alert)| alert).collect();
    assert_eq!(bodies, bytes);
}

#[tokio::test]
async fn which_alerts_are_news_to_a_webhook_stays() {
    let filter = Filter { news_only: true, ..Filter::default() };
    let template = BodyTemplate::new("{sequence} {kind} {state} {severity}", "text/plain").unwrap();
    let got = sent(&scenarios(), Body::Template(template), filter).await;
    compare("news.txt", &listed(&got));
}

#[tokio::test]
async fn templates_are_filled_as_they_were() {
    let names = BodyTemplate::names();
    let fields = |form: &str, between: &str| -> String {
        let fields = names.iter().filter(|name| **name != "alert");
        let fields: Vec<String> = fields.map(|name| form.replace('$', name)).collect();
        fields.join(between)
    };
    for (file, content_type, text) in [
        ("template.json.txt", "application/json", format!("{{{}}}", fields("\"$\":\"{$}\"", ","))),
        ("template.form.txt", "application/x-www-form-urlencoded", fields("$={$}", "&")),
        ("template.xml.txt", "application/xml", fields("<$>{$}</$>", "")),
        ("template.plain.txt", "text/plain", fields("{$}", " | ")),
    ] {
        let template = BodyTemplate::new(&text, content_type).unwrap();
        let some: Vec<_> = alerts("made").into_iter().step_by(5).collect();
        let got = sent(&some, Body::Template(template), Filter::default()).await;
        compare(file, &listed(&got));
    }
}

#[tokio::test]
async fn cap_documents_keep_their_bytes() {
    for (file, language, alerts) in [
        ("cap.made.vi.txt", Language::Vi, alerts("made")),
        ("cap.made.en.txt", Language::En, alerts("made").into_iter().step_by(3).collect()),
        ("cap.scenarios.vi.txt", Language::Vi, scenarios()),
    ] {
        let got = sent(&alerts, Body::Cap(issuer(language)), Filter::default()).await;
        compare(file, &listed(&got));
    }
}

#[tokio::test]
async fn notifications_say_what_they_said() {
    for (file, language) in [("push.vi.jsonl", Language::Vi), ("push.en.jsonl", Language::En)] {
        let text = push::notifications(language, |street| fill(street, &all())).await;
        compare(file, &text);
    }
}

#[tokio::test]
async fn home_assistant_reads_the_same_topics() {
    for (file, language) in [("home.vi.txt", Language::Vi), ("home.en.txt", Language::En)] {
        compare(file, &home(language).await);
    }
}

/// Announcements, then each khu phố's state while everything goes on that can, and once all is
/// closed.
async fn home(language: Language) -> String {
    let broker = Mosquitto::start().await;
    let ears = Subscriber::new(broker.port, "ears", "#").await;
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), publisher::config(broker.port));
    let ward = Ward { language, ..publisher::ward() };
    let config = home_assistant::Config { prefix: "homeassistant".to_owned() };
    let announcer = Announcer::new(config, ward, daemon.retained.clone());
    let khu_pho = |name: &str| KhuPho { id: id(name), name: format!("Khu {name}"), team: None };
    let site = |name: &str| Site {
        id: id(name),
        khu_pho: id("kp1"),
        place: Location { address: format!("Hẻm {name}"), coordinates: None },
        owner: None,
        neighbours: Vec::new(),
    };
    let sites = ["gate", "lane", "market"].map(site);
    let known = ["kp1", "kp2", "kp9"].map(khu_pho);
    announcer.configure(&known, &sites.iter().collect::<Vec<_>>());
    let stop = CancellationToken::new();
    let follower = tokio::spawn(announcer.follow(daemon.outbox.clone(), stop.clone()));
    let newest = |topic: &str| {
        let heard = ears.on(topic);
        heard.last().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).unwrap_or_default()
    };
    // Of all khu phố this one is told of last.
    let (sign, seen) = (alerts("made")[0].1.replace("kp1", "kp9"), "keng/p14/kp9/status");
    let mut text = String::new();
    for goes_on in [true, false] {
        for (subject, alert) in alerts("made") {
            let read: Value = serde_json::from_str(&alert).unwrap();
            if read["closed_at"].is_null() || !goes_on {
                append(&daemon.outbox, &subject, &alert, goes_on, Wall(1));
            }
        }
        append(&daemon.outbox, "kp9/sign", &sign, goes_on, Wall(1));
        until("all is told", || newest(seen).contains("\"fire\"") == goes_on).await;
        let said = ["kp1", "kp2"].map(|name| newest(&format!("keng/p14/{name}/status")));
        writeln!(text, "{}\n{}", said[0], said[1]).unwrap();
    }
    let objects = ["camera_gate", "camera_lane", "camera_market", "khu-pho_kp1", "khu-pho_kp2"];
    for object in objects {
        let topic = format!("homeassistant/device/keng_p14/{object}/config");
        writeln!(text, "{topic}\n{}", newest(&topic)).unwrap();
    }
    stop.cancel();
    follower.await.unwrap();
    daemon.stop().await;
    text
}
