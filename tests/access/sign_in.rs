//! Signing in and out, sessions, tokens, and the page without users.

use std::time::Duration;

use keng::access::users;
use keng::web::Config;
use serde_json::Value;
use serde_json::json;

use crate::house::Browser;
use crate::house::House;
use crate::house::PASSWORD;
use crate::house::add_users;

const REPORT: &str = "/api/khu-pho/kp3/report";

fn fire() -> Value {
    json!({"kind": "fire"})
}

#[tokio::test]
async fn one_signs_in_and_goes_on_where_one_was_sent_from() {
    let house = House::with_users().await;
    let html = "Accept: text/html\r\n";
    let sent = house.send("GET /?a=1&b=%22", html, "").await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some("/sign-in?next=/%3Fa%3D1%26b%3D%2522"))
    );
    let page = house.get("/sign-in?next=/cameras%3Fx", &Browser::nobody()).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("value=\"/cameras?x\"") && page.text().contains("Đăng nhập"));
    assert!(!page.text().contains("<script"), "the ward's name is text");

    let answer = house.try_sign_in("police", PASSWORD, "").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/cameras")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(cookie.split(['=', ';']).nth(1).unwrap().len(), 64, "256 bits");
    let police = house.sign_in("police").await;
    let me = house.get("/api/me", &police).await.json();
    assert_eq!((&me["name"], &me["login"]), (&json!("Full police"), &json!("police")));
    assert_eq!(
        (&me["role"], &me["local"], &me["banner"]),
        (&json!("police"), &json!(false), &Value::Null)
    );
    assert_eq!(house.get("/", &police).await.status, 200);
    assert_eq!(house.get("/sign-in", &police).await.status, 303, "signed in already");
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_are_answered_alike_and_then_held_off() {
    let house = House::with_users().await;
    let wrong = house.try_sign_in("police", "gõ kẻng hai hồi", "").await;
    let nobody = house.try_sign_in("nobody", "gõ kẻng hai hồi", "").await;
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(wrong.text(), nobody.text());
    assert!(wrong.header("set-cookie").is_none());
    let mut tried = 1;
    let held_off = loop {
        let answer = house.try_sign_in("police", "x", "").await;
        tried += 1;
        if answer.status != 401 {
            break answer;
        }
        assert!(tried < 50);
    };
    assert_eq!((tried, held_off.status), (11, 429));
    assert!(held_off.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    assert_eq!(house.try_sign_in("police", PASSWORD, "").await.status, 429, "even the right one");
    house.sign_in("admin").await;
    house.clock.advance(Duration::from_secs(60));
    house.sign_in("police").await;
}

/// Returns how many records of this action the audit log holds.
async fn audited(house: &House, action: &str) -> usize {
    house.audit.flush().await;
    let log = std::fs::read_to_string(house.folder.path().join("audit/0000000001.jsonl")).unwrap();
    log.matches(&format!("\"action\":\"{action}\"")).count()
}

#[tokio::test]
async fn whoever_tries_without_end_fills_no_log() {
    let house = House::with_users().await;
    for _ in 0..100 {
        house.try_sign_in("police", "x", "").await;
    }
    let told = audited(&house, "sign_in_failed").await + audited(&house, "sign_in_held_off").await;
    assert_eq!((told, audited(&house, "refused").await), (60, 0));
    house.clock.advance(Duration::from_secs(60));
    house.try_sign_in("police", "x", "").await;
    assert_eq!(audited(&house, "refused").await, 1, "and the number of the rest");
    house.sign_in("police").await;
    assert_eq!(audited(&house, "sign_in").await, 1, "who did get in always stands there");
}

#[tokio::test]
async fn one_user_reports_only_so_often() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let mut taken = 0;
    let refused = loop {
        let answer = house.post(REPORT, &police, &fire()).await;
        if answer.status != 200 || taken > 100 {
            break answer;
        }
        taken += 1;
    };
    assert_eq!((taken, refused.status), (30, 429));
    assert_eq!(refused.json()["reason"], "too many reports in a minute; wait 3 s");
    let admin = house.sign_in("admin").await;
    assert_eq!(house.post(REPORT, &admin, &fire()).await.status, 200, "others may");
    house.clock.advance(Duration::from_secs(2));
    assert_eq!(house.post(REPORT, &police, &fire()).await.status, 200);
}

#[tokio::test]
async fn a_session_ends_by_time_by_sign_out_and_by_another_password() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let admin = house.sign_in("admin").await;
    let khu = house.sign_in("khu").await;
    assert_eq!(house.post("/sign-out", &admin, &json!({})).await.status, 204);
    assert_eq!(house.get("/api/alerts", &admin).await.status, 401);
    users::change(house.folder.path(), |users| {
        let other = keng::ward::Secret::new("another password".to_owned());
        users.get_mut("khu").unwrap().hash = keng::access::password::hash("khu", &other)?;
        Ok(())
    })
    .unwrap();
    house.clock.advance(Duration::from_secs(2));
    assert_eq!(house.get("/api/alerts", &khu).await.status, 401);
    assert_eq!(house.get("/api/alerts", &police).await.status, 200);
    house.clock.advance(Duration::from_secs(13 * 3_600));
    assert_eq!(house.get("/api/alerts", &police).await.status, 401);
}

#[tokio::test]
async fn what_changes_something_must_come_from_the_page_itself() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let admin = house.sign_in("admin").await;
    let (cookie, token, origin) = (&police.cookie, &police.token, house.origin());
    let body = fire().to_string();
    let said = |head: String| {
        let (house, body) = (&house, &body);
        async move { house.send(&format!("POST {REPORT}"), &head, body).await.status }
    };
    assert_eq!(said(format!("{cookie}{token}{origin}")).await, 200);
    let elsewhere = "Origin: http://evil.example\r\n";
    for (what, head) in [
        ("no token", format!("{cookie}{origin}")),
        ("an empty token", format!("{cookie}{origin}X-Keng-CSRF: \r\n")),
        ("somebody else's token", format!("{cookie}{origin}{}", admin.token)),
        ("no origin", format!("{cookie}{token}")),
        ("another origin", format!("{cookie}{token}{elsewhere}")),
        ("no origin at all", format!("{cookie}{token}Origin: null\r\n")),
        ("one that looks like it", format!("{cookie}{token}{}.evil.example\r\n", origin.trim())),
    ] {
        assert_eq!(said(head).await, 403, "{what}");
    }
    assert_eq!(said(format!("{token}{origin}")).await, 401, "no cookie");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let credentials = "name=police&password=x";
    let foreign = house.send("POST /sign-in", &format!("{form}{elsewhere}"), credentials).await;
    assert_eq!(foreign.status, 403, "nobody is signed in from elsewhere");
}

#[tokio::test]
async fn a_session_that_was_planted_is_never_taken_over() {
    let house = House::with_users().await;
    let planted = "a".repeat(64);
    let more = format!("Cookie: keng={planted}\r\n");
    let answer = house.try_sign_in("police", PASSWORD, &more).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(!cookie.contains(&planted), "{cookie}");
    let stolen = Browser { cookie: more, token: String::new() };
    assert_eq!(house.get("/api/me", &stolen).await.status, 401);

    let first = house.sign_in("police").await;
    let again = house.try_sign_in("admin", PASSWORD, &first.cookie).await;
    assert_eq!(again.status, 303);
    assert_eq!(house.get("/api/me", &first).await.status, 401, "the former session is over");
}

#[tokio::test]
async fn without_users_this_machine_may_do_everything_until_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::at(folder, Config::new(([127, 0, 0, 1], 0).into())).await;
    let local = house.browser("x=y").await;
    let me = house.get("/api/me", &local).await.json();
    assert_eq!((&me["local"], &me["role"]), (&json!(true), &json!("admin")));
    assert!(me["banner"].as_str().unwrap().contains("keng user add"));
    assert_eq!(house.post(REPORT, &local, &fire()).await.status, 200);
    let without = Browser { token: String::new(), ..local.clone() };
    assert_eq!(house.post(REPORT, &without, &fire()).await.status, 403, "but by the page alone");
    let forwarded = house.send("GET /api/alerts", "X-Forwarded-For: 192.0.2.9\r\n", "").await;
    assert_eq!(forwarded.status, 403, "a proxy that nobody told of makes nobody local");

    add_users(house.folder.path());
    house.clock.advance(Duration::from_secs(2));
    assert_eq!(house.get("/api/alerts", &local).await.status, 401);
    assert_eq!(house.post(REPORT, &local, &fire()).await.status, 401);
    house.sign_in("police").await;
}
