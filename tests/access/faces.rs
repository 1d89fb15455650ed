//! Faces and cameras that a user of one khu phố is shown: not those of another one, and of a
//! loiterer no face.

use keng::outbox::Append;
use keng::outbox::Sequence;
use keng::time::Wall;
use serde_json::Value;
use serde_json::json;

use crate::house::Browser;
use crate::house::House;
use crate::house::documented_alert;

/// A snapshot of noise as the daemon writes it, with somebody in its middle.
pub(crate) fn snapshot(camera: &str) -> Vec<u8> {
    let note = format!("keng.people/1\0{{\"camera\":\"{camera}\",\"people\":[[0.3,0.1,0.6,0.9]]}}");
    encoded(Some(note))
}

fn encoded(note: Option<String>) -> Vec<u8> {
    let noise: Vec<u8> = (0..160_u32 * 120 * 3).map(|n| (n * 7_919 % 251) as u8).collect();
    let mut jpeg = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 80);
    if let Some(note) = note {
        encoder.add_app_segment(11, note.into_bytes()).unwrap();
    }
    encoder.encode(&noise, 160, 120, jpeg_encoder::ColorType::Rgb).unwrap();
    jpeg
}

/// The documented alert, seen by other cameras.
pub(crate) fn seen_by(cameras: &[&str]) -> Value {
    let mut alert = documented_alert();
    let seen = alert["cameras"][0].clone();
    let seeing = cameras.iter().map(|camera| {
        let mut seen = seen.clone();
        seen["id"] = json!(camera);
        seen["address"] = json!(format!("Số nhà của {camera}"));
        seen
    });
    alert["cameras"] = seeing.collect();
    alert
}

/// An alert of khu phố 3 that these cameras see.
fn append(house: &House, id: &str, kind: &str, cameras: &[&str], jpeg: Vec<u8>) -> Sequence {
    let append =
        Append { subject: format!("kp3/{id}"), live: true, wall: Wall(1), snapshot: Some(jpeg) };
    let payload = |sequence: Sequence| {
        let mut alert = seen_by(cameras);
        let last = cameras.last().unwrap();
        alert["message"] = json!(format!("CHÁY tại Số nhà của {last} (Khu phố 3)"));
        (alert["sequence"], alert["id"]) = (json!(sequence.0), json!(id));
        (alert["khu_pho"], alert["kind"], alert["revision"]) =
            (json!("kp3"), json!(kind), json!(1));
        alert.to_string().into_bytes()
    };
    house.outbox.append(append, payload).unwrap()
}

async fn picture(house: &House, browser: &Browser, sequence: Sequence) -> (u16, Vec<u8>) {
    let list = house.get("/api/alerts", browser).await.json();
    let place = list["pictures"][sequence.0.to_string()].as_str().unwrap().to_owned();
    let answer = house.get(&place, browser).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn of_a_loiterer_a_khu_pho_s_user_is_shown_no_face() {
    let house = House::with_users().await;
    let stored = snapshot("hem-3");
    let plain = encoded(None);
    let loiterer = append(&house, "stay-1", "loitering", &["hem-3"], stored.clone());
    let reported = append(&house, "told-1", "other", &["hem-3"], stored.clone());
    let fire = append(&house, "fire-1", "fire", &["hem-3"], stored.clone());
    let unknown = append(&house, "stay-2", "loitering", &["hem-3"], plain.clone());
    let broken = append(&house, "stay-3", "loitering", &["hem-3"], stored[..200].to_vec());
    let khu = house.sign_in("khu").await;
    for (who, browser) in
        [("police", house.sign_in("police").await), ("admin", house.sign_in("admin").await)]
    {
        for (sequence, expected) in
            [(loiterer, &stored), (reported, &stored), (fire, &stored), (unknown, &plain)]
        {
            let (status, jpeg) = picture(&house, &browser, sequence).await;
            assert_eq!((status, &jpeg), (200, expected), "{who} sees what was written");
        }
    }
    let told = |jpeg: &[u8]| jpeg.windows(11).any(|part| part == b"keng.people");
    let (status, hidden) = picture(&house, &khu, loiterer).await;
    assert!(status == 200 && hidden[..3] == [0xff, 0xd8, 0xff] && hidden != stored);
    assert!(!told(&hidden), "nor where people are");
    assert!(hidden.len() < stored.len(), "squares are less than noise");
    assert_eq!(picture(&house, &khu, reported).await.1, hidden);
    assert_eq!(picture(&house, &khu, fire).await, (200, stored.clone()), "people may be in there");
    let (status, coarse) = picture(&house, &khu, unknown).await;
    assert!(status == 200 && coarse.len() < hidden.len(), "nobody knows where people are");
    assert_eq!(picture(&house, &khu, broken).await.0, 404, "rather none than a face");
}

#[tokio::test]
async fn of_an_incident_at_the_border_a_khu_pho_s_user_is_told_their_own_cameras() {
    let house = House::with_users().await;
    let theirs = append(&house, "fire-1", "fire", &["hem-3", "hem-4", "hem-9"], snapshot("hem-3"));
    let others = append(&house, "fire-2", "fire", &["hem-4", "hem-3"], snapshot("hem-4"));
    let unknown = append(&house, "fire-3", "fire", &["hem-3", "hem-4"], encoded(None));
    let khu = house.sign_in("khu").await;
    let police = house.sign_in("police").await;
    assert_eq!(picture(&house, &khu, theirs).await.0, 200);
    for sequence in [others, unknown] {
        assert_eq!(picture(&house, &khu, sequence).await.0, 404, "another khu phố's view");
        assert_eq!(picture(&house, &police, sequence).await.0, 200);
    }
    let incident = "/api/khu-pho/kp3/incidents/fire-1";
    let acknowledge = json!({"action": "acknowledge"});
    for (browser, sees_all) in [(&khu, false), (&police, true)] {
        let told = [
            house.get("/api/alerts", browser).await.text(),
            house.get(incident, browser).await.text(),
            house.get(&format!("{incident}/cap.xml"), browser).await.text(),
            house.post(&format!("{incident}/command"), browser, &acknowledge).await.text(),
        ];
        let list: Value = serde_json::from_str(&told[0]).unwrap();
        let words = list["alerts"][2]["message"].as_str().unwrap().to_owned();
        let place = if sees_all { "Số nhà của hem-4" } else { "…" };
        assert_eq!(words, format!("CHÁY tại {place} (Khu phố 3)"));
        for text in told.iter().map(|text| text.replace("CHÁY tại Số nhà của hem-9", "")) {
            assert!(text.contains("Số nhà của hem-3"), "{text}");
            assert_eq!(text.contains("của hem-4"), sees_all, "{text}");
            assert_eq!(text.contains("của hem-9"), sees_all, "nobody knows whose it was: {text}");
        }
        let alert: Value = serde_json::from_str(&told[1]).unwrap();
        let schema = include_str!("../../config/alert.schema.json");
        let schema = serde_json::from_str(schema).unwrap();
        assert!(jsonschema::is_valid(&schema, &alert["revisions"][0]));
    }
    let heard = house.heard(&khu, "fire-3").await;
    assert!(heard.contains("của hem-3") && !heard.contains("của hem-4"), "{heard}");
}

#[tokio::test]
async fn a_drill_is_begun_by_those_who_answer_for_it() {
    let house = House::with_users().await;
    let drill = json!({"kind": "fire", "exercise": true, "siren": true});
    let path = "/api/khu-pho/kp3/report";
    let refused = house.post(path, &house.sign_in("khu").await, &drill).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.json()["reason"].as_str().unwrap().contains("drill"));
    for who in ["police", "admin"] {
        assert_eq!(house.post(path, &house.sign_in(who).await, &drill).await.status, 200);
    }
}
