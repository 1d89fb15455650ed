//! Two teams at a broker that goes by what `keng acl mosquitto` wrote, each after the other's.

use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::json;

use crate::STATUS;
use crate::daemon::Site;
use crate::daemon::ward_with;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::until;

/// A phone with a login, which asks for everything.
struct Phone {
    child: Child,
    /// Topic and payload.
    heard: Arc<Mutex<Vec<(String, String)>>>,
    login: [String; 4],
    port: String,
}

impl Phone {
    async fn new(port: u16, user: &str, password: &str) -> Self {
        let login = ["-u", user, "-P", password].map(str::to_owned);
        let port = port.to_string();
        let mut child = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "#", "-F", "%t %p"])
            .args(&login)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests need mosquitto_sub");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (subscriber, stdout) = (heard.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let (topic, payload) = line.split_once(' ').unwrap_or((&line, ""));
                subscriber.lock().unwrap().push((topic.to_owned(), payload.to_owned()));
            }
        });
        let phone = Self { child, heard, login, port };
        until("it hears the ward's status", || phone.on(STATUS).is_some()).await;
        phone
    }

    fn say(&self, topic: &str, payload: &str) {
        assert!(publishes(&self.port, &self.login, topic, payload), "{topic}");
    }

    /// The newest on a topic.
    fn on(&self, topic: &str) -> Option<serde_json::Value> {
        let heard = self.heard.lock().unwrap();
        let (_, payload) = heard.iter().rev().find(|(its, _)| its == topic)?;
        serde_json::from_str(payload).ok()
    }

    fn topics(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(topic, _)| topic.clone()).collect()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Tells whether the broker took it.
fn publishes(port: &str, login: &[String], topic: &str, payload: &str) -> bool {
    let said = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", port, "-q", "1", "-t", topic, "-m", payload])
        .args(login)
        .stderr(Stdio::null())
        .status();
    said.expect("the tests need mosquitto_pub").success()
}

fn text(port: u16) -> String {
    let mqtt = format!(
        "url = \"mqtt://127.0.0.1:{port}\"\nusername = \"keng\"\n\
         password = {{ env = \"KENG_MQTT\" }}"
    );
    let named = "name = \"Khu phố 3\"\n";
    let more = format!("{named}password = {{ env = \"KENG_KP3\" }}\n\n[[khu_pho]]\nid = \"kp4\"\n");
    let text = ward_with(&mqtt, "127.0.0.1:0", &[]).replace(named, &more);
    format!("{text}\n[home_assistant]\nenabled = true\nprefix = \"ha/tổ\"\n")
}

/// Runs the command; answers with what it printed and the two files.
async fn written(site: &Site) -> (String, String, String) {
    let made =
        site.run_configured(&["acl", "mosquitto", "--out", "rules", "--password-file"]).await;
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| {
        let path = site.path("rules").join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        std::fs::read_to_string(path).unwrap()
    };
    (String::from_utf8(made.stdout).unwrap(), read("acl"), read("passwords"))
}

#[tokio::test]
async fn each_team_has_its_own_khu_pho_and_nothing_else() {
    let site = Site::new();
    let site = site.with_secret("KENG_MQTT", "the daemon's").with_secret("KENG_KP3", "of kp3");
    site.configure(&text(1));
    let (printed, acl, passwords) = written(&site).await;
    let shown = printed.lines().find_map(|line| line.strip_prefix("# new password of kp4"));
    let kp4_password = shown.unwrap().rsplit(' ').next().unwrap().to_owned();
    // And one of the police.
    assert_eq!((kp4_password.len(), printed.matches("new password").count()), (20, 2));
    assert!(printed.contains("message_size_limit 4194304"), "{printed}");
    assert!(!passwords.contains(&kp4_password) && !passwords.contains("of kp3"));
    let (again, acl_again, passwords_again) = written(&site).await;
    assert!(!again.contains("new password") && acl_again == acl, "{again}");
    let kp4 = |text: &str| text.lines().find(|line| line.starts_with("kp4:")).map(str::to_owned);
    assert_eq!(kp4(&passwords_again), kp4(&passwords), "what was made up stays");

    let rules = site.path("rules");
    let broker = Mosquitto::start_with(|_| {
        let rules = rules.display();
        format!("allow_anonymous false\nacl_file {rules}/acl\npassword_file {rules}/passwords\n")
    })
    .await;
    site.configure(&text(broker.port));
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    let port = broker.port.to_string();
    let wrong = ["-u", "kp3", "-P", &kp4_password].map(str::to_owned);
    for login in [&[][..], &wrong] {
        assert!(!publishes(&port, login, "keng/p14/kp3/report", "{}"), "{login:?}");
    }
    let three = Phone::new(broker.port, "kp3", "of kp3").await;
    let four = Phone::new(broker.port, "kp4", &kp4_password).await;

    three.say("keng/p14/kp3/report", r#"{"kind":"fire","by":"kp3"}"#);
    let told = || three.on("keng/p14/kp3/alert");
    until("its own alert", || told().is_some()).await;
    let id = told().unwrap()["id"].as_str().unwrap().to_owned();
    let command = format!("keng/p14/kp3/incident/{id}/command");
    let resolve = r#"{"action":"resolve","by":"kp4"}"#;
    four.say(&command, resolve);
    four.say("keng/p14/kp3/report", r#"{"kind":"smoke","by":"kp4"}"#);
    four.say("keng/p14/kp3/patrol", r#"{"team":"kp4","minutes":30}"#);
    for forged in ["keng/p14/kp3/alert", "keng/p14/kp4/alert", STATUS, "keng/p14/kp4/siren"] {
        four.say(forged, r#"{"state":"forged"}"#);
    }
    four.say("keng/p14/kp4/report", r#"{"kind":"other","by":"kp4"}"#);
    until("its own alert", || four.on("keng/p14/kp4/alert").is_some()).await;
    three.say(&command, r#"{"action":"acknowledge","by":"kp3"}"#);
    until("the answer", || told().unwrap()["revision"] == 2).await;

    let told = daemon.alerts();
    let facts: Vec<_> = told.iter().map(|a| json!([a["khu_pho"], a["state"], a["kind"]])).collect();
    let expected = [
        json!(["kp3", "open", "fire"]),
        json!(["kp4", "open", "other"]),
        json!(["kp3", "acknowledged", "fire"]),
    ];
    assert_eq!(facts, expected);
    for (phone, own) in [(&three, "keng/p14/kp3/"), (&four, "keng/p14/kp4/")] {
        let strange = |topic: &String| !topic.starts_with(own) && topic != STATUS;
        assert_eq!(phone.topics().into_iter().find(strange), None);
        assert_eq!(phone.on(STATUS).unwrap()["state"], "online");
    }
    assert_eq!(daemon.metric("keng_messages_refused_total"), 0, "the broker kept them out");

    // The daemon may announce itself to Home Assistant, and nobody else.
    let itself = Phone::new(broker.port, "keng", "the daemon's").await;
    let announced = "ha/tổ/device/keng_p14/khu-pho_kp3/config";
    until("the announcement", || itself.on(announced).is_some()).await;
    itself.say("ha/tổ/device/another/config", r#"{"state":"forged"}"#);
    itself.say("ha/tổ/device/keng_p14/last/config", r#"{"state":"own"}"#);
    until("what comes behind it", || itself.on("ha/tổ/device/keng_p14/last/config").is_some())
        .await;
    assert_eq!(itself.on("ha/tổ/device/another/config"), None);
    assert!([&three, &four].iter().all(|phone| phone.on(announced).is_none()));
}

/// The users of a password file.
fn names(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once(':').map(|(user, _)| user)).collect()
}

#[tokio::test]
async fn what_the_admin_has_added_stays_and_the_police_read_all() {
    let site = Site::new();
    let site = site.with_secret("KENG_MQTT", "the daemon's").with_secret("KENG_KP3", "of kp3");
    site.configure(&text(1));
    let (printed, acl, passwords) = written(&site).await;
    assert_eq!(names(&passwords), ["keng", "kp3", "kp4", "police"]);
    let shown = printed.lines().find_map(|line| line.strip_prefix("# new password of police"));
    let police_password = shown.unwrap().rsplit(' ').next().unwrap().to_owned();
    let grafana = "\nuser grafana\ntopic read keng/p14/status\n";
    let rules = site.path("rules");
    std::fs::write(rules.join("acl"), format!("{acl}{grafana}")).unwrap();
    let kept = "grafana:$7$101$c2FsdHNhbHRzYWx0$aGFzaA==\n";
    std::fs::write(rules.join("passwords"), format!("{passwords}{kept}")).unwrap();
    let (printed, acl_again, passwords_again) = written(&site).await;
    assert_eq!(acl_again, format!("{acl}{grafana}"));
    assert!(passwords_again.ends_with(kept) && !printed.contains("new password"), "{printed}");
    assert!(printed.contains("no such user: grafana"), "{printed}");

    let broker = Mosquitto::start_with(|_| {
        let rules = rules.display();
        format!("allow_anonymous false\nacl_file {rules}/acl\npassword_file {rules}/passwords\n")
    })
    .await;
    let port = broker.port.to_string();
    let login = |user: &str, password: &str| ["-u", user, "-P", password].map(str::to_owned);
    let daemon = login("keng", "the daemon's");
    let retained = |topic: &str| {
        let status = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-r", "-t", topic, "-m", "{}"])
            .args(&daemon)
            .status();
        assert!(status.unwrap().success());
    };
    retained(STATUS);
    let police = Phone::new(broker.port, "police", &police_password).await;
    police.say("keng/p14/kp3/report", r#"{"kind":"fire","by":"police"}"#);
    let told = ["keng/p14/kp3/alert", "keng/p14/kp4/alert", "keng/p14/kp4/hem-4/status"];
    told.iter().for_each(|topic| retained(topic));
    let hears = |topic: &&str| police.topics().iter().any(|heard| heard == topic);
    until("it hears of all", || told.iter().all(&hears)).await;
    assert!(!hears(&"keng/p14/kp3/report"), "it writes nothing");

    std::fs::write(rules.join("acl"), "user me\n").unwrap();
    let made = site.run_configured(&["acl", "mosquitto", "--out", "rules"]).await;
    assert_eq!(made.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&made.stderr).contains("move it away"), "{made:?}");
    assert_eq!(std::fs::read_to_string(rules.join("acl")).unwrap(), "user me\n");
}

#[tokio::test]
async fn without_a_user_of_its_own_the_daemon_gets_no_rights() {
    let site = Site::new();
    for (mqtt, words) in [
        ("url = \"mqtt://127.0.0.1\"", "add [mqtt] username"),
        ("url = \"mqtt://127.0.0.1\"\nusername = \"kp3\"", "give the daemon another one"),
        ("url = \"mqtt://127.0.0.1\"\nusername = \"a:b\"", "letters and digits"),
    ] {
        site.configure(&ward_with(mqtt, "127.0.0.1:0", &[]));
        let made = site.run_configured(&["acl", "mosquitto", "--out", "rules"]).await;
        assert_eq!(made.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&made.stderr).contains(words), "{made:?}");
    }
    std::fs::create_dir(site.path("rules")).unwrap();
    std::fs::write(site.path("rules/passwords"), "my own notes\n").unwrap();
    let login = "url = \"mqtt://127.0.0.1\"\nusername = \"keng\"";
    site.configure(&ward_with(login, "127.0.0.1:0", &[]));
    let made =
        site.run_configured(&["acl", "mosquitto", "--out", "rules", "--password-file"]).await;
    assert_eq!(made.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&made.stderr).contains("move it away"), "{made:?}");
}
