//! Rights to be notified while the page is closed.

use serde_json::Value;
use serde_json::json;

use crate::house::House;
use keng::web::Config;

/// RFC 8291's.
const POINT: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8\
                     pZGH6SRpkNtoIAiw4";
const SUBSCRIBE: &str = "/api/push/subscribe";
const UNSUBSCRIBE: &str = "/api/push/unsubscribe";

fn subscription(endpoint: &str) -> Value {
    json!({
        "endpoint": endpoint, "expirationTime": null,
        "keys": {"p256dh": POINT, "auth": "BTBZMqHH6r4Tts7J_aSIgg"},
    })
}

#[tokio::test]
async fn a_browser_is_told_for_its_user_and_until_that_user_says_otherwise() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let khu = house.sign_in("khu").await;
    let key = house.get("/api/push", &khu).await.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 87, "65 bytes of base64url");
    let mine = subscription("https://push.example/a");
    assert_eq!(house.post(SUBSCRIBE, &khu, &mine).await.status, 204);
    assert_eq!(house.post(SUBSCRIBE, &khu, &mine).await.status, 204, "offered again");
    let kept = || std::fs::read_to_string(house.folder.path().join("access/push.json")).unwrap();
    assert!(kept().contains("\"user\":\"khu\""));
    let gone = json!({"endpoint": "https://push.example/a"});
    assert_eq!(house.post(UNSUBSCRIBE, &police, &gone).await.status, 204);
    assert!(kept().contains("\"user\":\"khu\""), "it is not theirs");
    assert_eq!(house.post(UNSUBSCRIBE, &khu, &gone).await.status, 204);
    assert_eq!(kept(), "[]");
    let without = crate::house::Browser { token: String::new(), ..khu.clone() };
    assert_eq!(house.post(SUBSCRIBE, &without, &mine).await.status, 403);
    house.audit.flush().await;
    let written = keng::audit::last(house.folder.path(), 3).unwrap();
    let told: Vec<_> =
        written.iter().map(|one| (one.action.as_str(), one.subject.as_str())).collect();
    assert!(told.contains(&("push_on", "https://push.example")), "{told:?}");
    assert!(!format!("{told:?}").contains("push.example/a"), "who knows it could annoy");
}

#[tokio::test]
async fn what_is_no_subscription_is_refused() {
    let house = House::with_users().await;
    let khu = house.sign_in("khu").await;
    let off_curve = POINT.replace("iw4", "iw8");
    for (what, body) in [
        ("another host", subscription("https://evil.example/a")),
        ("no TLS", subscription("http://push.example/a")),
        ("another port", subscription("https://push.example:22/a")),
        ("this machine", subscription("https://127.0.0.1/a")),
        ("somebody's cloud", subscription("https://169.254.169.254/latest/meta-data")),
        ("no endpoint", json!({"keys": {"p256dh": POINT, "auth": "x"}})),
        ("no keys", json!({"endpoint": "https://push.example/a"})),
        (
            "a point beside the curve",
            json!({"endpoint": "https://push.example/a", "keys": {"p256dh": off_curve,
                   "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}),
        ),
        ("a number", json!({"endpoint": 7, "keys": 7})),
    ] {
        let refused = house.post(SUBSCRIBE, &khu, &body).await;
        assert_eq!(refused.status, 422, "{what}: {refused:?}");
        assert_eq!(refused.json()["outcome"], "refused");
    }
    assert!(!house.folder.path().join("access/push.json").exists());
}

#[tokio::test]
async fn whoever_sits_at_this_machine_has_nothing_that_could_end() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::at(folder, Config::new(([127, 0, 0, 1], 0).into())).await;
    let local = house.browser("x=y").await;
    assert_eq!(house.get("/api/push", &local).await.json()["key"], Value::Null);
    let refused = house.post(SUBSCRIBE, &local, &subscription("https://push.example/a")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
}
