//! `keng user`, and a daemon that follows what it does.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::daemon::Site;
use crate::daemon::ward;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::until;

/// `keng user` with the password on standard input; whether it succeeded, and what it said.
fn user(site: &Site, arguments: &[&str], password: &str) -> (bool, String) {
    let config = site.config();
    let config = ["--config", config.to_str().unwrap()];
    let arguments = [&["user"], arguments, &config[..]].concat();
    let mut child = site
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let written = child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
    // It may have refused before it asked.
    drop(written);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_user_who_is_added_signs_in_and_one_who_is_removed_no_longer() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    site.configure(&ward(broker.port, &[]));
    let daemon = site.start().await;
    let me: Value = serde_json::from_str(&daemon.get("/api/me")).unwrap();
    assert_eq!(me["local"], true);

    let add = ["add", "ba", "--role", "khu_pho", "--khu-pho", "kp3", "--full-name", "Bà Ba"];
    let (done, said) = user(&site, &add, "một hai ba bốn");
    assert!(done, "{said}");
    assert!(!said.contains("một hai"), "{said}");
    let credentials = "name=ba&password=m%E1%BB%99t+hai+ba+b%E1%BB%91n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let sign_in = || daemon.answer("POST", "/sign-in", form, credentials);
    until("everybody has to sign in", || daemon.answer("GET", "/api/me", "", "").0 == 401).await;
    let (status, head, _) = sign_in();
    assert_eq!(status, 303, "{head}");
    let line = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("Cookie: {}\r\n", line.split(';').next().unwrap());
    let (status, _, me) = daemon.answer("GET", "/api/me", &cookie, "");
    let me: Value = serde_json::from_str(&me).unwrap();
    assert_eq!((status, &me["name"], &me["khu_pho"]), (200, &json!("Bà Ba"), &json!(["kp3"])));

    // What they do bears their name, whatever they say.
    let head = format!("{cookie}X-Keng-CSRF: {}\r\n", me["csrf"].as_str().unwrap());
    let (_, said) = daemon.post("/api/khu-pho/kp3/report", &head, r#"{"kind":"smoke"}"#);
    assert_eq!(said["alert"]["reports"][0]["by"], "Bà Ba");

    let (done, said) = user(&site, &["list"], "");
    assert!(done && said.trim() == "ba  khu_pho kp3  Bà Ba", "{said}");
    let (done, said) = user(&site, &["remove", "ba"], "");
    assert!(done && said.contains("no users are left"), "{said}");
    let is_local = || daemon.answer("GET", "/api/me", "", "").0 == 200;
    until("this machine is enough again", is_local).await;
    assert_eq!(sign_in().0, 401);
    let log = site.run_configured(&["audit", "show"]).await;
    let log = String::from_utf8(log.stdout).unwrap();
    for action in ["user_added", "sign_in", "report", "user_removed"] {
        assert!(log.contains(action), "{action}: {log}");
    }
}

#[tokio::test]
async fn what_would_let_others_in_is_refused_with_the_remedy() {
    let site = Site::new();
    let text = ward(1, &[]);
    site.configure(&text);
    for (arguments, password, reason) in [
        (&["add", "ba", "--role", "king"][..], "x", "none of police, khu_pho, admin"),
        (&["add", "ba", "--role", "khu_pho"], "x", "needs one khu phố"),
        (&["add", "ba", "--role", "khu_pho", "--khu-pho", "kp9"], "x", "no khu phố \"kp9\""),
        (&["add", "Bà Ba", "--role", "police"], "x", "no name to sign in by"),
        (&["add", "ba", "--role", "police"], "short", "at least 10"),
        (&["passwd", "ba"], "một hai ba bốn", "no user \"ba\""),
        (&["remove", "ba"], "", "no user \"ba\""),
    ] {
        let (done, said) = user(&site, arguments, password);
        assert!(!done && said.contains(reason), "{arguments:?}: {said}");
    }
    for (web, reason) in [
        ("listen = \"0.0.0.0:0\"", "without TLS"),
        ("listen = \"127.0.0.1:0\"\nbehind_proxy = true", "keng user add"),
        ("listen = \"127.0.0.1:0\"\ncertificate = \"nowhere.pem\"", "without its key"),
        ("listen = \"127.0.0.1:0\"\ncertificate = \"no.pem\"\nkey = \"no.pem\"", "can't use"),
    ] {
        site.configure(&text.replace("listen = \"127.0.0.1:0\"", web));
        for command in ["check", "run"] {
            let output = site.run_configured(&[command]).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains(reason), "{command} {web}: {said}");
        }
    }
}
