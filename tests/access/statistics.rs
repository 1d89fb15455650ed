//! The figures that each user is told, and an incident as civil protection takes it.

use keng::outbox::Append;
use keng::time::Wall;
use serde_json::Value;
use serde_json::json;

use crate::house::Browser;
use crate::house::House;
use crate::house::documented_alert;

const DAYS: &str = "from=2026-11-15&to=2026-11-21";

/// A ledger of three incidents: two of khu phố 3, one of khu phố 4.
fn keep(house: &House) {
    let case = |id: &str, khu_pho: &str, camera: &str| {
        json!({"incident": {
            "id": id, "revision": 1, "khu_pho": khu_pho, "kind": "loitering", "state": "expired",
            "opened_at": "2026-11-20T15:10:00Z", "cameras": [camera],
        }})
    };
    let lines = [
        json!({"ledger": "keng.ledger/1"}),
        json!({"started": "2026-11-01T00:00:00Z"}),
        case("a-1", "kp3", "hem-3"),
        case("a-2", "kp3", "hem-3"),
        case("a-3", "kp4", "hem-4"),
    ];
    let folder = house.folder.path().join("ledger");
    std::fs::create_dir_all(&folder).unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.join("2026-11.jsonl"), text).unwrap();
}

#[tokio::test]
async fn a_khu_pho_s_user_gets_the_figures_of_their_own() {
    let house = House::with_users().await;
    keep(&house);
    let khu = house.sign_in("khu").await;
    let police = house.sign_in("police").await;
    let figures = async |browser: &Browser, more: &str| -> Value {
        house.get(&format!("/api/report?{DAYS}&format=json{more}"), browser).await.json()
    };
    let all = figures(&police, "").await;
    assert_eq!((&all["total"]["value"]["incidents"], &all["only"]), (&json!(3), &Value::Null));
    let other = figures(&police, "&khu_pho=kp4").await;
    assert_eq!(other["total"]["value"]["incidents"], 1);
    for more in ["", "&khu_pho=", "&khu_pho=kp3"] {
        let own = figures(&khu, more).await;
        assert_eq!((&own["total"]["value"]["incidents"], &own["only"]), (&json!(2), &json!("kp3")));
    }
    for format in ["json", "csv", "html"] {
        let told = house.get(&format!("/api/report?{DAYS}&format={format}"), &khu).await;
        assert_eq!(told.status, 200);
        let text = told.text();
        let other = text.contains("kp4") || text.contains("hem-4");
        assert!(text.contains("hem-3") && !other, "{format}: {text}");
    }
    for wanted in ["kp4", "kp9", "../kp4", "%22"] {
        let path = format!("/api/report?{DAYS}&khu_pho={wanted}");
        assert_eq!(house.get(&path, &khu).await.status, 404, "{wanted}");
    }
}

#[tokio::test]
async fn a_report_fits_the_page_s_policy_and_says_what_is_wrong_with_a_wish() {
    let house = House::with_users().await;
    let police = house.sign_in("police").await;
    let page = house.get(&format!("/api/report?{DAYS}&language=en"), &police).await;
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let text = page.text();
    assert!(text.contains("<html lang=\"en\">") && text.contains("<article class=\"report\">"));
    assert!(text.contains("data-from=\"2026-11-15\" data-to=\"2026-11-21\" data-khu-pho=\"\""));
    // Nothing that the policy would refuse, and no name that became markup.
    for refused in ["<style", " style=", "<script", " onclick"] {
        assert!(!text.contains(refused), "{refused}");
    }
    let style = house.get("/report.css", &Browser::nobody()).await;
    assert!(style.text().contains(".report") && !style.text().contains("\nbody"));
    for (query, why) in [
        ("from=yesterday", "from is a day such as 2026-11-01"),
        ("from=2026-11-21&to=2026-11-20", "ends"),
        ("from=2020-01-01&to=2026-11-20", "366"),
        ("from=0001-01-01&to=9999-12-31", "at most"),
        ("format=pdf", "html, json, csv"),
        ("language=fr", "vi or en"),
    ] {
        let refused = house.get(&format!("/api/report?{query}"), &police).await;
        assert_eq!(refused.status, 422, "{query}");
        assert!(refused.text().contains(why), "{query}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_fire_can_be_had_as_cap_and_what_is_none_can_not() {
    let house = House::with_users().await;
    house.append("kp3", "fire-3");
    house.append("kp4", "fire-4");
    let khu = house.sign_in("khu").await;
    let path = |khu_pho: &str, id: &str| format!("/api/khu-pho/{khu_pho}/incidents/{id}");
    let told = house.get(&path("kp3", "fire-3"), &khu).await.json();
    assert_eq!(told["cap"], true);
    let cap = house.get(&format!("{}/cap.xml", path("kp3", "fire-3")), &khu).await;
    assert_eq!((cap.status, cap.header("content-type")), (200, Some("application/cap+xml")));
    assert!(cap.text().contains("urn:oasis:names:tc:emergency:cap:1.2"));
    let append =
        Append { subject: "kp3/stay-5".to_owned(), live: true, wall: Wall(1), snapshot: None };
    let payload = |_| {
        let mut alert = documented_alert();
        (alert["kind"], alert["id"]) = (json!("loitering"), json!("stay-5"));
        alert.to_string().into_bytes()
    };
    house.outbox.append(append, payload).unwrap();
    assert_eq!(house.get(&path("kp3", "stay-5"), &khu).await.json()["cap"], false);
    for (khu_pho, id) in
        [("kp4", "fire-4"), ("kp3", "fire-9"), ("kp3", "%2e%2e"), ("kp3", "stay-5")]
    {
        let other = house.get(&format!("{}/cap.xml", path(khu_pho, id)), &khu).await;
        assert_eq!(other.status, 404, "{khu_pho}/{id}");
    }
}
