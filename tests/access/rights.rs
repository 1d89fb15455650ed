//! Every address, tried by everybody; and what a khu phố's user sees of another khu phố: nothing.

use keng::web::Right;
use keng::web::addresses;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::Browser;
use crate::house::DEADLINE;
use crate::house::House;

/// An address with something in its parameters' places.
fn filled(path: &str) -> String {
    let path = path.replace("{khu_pho}", "kp3").replace("{name}", "1-00.jpg");
    let id = if path.contains("/cameras/") { "hem-3" } else { "fire-3" };
    path.replace("{id}", id)
}

#[tokio::test]
async fn every_address_asks_for_its_right() {
    let house = House::with_users().await;
    let khu = house.sign_in("khu").await;
    let police = house.sign_in("police").await;
    let admin = house.sign_in("admin").await;
    let people =
        [("nobody", Browser::nobody()), ("khu", khu), ("police", police), ("admin", admin)];
    for address in addresses() {
        for (name, browser) in &people {
            // Signing out ends what the others are tried with.
            if address.path == "/sign-out" && *name != "nobody" {
                continue;
            }
            let path = filled(address.path);
            let status = match address.method {
                // A feed never ends by itself: its head is enough.
                "GET" if address.path == "/events" => head_of_feed(&house, browser).await,
                // From this machine itself, metrics are for everybody.
                "GET" => {
                    let head = format!("{}X-Forwarded-For: 192.0.2.1\r\n", browser.cookie);
                    house.send(&format!("GET {path}"), &head, "").await.status
                }
                _ => house.post(&path, browser, &json!({})).await.status,
            };
            let refused = matches!(status, 401 | 403);
            let expected = match (address.right, *name) {
                (Right::Anybody, _) | (Right::SignedIn, "khu" | "police") | (_, "admin") => false,
                (Right::SignedIn | Right::Admin | Right::Machine, _) => true,
            };
            assert_eq!(refused, expected, "{} {path} by {name}: {status}", address.method);
            if *name == "nobody" && refused {
                assert_eq!(status, 401, "{path}");
            }
            assert!(status < 500, "{} {path} by {name}: {status}", address.method);
        }
    }
    assert_eq!(house.get("/metrics", &Browser::nobody()).await.status, 200, "from this machine");
}

async fn head_of_feed(house: &House, browser: &Browser) -> u16 {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let request =
        format!("GET /events HTTP/1.1\r\nHost: {}\r\n{}\r\n", house.address, browser.cookie);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    String::from_utf8_lossy(&head)[9..].parse().unwrap()
}

fn khu_pho_of(list: &Value) -> Vec<String> {
    let alerts = list["alerts"].as_array().unwrap();
    alerts.iter().map(|alert| alert["khu_pho"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_khu_pho_s_user_sees_nothing_of_another() {
    let house = House::with_users().await;
    let khu = house.sign_in("khu").await;
    let police = house.sign_in("police").await;
    for incident in 0..20 {
        house.append(if incident % 4 == 0 { "kp3" } else { "kp4" }, &format!("fire-{incident}"));
    }
    for (query, expected) in [("", 5), ("?limit=3", 5), ("?after=0&limit=4", 4), ("?after=5", 3)] {
        let list = house.get(&format!("/api/alerts{query}"), &khu).await.json();
        assert_eq!(khu_pho_of(&list), vec!["kp3"; expected], "{query}");
        assert_eq!(list["pictures"].as_object().unwrap().len(), expected);
    }
    let all = house.get("/api/alerts", &police).await.json();
    assert_eq!(khu_pho_of(&all).iter().filter(|khu_pho| *khu_pho == "kp4").count(), 15);

    let picture = |sequence: &str| all["pictures"][sequence].as_str().unwrap().to_owned();
    assert_eq!(house.get(&picture("1"), &khu).await.status, 200);
    assert_eq!(house.get(&picture("2"), &khu).await.status, 404, "though its address is known");
    assert_eq!(house.get(&picture("2"), &police).await.status, 200);
    assert_eq!(house.get(&picture("1"), &Browser::nobody()).await.status, 401);

    for path in ["/api/cameras", "/api/cameras/hem-3"] {
        let text = house.get(path, &khu).await.json().to_string();
        let other = text.contains("hem-4") || text.contains("kp4") || text.contains("Tạp hoá Bảy");
        assert!(text.contains("hem-3") && !other, "{text}");
    }
    for path in ["/api/cameras/hem-4", "/api/khu-pho/kp4/incidents/fire-1"] {
        assert_eq!(house.get(path, &khu).await.status, 404, "{path}");
        assert_eq!(house.get(path, &police).await.status, 200, "{path}");
    }
    let status = house.get("/api/status", &khu).await.json();
    let text = status.to_string();
    assert!(text.contains("hem-3") && !text.contains("hem-4") && !text.contains("kp4"), "{text}");
    assert!(!text.contains("Tạp hoá Bảy") && status["reload_error"].is_null(), "{text}");
    let status = house.get("/api/status", &police).await.json().to_string();
    assert!(status.contains("hem-4") && !status.contains("Tạp hoá Bảy"));
    let admin = house.sign_in("admin").await;
    let status = house.get("/api/status", &admin).await.json();
    assert_eq!(status["cameras"][1]["owner"]["name"], "Tạp hoá Bảy");
    assert_eq!(status["reload_error"], "keng.toml:1:1: wrong");

    let acknowledge = json!({"action": "acknowledge"});
    for (path, body) in [
        ("/api/khu-pho/kp4/incidents/fire-1/command", acknowledge.clone()),
        ("/api/khu-pho/kp4/report", json!({"kind": "fire"})),
        ("/api/khu-pho/kp4/patrol", json!({"minutes": 5})),
        ("/api/cameras/hem-4/look", json!({})),
    ] {
        assert_eq!(house.post(path, &khu, &body).await.status, 404, "{path}");
        assert!(house.post(path, &police, &body).await.status < 300, "{path}");
    }
    assert_eq!(house.get("/api/cameras/hem-4/picture.jpg", &khu).await.status, 404);
    let own = "/api/khu-pho/kp3/incidents/fire-0/command";
    let said = house.post(own, &khu, &acknowledge).await.json();
    assert_eq!((&said["outcome"], &said["alert"]["id"]), (&json!("already"), &json!("fire-0")));
}

#[tokio::test]
async fn a_feed_is_filtered_and_ends_with_its_session() {
    let house = House::with_users().await;
    let khu = house.sign_in("khu").await;
    house.append("kp4", "fire-4");
    house.append("kp3", "fire-3");
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let (address, cookie) = (house.address, &khu.cookie);
    let request = format!("GET /events?after=0 HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    while !heard.contains("fire-3") {
        let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(!heard.contains("kp4") && !heard.contains("fire-4"), "{heard}");
    assert!(heard.contains("event: picture") && heard.contains("/snapshots/2-"), "{heard}");

    assert_eq!(house.post("/sign-out", &khu, &json!({})).await.status, 204);
    house.append("kp3", "fire-5");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    ended.expect("the feed ends").unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("fire-5"));
    assert_eq!(house.get("/api/me", &khu).await.status, 401);
}

#[tokio::test]
async fn a_ninth_feed_of_a_user_ends_the_first() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let mut feeds = Vec::new();
    for _ in 0..9 {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let (address, cookie) = (house.address, &police.cookie);
        let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        feeds.push(stream);
    }
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, feeds[0].read_to_end(&mut rest)).await;
    ended.expect("the oldest ends").unwrap();
    house.append("kp3", "fire-3");
    for stream in &mut feeds[1..] {
        let mut heard = String::new();
        let mut buffer = [0; 4096];
        while !heard.contains("fire-3") {
            let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer)).await;
            let read = read.unwrap().unwrap();
            assert!(read > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
}

#[tokio::test]
async fn webhooks_are_told_of_to_whom_they_concern() {
    let house = House::with_users().await;
    let mut told = Vec::new();
    for name in ["khu", "police", "admin"] {
        let browser = house.sign_in(name).await;
        told.push(house.get("/api/status", &browser).await.json()["outlets"].clone());
    }
    let of = |failing: &str| json!([{"id": "webhook/zalo", "behind": 0, "failing": failing}]);
    let police = of("it fails; an admin sees at what");
    assert_eq!(told, [json!([]), police, of("HTTP 404: no such chat -1001234")]);
}

#[tokio::test]
async fn who_signed_in_and_who_looked_is_written_down() {
    let house = House::with_users().await;
    house.append("kp3", "fire-3");
    let wrong = house.try_sign_in("police", "not the password", "").await;
    assert_eq!(wrong.status, 401);
    house.try_sign_in("hunter2hunter2", "x", "").await;
    let police = house.sign_in("police").await;
    let list = house.get("/api/alerts", &police).await.json();
    let picture = list["pictures"]["1"].as_str().unwrap();
    for _ in 0..3 {
        assert_eq!(house.get(picture, &police).await.status, 200);
    }
    house.post("/sign-out", &police, &json!({})).await;
    house.audit.flush().await;
    let admin = house.sign_in("admin").await;
    let log = house.get("/api/audit", &admin).await.json();
    let records = log["records"].as_array().unwrap();
    let told: Vec<(&str, &str, &str)> = records
        .iter()
        .map(|record| {
            let text = |value: &'_ Value| value.as_str().unwrap().to_owned().leak() as &str;
            (text(&record["who"]["name"]), text(&record["action"]), text(&record["subject"]))
        })
        .collect();
    let expected = [
        ("police", "sign_in_failed", "police"),
        ("?", "sign_in_failed", "?"),
        ("police", "sign_in", "police"),
        ("police", "view_snapshot", "kp3/fire-3"),
        ("police", "sign_out", "police"),
    ];
    assert_eq!(told[..5], expected);
    assert!(!log.to_string().contains("hunter2"), "what stood where a name belongs may be secret");
}
