//! Webhooks against receivers that answer well, badly, late, never, and too much.

use std::sync::Arc;
use std::time::Duration;

use keng::incident::Kind;
use keng::incident::Severity;
use keng::outbox::Sequence;
use keng::outlet::cap;
use keng::outlet::webhook::Body;
use keng::outlet::webhook::Config;
use keng::outlet::webhook::Expect;
use keng::outlet::webhook::Filter;
use keng::outlet::webhook::Target;
use serde_json::json;

use super::mosquitto::free_port;
use super::mosquitto::until;
use super::publisher::ward;
use super::receiver::Receiver;
use super::receiver::Reply;
use super::receiver::status;
use super::street::Street;
use super::street::reader;
use super::street::secret;
use super::street::webhook;

fn to(receiver: &Receiver) -> Config {
    webhook("hook", &format!("http://{}/in?x=1", receiver.address))
}

/// Appends alerts of three incidents in turn.
fn some(street: &Street, count: u32) -> Vec<String> {
    (0..count).map(|n| street.add(n % 3, n / 3 + 1, &json!({}))).collect()
}

#[tokio::test]
async fn alerts_arrive_in_order_signed_and_unchanged() {
    let street = Street::new();
    let receiver = Receiver::start([]).await;
    let mut config = to(&receiver);
    config.secret = Some(secret("key"));
    config.headers = vec![("x-api-key".to_owned(), secret("hunter2"))];
    street.enrol(&config);
    let sent = some(&street, 20);
    let running = street.run(&config);
    street.all_read(&config).await;
    assert_eq!(receiver.texts(), sent);
    let first = &receiver.got()[0];
    assert_eq!(first.path, "/in?x=1");
    assert_eq!(first.header("x-keng-delivery"), "20261120t151403120z-hem-42/1");
    assert_eq!(first.header("x-api-key"), "hunter2");
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("host"), receiver.address.to_string());
    // As a receiver checks it, with OpenSSL.
    let message = format!("{}.{}", first.header("x-keng-timestamp"), first.text());
    assert_eq!(first.header("x-keng-signature"), format!("sha256={}", openssl("key", &message)));
    assert_eq!(street.metrics.outlet(&reader(&config)).delivered.get(), 20);
    running.stop().await;
}

fn openssl(key: &str, message: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    std::fs::write(&file, message).unwrap();
    let command = ["dgst", "-sha256", "-hmac", key, "-r"];
    let out = std::process::Command::new("openssl").args(command).arg(&file).output();
    let out = String::from_utf8(out.expect("the tests need openssl").stdout).unwrap();
    out.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_receiver_that_stumbles_gets_everything_once_it_stands() {
    let street = Street::new();
    let busy = Reply::Says(503, "retry-after", "0", "later".to_owned());
    let replies = [status(500), busy, status(500), status(200), status(502), status(429)];
    let receiver = Receiver::start(replies).await;
    let config = to(&receiver);
    street.enrol(&config);
    let sent = some(&street, 5);
    let running = street.run(&config);
    street.all_read(&config).await;
    let mut heard = receiver.texts();
    assert_eq!(heard.len(), 10);
    heard.dedup();
    assert_eq!(heard, sent);
    assert_eq!(street.letters(), []);
    assert_eq!(street.metrics.outlet(&reader(&config)).failures.get(), 5);
    running.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_set_aside_and_never_asked_again() {
    let street = Street::new();
    let words = "{\"why\":\"no such chat, hunter2, /in?x=1\"}".to_owned();
    let receiver = Receiver::start([status(200), Reply::Says(400, "a", "b", words)]).await;
    let mut config = to(&receiver);
    config.secret = Some(secret("hunter2"));
    street.enrol(&config);
    let sent = some(&street, 4);
    let running = street.run(&config);
    street.all_read(&config).await;
    running.stop().await;
    assert_eq!(receiver.texts(), sent, "each once, in order");
    let street = street.restart();
    let letters = street.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].sequence, &*letters[0].reader), (Sequence(2), "webhook/hook"));
    assert_eq!(letters[0].reason, "HTTP 400: {\"why\":\"no such chat, ***, ***\"}");
    let running = street.run(&config);
    let more = street.add(9, 1, &json!({}));
    street.all_read(&config).await;
    assert_eq!(receiver.texts().last(), Some(&more));
    assert_eq!(receiver.got().len(), 5);
    running.stop().await;
}

#[tokio::test]
async fn one_that_refuses_everything_does_not_look_well() {
    let street = Street::new();
    let gone = Receiver::at(0, [], |got| {
        let echo = |token: &str| Reply::Says(404, "a", "b", format!("{{\"no\":\"{token}\"}}"));
        Some(echo(if got.path.contains("%2F") { "12/ab 12%2Fab" } else { "?" }))
    });
    let gone = gone.await;
    let url = format!("http://{}/{{secret}}/send", gone.address);
    let mut config = to(&gone);
    config.target = Target::new(&url, Some(&secret("12/ab"))).unwrap();
    street.enrol(&config);
    some(&street, 2);
    let running = street.run(&config);
    street.all_read(&config).await;
    let why = street.standings.list().remove(0).1;
    assert_eq!(why.as_deref(), Some("HTTP 404: {\"no\":\"*** ***\"}"));
    running.stop().await;
}

#[tokio::test]
async fn an_alert_that_a_receiver_fails_at_does_not_hold_up_the_rest() {
    let street = Street::new();
    let receiver =
        Receiver::at(0, [], |got| got.text().contains("poison").then(|| status(500))).await;
    let config = to(&receiver);
    street.enrol(&config);
    street.add(1, 1, &json!({ "message": "poison" }));
    let good = street.add(2, 1, &json!({}));
    let running = street.run(&config);
    street.all_read(&config).await;
    assert_eq!(receiver.texts().last(), Some(&good));
    assert!(receiver.got().len() > 4, "tried more than once");
    assert_eq!(street.letters()[0].reason, "HTTP 500");
    assert_eq!(street.metrics.set_aside_now.get(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_away_is_waited_for() {
    let street = Street::new();
    let port = free_port();
    let config = webhook("hook", &format!("http://127.0.0.1:{port}/"));
    street.enrol(&config);
    let sent = some(&street, 3);
    let running = street.run(&config);
    let failures = street.metrics.outlet(&reader(&config)).failures;
    until("it was tried in vain", || failures.get() >= 8).await;
    let why = street.standings.list().remove(0).1.unwrap();
    assert!(why.contains("can't reach 127.0.0.1"), "{why}");
    let receiver = Receiver::at(port, [], |_| None).await;
    street.all_read(&config).await;
    assert_eq!(receiver.texts(), sent);
    assert_eq!((street.letters(), street.standings.list()[0].1.clone()), (vec![], None));
    running.stop().await;
}

#[tokio::test]
async fn what_was_under_way_when_the_daemon_died_comes_again() {
    let street = Street::new();
    let receiver = Receiver::start([status(200), Reply::Silence]).await;
    let config = to(&receiver);
    street.enrol(&config);
    let sent = some(&street, 3);
    let running = street.run(&config);
    until("the second is under way", || receiver.got().len() == 2).await;
    running.die().await;
    let street = street.restart();
    assert_eq!(street.outbox.cursor(&reader(&config)).unwrap(), Sequence(1));
    let running = street.run(&config);
    street.all_read(&config).await;
    let heard = receiver.texts();
    assert_eq!(heard, [&sent[0], &sent[1], &sent[1], &sent[2]].map(Clone::clone));
    running.stop().await;
}

#[tokio::test]
async fn one_that_never_answers_slows_nobody() {
    let street = Street::new();
    let deaf = Receiver::at(0, [], |_| Some(Reply::Silence)).await;
    let good = Receiver::start([]).await;
    let slow = Config { id: keng::ward::Id::new("slow").unwrap(), ..to(&deaf) };
    let config = to(&good);
    street.enrol(&slow);
    street.enrol(&config);
    let both = [street.run(&slow), street.run(&config)];
    let sent = some(&street, 10);
    until("the good one has all", || good.got().len() == 10).await;
    assert_eq!(good.texts(), sent);
    assert!(deaf.got().len() <= 1);
    for running in both {
        running.stop().await;
    }
}

#[tokio::test]
async fn a_new_webhook_begins_with_what_is_live() {
    let street = Street::new();
    let closed = json!({ "state": "resolved", "closed_at": "2026-11-21T22:20:00.000+07:00" });
    street.add(1, 1, &json!({}));
    street.add(2, 1, &json!({}));
    street.add(1, 2, &closed);
    let live = street.add(2, 2, &json!({}));
    let receiver = Receiver::start([]).await;
    let config = to(&receiver);
    let running = street.run(&config);
    until("what is live", || receiver.texts() == [live.clone()]).await;
    let next = street.add(3, 1, &json!({}));
    until("what comes", || receiver.texts() == [live.clone(), next.clone()]).await;
    running.stop().await;
}

#[tokio::test]
async fn tls_is_trusted_by_its_own_authority_alone() {
    let street = Street::new();
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    let receiver = Receiver::start_tls(ca_file.path()).await;
    let url = format!("https://localhost:{}/", receiver.address.port());
    let stranger = tempfile::NamedTempFile::new().unwrap();
    let _other = Receiver::start_tls(stranger.path()).await;
    let mut config = webhook("hook", &url);
    config.ca_file = Some(stranger.path().to_owned());
    street.enrol(&config);
    let sent = some(&street, 2);
    let running = street.run(&config);
    let failing = || street.standings.list().first().and_then(|(_, why)| why.clone());
    until("it is refused", || failing().is_some()).await;
    assert!(failing().unwrap().contains("no TLS session with localhost"), "{:?}", failing());
    running.stop().await;
    config.ca_file = Some(ca_file.path().to_owned());
    let running = street.run(&config);
    street.all_read(&config).await;
    assert_eq!(receiver.texts(), sent);
    running.stop().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_endless_answer_ends() {
    let street = Street::new();
    let elsewhere = Receiver::start([]).await;
    let there: &'static str = format!("http://{}/", elsewhere.address).leak();
    let redirect = Reply::Says(307, "location", there, String::new());
    let receiver = Receiver::start([redirect, Reply::Endless]).await;
    let config = to(&receiver);
    street.enrol(&config);
    let sent = some(&street, 2);
    let running = street.run(&config);
    street.all_read(&config).await;
    assert_eq!(receiver.texts(), [&sent[0], &sent[0], &sent[1]].map(Clone::clone));
    assert!(elsewhere.got().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn only_what_is_asked_for_is_sent() {
    let street = Street::new();
    let receiver = Receiver::start([]).await;
    let mut config = to(&receiver);
    config.filter = Filter {
        kinds: vec![Kind::Fire, Kind::Smoke],
        severity_min: Some(Severity::Critical),
        news_only: true,
        ..Filter::default()
    };
    street.enrol(&config);
    street.add(1, 1, &json!({ "kind": "loitering", "severity": "warning" }));
    street.add(2, 1, &json!({ "kind": "smoke", "severity": "warning" }));
    let risen = street.add(2, 2, &json!({ "kind": "smoke" }));
    street.add(2, 3, &json!({}));
    let at = "2026-11-21T22:18:00.000+07:00";
    let escalated = street.add(2, 4, &json!({ "escalated_at": at, "updated_at": at }));
    let closed = street.add(2, 5, &json!({ "state": "resolved", "closed_at": at }));
    let running = street.run(&config);
    street.all_read(&config).await;
    assert_eq!(receiver.texts(), [risen, escalated, closed]);
    running.stop().await;
}

#[tokio::test]
async fn a_gateway_that_answers_200_to_everything_is_not_believed() {
    let street = Street::new();
    let says = |body: &str| Reply::Says(200, "a", "b", body.to_owned());
    let receiver = Receiver::start([says("{\"error\":-216}"), says("no"), says("{\"error\":0}")]);
    let receiver = receiver.await;
    let mut config = to(&receiver);
    config.expect = Some(Expect { field: "error".to_owned(), value: "0".to_owned() });
    street.enrol(&config);
    some(&street, 1);
    let running = street.run(&config);
    street.all_read(&config).await;
    assert_eq!((receiver.got().len(), street.letters()), (3, vec![]));
    running.stop().await;
}

fn as_cap() -> Body {
    Body::Cap(Arc::new(cap::Issuer {
        sender: "keng@p14.example".to_owned(),
        scope: cap::Scope::Public,
        ward: ward(),
        khu_pho: Vec::new(),
    }))
}

#[tokio::test]
async fn a_cap_message_refers_to_what_was_sent_alone() {
    let street = Street::new();
    let receiver = Receiver::start([]).await;
    let mut config = to(&receiver);
    config.body = as_cap();
    config.filter = Filter { severity_min: Some(Severity::Critical), ..Filter::default() };
    street.enrol(&config);
    street.add(1, 1, &json!({ "severity": "warning" }));
    street.add(1, 2, &json!({}));
    street.add(1, 3, &json!({ "severity": "warning" }));
    street.add(1, 4, &json!({}));
    let running = street.run(&config);
    street.all_read(&config).await;
    let texts = receiver.texts();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("<msgType>Alert<") && !texts[0].contains("<references>"));
    assert!(texts[1].contains("<msgType>Update<"), "{}", texts[1]);
    let references = texts[1].split("<references>").nth(1).unwrap();
    let references = references.split("</references>").next().unwrap();
    assert_eq!(references.matches("keng@p14.example").count(), 1, "{references}");
    assert!(references.contains("hem-42.2,"), "{references}");
    running.stop().await;
}

#[tokio::test]
async fn fires_go_out_as_cap_messages() {
    let street = Street::new();
    let receiver = Receiver::start([]).await;
    let mut config = to(&receiver);
    config.content_type = cap::CONTENT_TYPE.to_owned();
    config.body = as_cap();
    street.enrol(&config);
    street.add(1, 1, &json!({}));
    street.add(2, 1, &json!({ "kind": "loitering" }));
    let at = "2026-11-21T22:20:00.000+07:00";
    street.add(1, 2, &json!({ "state": "false_alarm", "closed_at": at }));
    let running = street.run(&config);
    street.all_read(&config).await;
    let texts = receiver.texts();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("<msgType>Alert</msgType>"), "{}", texts[0]);
    assert!(texts[1].contains("<msgType>Cancel</msgType>"), "{}", texts[1]);
    assert!(texts[1].contains("<references>keng@p14.example,p14.2026112"), "{}", texts[1]);
    assert_eq!(receiver.got()[0].header("content-type"), "application/cap+xml");
    running.stop().await;
}

#[test]
fn a_target_keeps_its_secret() {
    let token = secret("123456:AA-b_c/d");
    let url = "https://api.telegram.org/bot{secret}/sendMessage";
    let target = Target::new(url, Some(&token)).unwrap();
    assert_eq!(format!("{target:?}"), "Target(https://api.telegram.org/***)");
    for (url, with) in [
        ("https://{secret}.example/", true),
        ("https://x.example:{secret}/", true),
        ("https://x.example/{secret}", false),
        ("https://x.example/", true),
        ("ftp://x.example/", false),
        ("https://u:p@x.example/", false),
        ("https://", false),
        ("x", false),
    ] {
        let error = Target::new(url, with.then_some(&token)).unwrap_err().to_string();
        assert!(!error.contains("123456"), "{url}: {error}");
    }
    assert!(Duration::from_secs(5) == webhook("a", "http://localhost/").timeout);
}
