//! The documented interface is the served one, and what is answered has its form.

use std::collections::BTreeSet;

use keng::incident::Kind;
use keng::web::addresses;
use serde_json::Value;
use serde_json::json;

use crate::house::Answer;
use crate::house::Browser;
use crate::house::House;

pub(crate) fn document() -> Value {
    serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap()
}

/// What an operation may answer, as a schema of JSON: references are looked up in the document.
fn schema(document: &Value, method: &str, path: &str, status: u16) -> Option<Value> {
    let operation = &document["paths"][path][method.to_lowercase()];
    let status = status.to_string();
    let mut answer = &operation["responses"][&status];
    if let Some(name) = answer["$ref"].as_str() {
        answer = document.pointer(name.strip_prefix('#')?)?;
    }
    let schema = answer["content"]["application/json"]["schema"].clone();
    let mut schema = if schema.is_null() { return None } else { schema };
    // The schema's own references start at the document.
    schema["components"] = document["components"].clone();
    Some(schema)
}

#[test]
fn what_people_may_report_is_documented() {
    let document = document();
    let documented = &document["components"]["schemas"]["report"]["properties"]["kind"]["enum"];
    let reportable = Kind::ALL.into_iter().filter(|kind| kind.facts().is_reportable);
    assert_eq!(*documented, json!(reportable.map(Kind::as_str).collect::<Vec<_>>()));
}

#[test]
fn every_address_is_documented_and_nothing_else() {
    let document = document();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys();
            let methods = methods.filter(|method| *method != "parameters");
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = addresses()
        .into_iter()
        .map(|address| (address.method.to_owned(), address.path.to_owned()))
        // Files of the page itself are no interface.
        .filter(|(_, path)| {
            [
                "/api/",
                "/album/",
                "/snapshots/",
                "/events",
                "/sign-",
                "/healthz",
                "/readyz",
                "/metrics",
            ]
            .iter()
            .any(|start| path.starts_with(start))
                && !path.ends_with(".css")
        })
        .collect();
    assert_eq!(documented, served);
    for (method, path) in &documented {
        let operation = &document["paths"][path][method.to_lowercase()];
        assert!(operation["summary"].is_string(), "{method} {path}");
        let shared = document["paths"][path]["parameters"].as_array().cloned().unwrap_or_default();
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = part.split('}').next().unwrap();
            assert!(shared.iter().any(|parameter| parameter["name"] == name), "{path}: {name}");
        }
    }
}

pub(crate) fn check(document: &Value, method: &str, path: &str, answer: &Answer) {
    let responses = &document["paths"][path][method.to_lowercase()]["responses"];
    let status = answer.status.to_string();
    assert!(!responses[&status].is_null(), "{method} {path}: {status} is not documented");
    let kind = answer.header("content-type").unwrap_or_default();
    let schema = schema(document, method, path, answer.status);
    // Some have other forms beside.
    let other = !responses[&status]["content"][kind.split(';').next().unwrap()].is_null();
    let Some(schema) = schema.filter(|_| kind.contains("json") || !other) else {
        assert!(!kind.contains("json"), "{method} {path}: {status} has a form, undocumented");
        return;
    };
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let body = answer.json();
    let errors: Vec<String> = schema
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{method} {path} {status}: {}\n{body}", errors.join("\n"));
}

#[tokio::test]
async fn answers_have_the_documented_form() {
    let document = document();
    let house = House::with_users().await;
    let sequence = house.append("kp3", "fire-3");
    let people = [
        Browser::nobody(),
        house.sign_in("khu").await,
        house.sign_in("police").await,
        house.sign_in("admin").await,
    ];
    let list = house.get("/api/alerts", &people[3]).await.json();
    let picture = list["pictures"][sequence.0.to_string()].as_str().unwrap();
    for browser in &people {
        for (template, path) in [
            ("/api/me", "/api/me"),
            ("/api/alerts", "/api/alerts"),
            ("/api/alerts", "/api/alerts?after=0&limit=1"),
            ("/api/alerts", "/api/alerts?after=x"),
            ("/api/status", "/api/status"),
            ("/api/cameras", "/api/cameras"),
            ("/api/cameras/{id}", "/api/cameras/hem-3"),
            ("/api/cameras/{id}", "/api/cameras/none"),
            ("/api/khu-pho/{khu_pho}/incidents/{id}", "/api/khu-pho/kp3/incidents/fire-3"),
            ("/api/khu-pho/{khu_pho}/incidents/{id}", "/api/khu-pho/kp3/incidents/fire-9"),
            (
                "/api/khu-pho/{khu_pho}/incidents/{id}/cap.xml",
                "/api/khu-pho/kp3/incidents/fire-3/cap.xml",
            ),
            ("/api/report", "/api/report"),
            ("/api/report", "/api/report?format=json&khu_pho=kp3"),
            ("/api/report", "/api/report?format=csv"),
            ("/api/report", "/api/report?from=2026-11-02&to=2026-11-01"),
            ("/api/report", "/api/report?khu_pho=kp9"),
            ("/api/push", "/api/push"),
            ("/api/system", "/api/system"),
            ("/api/audit", "/api/audit?last=3"),
            ("/api/openapi.json", "/api/openapi.json"),
            ("/api/cameras/{id}/picture.jpg", "/api/cameras/hem-3/picture.jpg"),
            ("/snapshots/{name}", picture),
            ("/snapshots/{name}", "/snapshots/1.jpg"),
            ("/healthz", "/healthz"),
            ("/readyz", "/readyz"),
            ("/metrics", "/metrics"),
            ("/sign-in", "/sign-in"),
        ] {
            check(&document, "GET", template, &house.get(path, browser).await);
        }
        for (template, path, body) in [
            ("/api/cameras/{id}/look", "/api/cameras/hem-3/look", json!({})),
            ("/api/cameras/{id}/look", "/api/cameras/none/look", json!({})),
            (
                "/api/khu-pho/{khu_pho}/incidents/{id}/command",
                "/api/khu-pho/kp3/incidents/fire-3/command",
                json!({"action": "acknowledge", "note": "đi"}),
            ),
            (
                "/api/khu-pho/{khu_pho}/incidents/{id}/command",
                "/api/khu-pho/kp3/incidents/fire-3/command",
                json!({"action": "explode"}),
            ),
            ("/api/khu-pho/{khu_pho}/report", "/api/khu-pho/kp3/report", json!({"kind": "fire"})),
            ("/api/khu-pho/{khu_pho}/report", "/api/khu-pho/kp9/report", json!({"kind": "fire"})),
            ("/api/khu-pho/{khu_pho}/patrol", "/api/khu-pho/kp3/patrol", json!({"minutes": 5})),
            ("/api/push/subscribe", "/api/push/subscribe", json!({"endpoint": "x"})),
            (
                "/api/push/unsubscribe",
                "/api/push/unsubscribe",
                json!({"endpoint": "https://push.example/x"}),
            ),
            ("/sign-out", "/sign-out", json!({})),
        ] {
            check(&document, "POST", template, &house.post(path, browser, &body).await);
        }
    }
}
