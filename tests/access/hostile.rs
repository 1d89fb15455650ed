//! Requests of people who mean it ill: none panics, none is answered by 5xx, none gets anything.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::house::Answer;
use crate::house::Browser;
use crate::house::House;

const REPORT: &str = "/api/khu-pho/kp3/report";

/// Refused with a word, and without a fault of ours.
fn refused(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
}

#[tokio::test]
async fn nothing_outside_is_reached_by_any_spelling_of_a_path() {
    let house = House::with_users().await;
    let admin = house.sign_in("admin").await;
    let secret = std::fs::read_to_string(house.folder.path().join("access/key")).unwrap();
    for path in [
        "/../access/key",
        "/..%2f..%2fetc/passwd",
        "/snapshots/..%2faccess%2fkey",
        "/snapshots/../../access/key",
        "/snapshots/%2e%2e/%2e%2e/access/key",
        "/snapshots/....//....//access/key.jpg",
        "/snapshots/1%00.jpg",
        "/snapshots/%c0%ae%c0%ae/key.jpg",
        "/snapshots/%ff%fe.jpg",
        "/snapshots/18446744073709551616-00000000000000000000000000000000.jpg",
        "/snapshots/-1-00000000000000000000000000000000.jpg",
        "/snapshots/1-%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9.jpg",
        "/api/cameras/..%2f..%2fetc%2fpasswd/picture.jpg",
        "/api/cameras/hem-3%0d%0aSet-Cookie:%20keng=stolen/picture.jpg",
        "/api/cameras/%3Cscript%3E/picture.jpg",
        "//evil.example/",
        "/.git/config",
        "/api/alerts/../../access/users.toml",
        "/\\..\\access\\key",
        &format!("/{}", "a/".repeat(3_000)),
    ] {
        let answer = house.get(path, &admin).await;
        refused(&answer, path);
        assert!(!answer.text().contains(secret.trim()), "{path}");
        assert!(answer.header("set-cookie").is_none(), "{path}");
    }
    for query in ["?after=x", "?after=-1", "?limit=99999999999999999999999", "?after=%00", "?limit"]
    {
        refused(&house.get(&format!("/api/alerts{query}"), &admin).await, query);
    }
    let most =
        house.get("/api/alerts?after=18446744073709551615&limit=18446744073709551615", &admin);
    assert_eq!(most.await.status, 200);
}

#[tokio::test]
async fn names_break_out_of_nothing() {
    let house = House::with_users().await;
    let admin = house.sign_in("admin").await;
    for path in ["/api/status", "/sign-in", "/api/me", "/"] {
        for browser in [&admin, &Browser::nobody()] {
            let answer = house.get(path, browser).await;
            assert!(answer.header("set-cookie").is_none(), "{path}: {}", answer.head);
            let is_page = answer.header("content-type").is_some_and(|kind| kind.contains("html"));
            assert!(!is_page || !answer.text().contains("<script>alert"), "{path}");
        }
    }
    for next in
        ["//evil.example", "https:%2f%2fevil.example", "/%0d%0aSet-Cookie:%20a=b", "%5c%5ce"]
    {
        let answer = house.get(&format!("/sign-in?next={next}"), &admin).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{next}");
        assert!(answer.header("set-cookie").is_none());
    }
    let markup = house.get("/sign-in?next=/%22%3E%3Cb%3E", &Browser::nobody()).await.text();
    assert!(!markup.contains("\"><b>"), "{markup}");
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let large = json!({"kind": "fire", "note": "x".repeat(64 * 1024)});
    assert_eq!(house.post(REPORT, &police, &large).await.status, 413);
    let head = format!("{}{}{}", police.cookie, police.token, house.origin());
    let address = house.address;
    let endless = format!(
        "POST {REPORT} HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n{head}\r\n{}",
        format!("4000\r\n{}\r\n", "y".repeat(0x4000)).repeat(4)
    );
    assert_eq!(house.raw(endless.as_bytes()).await.status, 413);
    let huge = format!("X-Huge: {}\r\n", "h".repeat(64 * 1024));
    refused(&house.send("GET /", &huge, "").await, "a huge header");
    let many: String = (0..500).map(|n| format!("X-{n}: x\r\n")).collect();
    refused(&house.send("GET /", &many, "").await, "many headers");
    let cookies = format!("Cookie: {}\r\n", "keng=a; ".repeat(500));
    assert_eq!(house.send("GET /api/me", &cookies, "").await.status, 401);
    let long = "a".repeat(9_000);
    let form = format!("Content-Type: application/x-www-form-urlencoded\r\n{}", house.origin());
    let body = format!("name={long}&password=x");
    assert_eq!(house.send("POST /sign-in", &form, &body).await.status, 401);
}

#[tokio::test]
async fn forged_cookies_are_nobody_s() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let id = police.cookie.trim().strip_prefix("Cookie: keng=").unwrap().to_owned();
    let mut flipped = id.clone().into_bytes();
    flipped[0] ^= 1;
    let flipped = String::from_utf8(flipped).unwrap();
    let hash = std::fs::read_to_string(house.folder.path().join("access/sessions.json")).unwrap();
    let hash = hash.split('"').nth(1).unwrap();
    for (what, cookie) in [
        ("nothing", "keng=".to_owned()),
        ("zeros", format!("keng={}", "0".repeat(64))),
        ("one bit is another", format!("keng={flipped}")),
        ("too short", format!("keng={}", &id[..63])),
        ("too long", format!("keng={id}0")),
        ("capitals", format!("keng={}", id.to_uppercase())),
        ("what the file has", format!("keng={hash}")),
        ("another name", format!("Keng={id}")),
        ("that of TLS", format!("__Host-keng={id}")),
        ("two", format!("keng={id}; keng={id}")),
        ("quoted", format!("keng=\"{id}\"")),
        ("a user's name", "keng=admin; user=admin; role=admin".to_owned()),
    ] {
        let head = format!("Cookie: {cookie}\r\n");
        assert_eq!(house.send("GET /api/alerts", &head, "").await.status, 401, "{what}");
    }
    for (name, value) in
        [("Authorization", "Basic YWRtaW46YWRtaW4="), ("X-Forwarded-User", "admin")]
    {
        let head = format!("{name}: {value}\r\n");
        assert_eq!(house.send("GET /api/alerts", &head, "").await.status, 401, "{name}");
    }
    assert_eq!(house.get("/api/alerts", &police).await.status, 200);
}

#[tokio::test]
async fn other_methods_do_nothing() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let head = format!("{}{}{}", police.cookie, police.token, house.origin());
    let body = json!({"kind": "fire"}).to_string();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "GET", "HEAD"] {
        let answer = house.send(&format!("{method} {REPORT}"), &head, &body).await;
        assert_eq!(answer.status, 405, "{method}");
    }
    for path in ["/api/alerts", "/events", "/metrics", "/"] {
        assert_eq!(house.send(&format!("POST {path}"), &head, &body).await.status, 405, "{path}");
    }
    let hidden = format!("{head}X-HTTP-Method-Override: POST\r\n");
    assert_eq!(house.send(&format!("GET {REPORT}"), &hidden, &body).await.status, 405);
    let connect = house.send("CONNECT evil.example:443", &head, "").await;
    refused(&connect, "a tunnel");
    for body in
        ["", "[]", "{", "null", "{\"kind\":7}", "{\"kind\":\"fire\",\"by\":\"x\"}", "\u{feff}{}"]
    {
        let answer = house.send(&format!("POST {REPORT}"), &head, body).await;
        assert_eq!(answer.status, 422, "{body}");
    }
    let deep = "[".repeat(16_000);
    assert_eq!(house.send(&format!("POST {REPORT}"), &head, &deep).await.status, 422);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let house = House::with_users().await;
    let host = house.address;
    let request = |line: &str, more: &str| {
        format!("{line} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").into_bytes()
    };
    let post = |more: &str| request(&format!("POST {REPORT}"), more);
    let get = |more: &str| request("GET /", more);
    for (what, request) in [
        ("noise", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("no version", b"GET /\r\n\r\n".to_vec()),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n")),
        ("a length that is none", post("Content-Length: -1\r\n")),
        ("a folded header", get("X: a\r\n b\r\n")),
        ("zeros in a header", get("Cookie: keng=\0\r\n")),
    ] {
        refused(&house.raw(&request).await, what);
    }
    // It is known what this is, and not spoken here.
    let http2 = house.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(http2.status, 0, "{http2:?}");
    // Whoever smuggles a second request behind a length and chunks gets the first one's answer.
    let smuggled = format!(
        "POST /sign-in HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: \
         chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    let answer = house.raw(smuggled.as_bytes()).await;
    assert!(answer.status < 500, "{answer:?}");
    // Without a host it is still nobody's.
    let answer = house.raw(b"GET /api/alerts HTTP/1.0\r\n\r\n").await;
    refused(&answer, "no host");
}

#[tokio::test]
async fn the_slow_are_cut_and_keep_nobody_waiting() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let (address, begun) = (house.address, Instant::now());
    let head = format!("{}{}{}", police.cookie, police.token, house.origin());
    let slow = [
        // A head that never ends, one byte now and then.
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nX-Slow: "),
        // A body that never comes.
        format!("POST {REPORT} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 100\r\n{head}\r\n{{"),
        // Nothing at all.
        String::new(),
    ];
    let mut held = Vec::new();
    for request in slow.iter().cycle().take(520) {
        let Ok(mut stream) = TcpStream::connect(address).await else { break };
        drop(stream.write_all(request.as_bytes()).await);
        held.push(stream);
    }
    // All places are taken; those who wait are served as soon as the slow ones have been cut.
    assert_eq!(house.get("/api/alerts", &police).await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    for mut stream in held.into_iter().take(60) {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest));
        drop(ended.await.expect("it is cut"));
        let answer = Answer::parse(&rest);
        assert!(matches!(answer.status, 0 | 400..500), "{answer:?}");
    }
    assert_eq!(house.get("/healthz", &Browser::nobody()).await.status, 200);
}

#[tokio::test]
async fn whatever_comes_is_answered_without_a_fault_of_ours() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let path = "/[ -~]{0,40}".prop_map(|path| path.replace([' ', '#'], "_"));
    let body = prop::collection::vec(any::<u8>(), 0..200);
    let addresses = prop::sample::select(keng::web::addresses());
    let strategy = (addresses, path, "[a-zA-Z0-9/%.;=_-]{0,30}", body, any::<bool>());
    for _ in 0..150 {
        let (address, other, part, body, known) = strategy.new_tree(&mut runner).unwrap().current();
        if address.path == "/events" || address.path == "/sign-out" {
            continue;
        }
        let place = if known { &part } else { "kp3" };
        let path = address.path.replace("{khu_pho}", place).replace("{id}", &part);
        let path = path.replace("{name}", &part);
        let path = if known { path } else { format!("{path}{}", &other[1..]) };
        let body = String::from_utf8_lossy(&body).into_owned();
        let head = format!("{}{}{}", police.cookie, police.token, house.origin());
        let answer = house.send(&format!("{} {path}", address.method), &head, &body).await;
        assert!((200..500).contains(&answer.status), "{} {path}: {answer:?}", address.method);
    }
}
