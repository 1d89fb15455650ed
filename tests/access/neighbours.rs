//! An incident at the border: the khu phố that an alert names beside its own sees it, as far as its
//! own cameras do, and acts upon nothing; one that is not named sees nothing.

use keng::album::Moment;
use keng::album::PictureKey;
use keng::incident::IncidentId;
use keng::outbox::Append;
use keng::outbox::Sequence;
use keng::time::Wall;
use serde_json::Value;
use serde_json::json;

use crate::faces::seen_by;
use crate::faces::snapshot;
use crate::house::Browser;
use crate::house::House;
use crate::house::id;

/// A revision of an incident of khu phố 4 that these cameras see, the first one in its picture.
fn append(house: &House, (incident, kind): (&str, &str), cameras: &[&str], also: &[&str]) {
    let picture = Some(snapshot(cameras[0]));
    let subject = format!("kp4/{incident}");
    let append = Append { subject, live: true, wall: Wall(1), snapshot: picture };
    let payload = |sequence: Sequence| {
        let mut alert = seen_by(cameras);
        alert["message"] = json!("CHÁY tại Số nhà của hem-4");
        (alert["sequence"], alert["revision"]) = (json!(sequence.0), json!(sequence.0));
        (alert["khu_pho"], alert["id"], alert["kind"]) =
            (json!("kp4"), json!(incident), json!(kind));
        if !also.is_empty() {
            alert["also_khu_pho"] = json!(also);
        }
        alert.to_string().into_bytes()
    };
    house.outbox.append(append, payload).unwrap();
}

fn numbers(alerts: &Value) -> Vec<u64> {
    let alerts = alerts.as_array().unwrap();
    alerts.iter().map(|alert| alert["sequence"].as_u64().unwrap()).collect()
}

async fn status(house: &House, browser: &Browser, path: &str) -> u16 {
    house.get(path, browser).await.status
}

#[tokio::test]
async fn who_is_named_sees_it_from_then_on_and_who_is_not_sees_nothing() {
    let house = House::with_users().await;
    append(&house, ("fire-1", "fire"), &["hem-4"], &[]);
    append(&house, ("fire-1", "fire"), &["hem-3", "hem-4"], &["kp3"]);
    append(&house, ("fire-1", "fire"), &["hem-4", "hem-3"], &["kp3", "kp9"]);
    append(&house, ("fire-2", "fire"), &["hem-4"], &["kp9", "kp33"]);
    append(&house, ("fire-3", "fire"), &["hem-4"], &[]);
    let khu = house.sign_in("khu").await;
    let police = house.sign_in("police").await;
    for (query, theirs) in [("", vec![2, 3]), ("?after=0", vec![2, 3]), ("?after=2", vec![3])] {
        let list = house.get(&format!("/api/alerts{query}"), &khu).await.json();
        assert_eq!(numbers(&list["alerts"]), theirs, "{query}");
    }
    let incident = "/api/khu-pho/kp4/incidents/fire-1";
    let told = house.get(incident, &khu).await.json();
    assert_eq!(numbers(&told["revisions"]), [2, 3]);
    assert_eq!(numbers(&house.get(incident, &police).await.json()["revisions"]), [1, 2, 3]);
    let texts = [
        told.to_string(),
        house.get("/api/alerts", &khu).await.text(),
        house.get(&format!("{incident}/cap.xml"), &khu).await.text(),
        house.heard(&khu, "\"revision\":3").await,
    ];
    for text in texts {
        assert!(text.contains("Số nhà của hem-3") && !text.contains("của hem-4"), "{text}");
        assert!(!text.contains("fire-2") && !text.contains("fire-3"), "{text}");
    }
    // Of its pictures those of their own cameras alone.
    let all = house.get("/api/alerts?after=0", &police).await.json();
    for (sequence, expected) in [("1", 404), ("2", 200), ("3", 404), ("4", 404), ("5", 404)] {
        let place = all["pictures"][sequence].as_str().unwrap();
        assert_eq!(status(&house, &khu, place).await, expected, "{sequence}");
        assert_eq!(status(&house, &police, place).await, 200);
    }
    for other in ["fire-2", "fire-3"] {
        let path = format!("/api/khu-pho/kp4/incidents/{other}");
        assert_eq!(status(&house, &khu, &path).await, 404);
        assert_eq!(status(&house, &khu, &format!("{path}/cap.xml")).await, 404);
    }
    // To answer is for the khu phố whose it is.
    let acknowledge = json!({"action": "acknowledge"});
    let said = house.post(&format!("{incident}/command"), &khu, &acknowledge).await;
    assert_eq!(said.status, 404);
}

fn keep(house: &House, incident: &str, camera: &str, moment: Moment) {
    let shot = PictureKey { camera: id(camera), moment, at: Wall(1_763_000_000_000_000) };
    let incident = IncidentId::parse(incident).unwrap();
    assert!(house.album.store(&incident, &shot, &snapshot(camera)).unwrap());
}

/// Camera, moment and address of each picture that an incident's answer tells of.
async fn moments(house: &House, browser: &Browser, incident: &str) -> Vec<(String, String)> {
    let told = house.get(&format!("/api/khu-pho/kp4/incidents/{incident}"), browser).await.json();
    let told = told["moments"].as_array().unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    told.iter()
        .map(|one| (format!("{} {}", text(one, "camera"), text(one, "moment")), text(one, "url")))
        .collect()
}

#[tokio::test]
async fn pictures_of_before_and_after_are_for_those_whose_camera_it_is() {
    let house = House::with_users().await;
    append(&house, ("fire-1", "fire"), &["hem-3", "hem-4"], &["kp3"]);
    append(&house, ("stay-1", "loitering"), &["hem-3"], &["kp3"]);
    append(&house, ("fire-2", "fire"), &["hem-4"], &[]);
    for (incident, camera) in
        [("fire-1", "hem-4"), ("fire-1", "hem-3"), ("stay-1", "hem-3"), ("fire-2", "hem-3")]
    {
        keep(&house, incident, camera, Moment::After);
        keep(&house, incident, camera, Moment::Before);
    }
    let khu = house.sign_in("khu").await;
    let police = house.sign_in("police").await;
    let all = moments(&house, &police, "fire-1").await;
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["hem-3 before", "hem-3 after", "hem-4 before", "hem-4 after"]);
    let theirs = moments(&house, &khu, "fire-1").await;
    assert_eq!(theirs, all[..2], "the same addresses, but none of another khu phố's camera");
    for (name, place) in &all {
        let expected = if name.starts_with("hem-3") { 200 } else { 404 };
        assert_eq!(status(&house, &khu, place).await, expected, "{name}");
        assert_eq!(status(&house, &Browser::nobody(), place).await, 401, "{name}");
        assert_eq!(house.get(place, &police).await.body, snapshot(&name[..5]), "{name}");
    }
    // Their own camera's picture of an incident that does not name them.
    let (_, place) = &moments(&house, &police, "fire-2").await[0];
    assert_eq!(
        (status(&house, &khu, place).await, status(&house, &police, place).await),
        (404, 200)
    );
    // Of a loiterer no face, as in alerts' pictures.
    let (_, place) = &moments(&house, &khu, "stay-1").await[0];
    let hidden = house.get(place, &khu).await.body;
    assert!(hidden.starts_with(&[0xff, 0xd8]) && hidden != snapshot("hem-3"));
    assert!(!hidden.windows(11).any(|part| part == b"keng.people"));
    // Nobody guesses an address.
    let (front, seal) = place.trim_end_matches(".jpg").rsplit_once('-').unwrap();
    for forged in [
        format!("{front}-{}.jpg", "0".repeat(seal.len())),
        format!("{}-{seal}.jpg", front.replace("before", "after")),
        format!("{front}.jpg"),
        "/album/kp4~stay-1~..%2F..%2Fkeng.jpg".to_owned(),
    ] {
        assert_eq!(status(&house, &police, &forged).await, 404, "{forged}");
    }
    // Who looked at which is written down.
    let admin = house.sign_in("admin").await;
    let looked = house.get("/api/audit", &admin).await.text();
    for what in ["\"khu\"", "view_snapshot", "kp4/fire-1", "hem-3 before", "hem-4 after"] {
        assert!(looked.contains(what), "{what}: {looked}");
    }
}
