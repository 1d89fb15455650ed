//! The documents' form, by the rules of the standard and, where it is at hand, by its schema.

use std::process::Command;

use super::*;
use crate::ward::Id;

const EARLY: &str = include_str!("../../tests/testdata/alert_fire.json");

fn issuer() -> Issuer {
    let id = |text: &str| Id::new(text).unwrap();
    Issuer {
        sender: "keng@phuong-14.example".to_owned(),
        scope: Scope::Restricted("Lực lượng PCCC & công an".to_owned()),
        ward: Ward {
            id: id("phuong-14"),
            name: "Phường 14, quận Tân Bình".to_owned(),
            timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
            language: Language::Vi,
        },
        khu_pho: vec![KhuPho { id: id("kp3"), name: "Khu phố <3>".to_owned(), team: None }],
    }
}

/// The alert of a file with some members changed.
fn alert(revision: u32, changes: serde_json::Value) -> Vec<u8> {
    let mut alert: serde_json::Value = serde_json::from_str(EARLY).unwrap();
    alert["revision"] = revision.into();
    alert["updated_at"] = format!("2026-11-21T22:14:{revision:02}.440+07:00").into();
    for (key, value) in changes.as_object().unwrap() {
        alert[key] = value.clone();
    }
    alert.to_string().into_bytes()
}

fn taken() -> serde_json::Value {
    let at = "2026-11-21T22:14:02.000+07:00";
    serde_json::json!({
        "state": "acknowledged",
        "acknowledged": { "at": at, "by": "Tổ <3> & \"bạn\"", "note": "đi\u{1} ngay" },
    })
}

fn closed(state: &str) -> serde_json::Value {
    serde_json::json!({ "state": state, "closed_at": "2026-11-21T22:20:00.000+07:00" })
}

/// One of each kind, by name.
fn documents() -> Vec<(&'static str, String)> {
    let first = alert(1, serde_json::json!({}));
    let second = alert(2, serde_json::json!({}));
    let earlier: Vec<&[u8]> = vec![&first, &second];
    let written = |payload: Vec<u8>, earlier: &[&[u8]]| {
        document(&payload, earlier, &issuer()).unwrap().unwrap()
    };
    let drill = serde_json::json!({ "exercise": true });
    let by_person = serde_json::json!({
        "kind": "smoke", "severity": "warning", "cameras": [],
        "reports": [{ "at": "2026-11-21T22:14:00.000+07:00", "by": "Ba", "place": "Chợ]]>",
                      "note": null }],
    });
    vec![
        ("alert", written(first.clone(), &[])),
        ("update", written(second.clone(), &[&first])),
        ("ack", written(alert(3, taken()), &earlier)),
        ("cancel", written(alert(3, closed("false_alarm")), &earlier)),
        ("clear", written(alert(3, closed("resolved")), &earlier)),
        ("exercise", written(alert(1, drill), &[])),
        ("person", written(alert(1, by_person), &[])),
    ]
}

fn text<'a>(node: roxmltree::Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.has_tag_name((NAMESPACE, name)))?.text()
}

fn of(name: &str) -> String {
    documents().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// The children's order and words as section 3.2 of the standard has them.
fn check(document: &str) {
    let parsed = roxmltree::Document::parse(document).unwrap();
    let alert = parsed.root_element();
    assert!(alert.has_tag_name((NAMESPACE, "alert")));
    in_order(
        alert,
        &[
            "identifier",
            "sender",
            "sent",
            "status",
            "msgType",
            "source",
            "scope",
            "restriction",
            "addresses",
            "code",
            "note",
            "references",
            "incidents",
            "info",
        ],
        &["identifier", "sender", "sent", "status", "msgType", "scope"],
    );
    for name in ["identifier", "sender"] {
        assert!(!text(alert, name).unwrap().contains([' ', ',', '<', '&']), "{document}");
    }
    time(text(alert, "sent").unwrap());
    one_of(text(alert, "status"), &["Actual", "Exercise", "System", "Test", "Draft"]);
    one_of(text(alert, "msgType"), &["Alert", "Update", "Cancel", "Ack", "Error"]);
    one_of(text(alert, "scope"), &["Public", "Restricted", "Private"]);
    let restricted = text(alert, "scope") == Some("Restricted");
    assert_eq!(restricted, text(alert, "restriction").is_some());
    for reference in text(alert, "references").unwrap_or_default().split_whitespace() {
        let parts: Vec<&str> = reference.split(',').collect();
        assert!(parts.len() == 3 && parts[0] == "keng@phuong-14.example", "{reference}");
        time(parts[2]);
    }
    for info in alert.children().filter(|child| child.has_tag_name((NAMESPACE, "info"))) {
        check_info(info);
    }
}

fn check_info(info: roxmltree::Node<'_, '_>) {
    in_order(
        info,
        &[
            "language",
            "category",
            "event",
            "responseType",
            "urgency",
            "severity",
            "certainty",
            "audience",
            "eventCode",
            "effective",
            "onset",
            "expires",
            "senderName",
            "headline",
            "description",
            "instruction",
            "web",
            "contact",
            "parameter",
            "resource",
            "area",
        ],
        &["category", "event", "urgency", "severity", "certainty", "headline"],
    );
    one_of(text(info, "category"), &["Geo", "Met", "Safety", "Security", "Rescue", "Fire"]);
    one_of(text(info, "responseType"), &["Avoid", "Monitor", "AllClear", "None"]);
    one_of(text(info, "urgency"), &["Immediate", "Expected", "Future", "Past", "Unknown"]);
    one_of(text(info, "severity"), &["Extreme", "Severe", "Moderate", "Minor", "Unknown"]);
    one_of(text(info, "certainty"), &["Observed", "Likely", "Possible", "Unlikely", "Unknown"]);
    time(text(info, "onset").unwrap());
    time(text(info, "expires").unwrap());
    assert!(text(info, "headline").unwrap().chars().count() <= 160);
    for area in info.children().filter(|child| child.has_tag_name((NAMESPACE, "area"))) {
        in_order(area, &["areaDesc", "polygon", "circle", "geocode"], &["areaDesc"]);
        if let Some(circle) = text(area, "circle") {
            let (point, radius) = circle.split_once(' ').unwrap();
            let (latitude, longitude) = point.split_once(',').unwrap();
            for number in [latitude, longitude, radius] {
                number.parse::<f64>().unwrap();
            }
        }
    }
}

fn in_order(node: roxmltree::Node<'_, '_>, order: &[&str], required: &[&str]) {
    let names: Vec<&str> =
        node.children().filter(|c| c.is_element()).map(|c| c.tag_name().name()).collect();
    let places: Vec<usize> = names
        .iter()
        .map(|name| order.iter().position(|known| known == name).expect(name))
        .collect();
    assert!(places.is_sorted(), "{names:?}");
    assert!(required.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!names.contains(&"") && node.children().all(|c| c.text() != Some("")), "{names:?}");
}

fn one_of(text: Option<&str>, words: &[&str]) {
    assert!(words.contains(&text.unwrap()), "{text:?}");
}

/// Without fractions, with an offset that is never Z.
fn time(text: &str) {
    assert_eq!(text.len(), "2026-11-21T22:14:03+07:00".len(), "{text}");
    assert!(text.parse::<jiff::Timestamp>().is_ok() && !text.ends_with('Z'), "{text}");
}

#[test]
fn every_document_has_the_form_of_the_standard() {
    for (name, document) in documents() {
        println!("{name}");
        check(&document);
    }
}

#[test]
fn what_happens_decides_the_type() {
    for (name, status, kind, references, infos) in [
        ("alert", "Actual", "Alert", 0, 2),
        ("update", "Actual", "Update", 1, 2),
        ("ack", "Actual", "Ack", 2, 0),
        ("cancel", "Actual", "Cancel", 2, 2),
        ("clear", "Actual", "Update", 2, 2),
        ("exercise", "Exercise", "Alert", 0, 2),
    ] {
        let document = of(name);
        let parsed = roxmltree::Document::parse(&document).unwrap();
        let alert = parsed.root_element();
        assert_eq!(text(alert, "status"), Some(status), "{name}");
        assert_eq!(text(alert, "msgType"), Some(kind), "{name}");
        let refers = text(alert, "references").unwrap_or_default().split_whitespace().count();
        assert_eq!(refers, references, "{name}");
        let info = alert.children().filter(|child| child.has_tag_name((NAMESPACE, "info")));
        assert_eq!(info.count(), infos, "{name}");
    }
    assert!(of("clear").contains("<responseType>AllClear</responseType>"));
    assert!(of("clear").contains("<urgency>Past</urgency>"));
    let refers = "keng@phuong-14.example,phuong-14.20261121t151403120z-hem-42.1,\
                  2026-11-21T22:14:01+07:00";
    assert!(of("update").contains(&format!("<references>{refers}</references>")));
}

#[test]
fn people_and_places_come_through_whatever_they_are_called() {
    let document = of("ack");
    let parsed = roxmltree::Document::parse(&document).unwrap();
    let note = text(parsed.root_element(), "note").unwrap().to_owned();
    assert!(note.contains("Tổ <3> & \"bạn\"") && note.ends_with("đi ngay"), "{note}");
    let document = of("person");
    assert!(document.contains("<areaDesc>Chợ]]&gt;, Khu phố &lt;3&gt;</areaDesc>"), "{document}");
    let document = of("alert");
    assert!(document.contains("<circle>10.793,106.667 0.1</circle>"), "{document}");
    assert!(document.contains("<language>vi-VN</language>\n<category>Fire</category>"));
    assert!(document.contains("<language>en-US</language>"));
}

#[test]
fn what_does_not_burn_is_no_message() {
    let loitering = alert(1, serde_json::json!({ "kind": "loitering" }));
    assert_eq!(document(&loitering, &[], &issuer()).unwrap(), None);
    assert!(document(b"{}", &[], &issuer()).is_err());
    // A person's report that turned out to be a fire: the first message is an Alert.
    let other = alert(1, serde_json::json!({ "kind": "other" }));
    let fire = alert(2, serde_json::json!({}));
    let first = document(&fire, &[&other], &issuer()).unwrap().unwrap();
    assert!(first.contains("<msgType>Alert</msgType>"));
}

#[test]
fn a_long_incident_refers_to_its_first_and_newest_messages() {
    let earlier: Vec<Vec<u8>> = (1..50).map(|at| alert(at, serde_json::json!({}))).collect();
    let earlier: Vec<&[u8]> = earlier.iter().map(Vec::as_slice).collect();
    let last = document(&alert(50, serde_json::json!({})), &earlier, &issuer()).unwrap().unwrap();
    let parsed = roxmltree::Document::parse(&last).unwrap();
    let references = text(parsed.root_element(), "references").unwrap();
    let all: Vec<&str> = references.split_whitespace().collect();
    assert_eq!(all.len(), REFERENCES_MAX);
    assert!(all[0].contains(".1,") && all[19].contains(".49,") && all[1].contains(".31,"));
}

#[test]
fn utc_is_written_as_the_standard_wants() {
    let mut issuer = issuer();
    issuer.ward.timezone = jiff::tz::TimeZone::UTC;
    assert_eq!(issuer.time(Wall(0)), "1970-01-01T00:00:00-00:00");
    assert!(is_sender("keng@x.example") && !is_sender("a b") && !is_sender("") && !is_sender("a,"));
}

/// Needs xmllint (Debian package libxml2-utils), and the schema that OASIS publishes beside the
/// standard as the file that `KENG_CAP_XSD` names.
#[test]
fn every_document_is_valid_by_the_schema_where_it_is_at_hand() {
    let Ok(schema) = std::env::var("KENG_CAP_XSD") else {
        println!("skipped: KENG_CAP_XSD names no schema");
        return;
    };
    if Command::new("xmllint").arg("--version").output().is_err() {
        println!("skipped: there is no xmllint");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, document: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, document).unwrap();
        let command = ["--noout", "--schema", &schema];
        let checked = Command::new("xmllint").args(command).arg(&path).output().unwrap();
        let words = String::from_utf8_lossy(&checked.stderr).into_owned();
        (checked.status.success(), words)
    };
    for (name, document) in documents() {
        let (valid, words) = check(name, &document);
        assert!(valid, "{name}: {words}");
        // The schema is one that can say no.
        let (valid, words) = check(name, &document.replace("+07:00</sent>", "Z</sent>"));
        assert!(!valid, "{name}: {words}");
    }
}
