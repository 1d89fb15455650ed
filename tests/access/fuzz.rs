//! Every documented operation with every class of wrong and odd values: whatever comes is answered
//! as documented, and never by a fault of ours. The operations, their parameters and their bodies
//! are read from the OpenAPI document, so that a new one is tried as soon as it is written down.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::Answer;
use crate::house::Browser;
use crate::house::DEADLINE;
use crate::house::House;
use crate::openapi::check;
use crate::openapi::document;

/// What stands in an address: good ids, and what is none, as they go over the wire.
const PARTS: [&str; 34] = [
    "kp3",
    "kp4",
    "hem-3",
    "hem-9",
    "fire-3",
    "x",
    "",
    "0",
    "1",
    "-1",
    "1.5",
    "1e309",
    "NaN",
    "18446744073709551615",
    "18446744073709551616",
    "true",
    "null",
    "2026-11-21",
    "2026-02-30",
    "9999-12-31",
    "-0001-01-01",
    "html",
    "json",
    "vi",
    "small",
    "..%2f..%2fkey",
    "%00",
    "%ff%fe",
    "%F0%9F%94%A5",
    "%0d%0aX-Evil:%201",
    "%22%3E%3Cscript%3E",
    "%25%32%65",
    "%",
    "+%20+",
];
/// Random combinations of an operation's parameters, and of its body's values.
const COMBINATIONS: usize = 40;

/// One documented operation.
struct Operation {
    method: String,
    path: String,
    query: Vec<String>,
    /// A body that fits, and its media type.
    body: Option<(String, Value)>,
}

fn resolved(document: &Value, schema: &Value) -> Value {
    match schema["$ref"].as_str() {
        Some(name) => document.pointer(&name[1..]).unwrap().clone(),
        None => schema.clone(),
    }
}

/// Something that fits a schema: of a choice the first.
fn example(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    let kind = schema["type"].get(0).unwrap_or(&schema["type"]);
    match kind.as_str().unwrap_or_default() {
        "object" => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let fitted = |(key, value): (String, Value)| (key, example(document, &value));
            Value::Object(properties.into_iter().map(fitted).collect())
        }
        "integer" | "number" => json!(5),
        "boolean" => json!(false),
        "array" => json!([]),
        _ => json!("x"),
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in
            item.as_object().unwrap().iter().filter(|(m, _)| *m != "parameters")
        {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let of_query = parameters.filter(|parameter| parameter["in"] == "query");
            let query = of_query.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
            let content = operation["requestBody"]["content"].as_object();
            let body = content.and_then(|content| content.iter().next());
            let body = body.map(|(kind, one)| (kind.clone(), example(document, &one["schema"])));
            let (method, path) = (method.to_uppercase(), path.clone());
            found.push(Operation { method, path, query, body });
        }
    }
    found
}

/// The path with `value` in the place of its `at`-th parameter, and good ones in the others.
fn filled(path: &str, at: usize, value: &str) -> String {
    let mut number = 0;
    let parts = path.split('/').map(|part| {
        if !part.starts_with('{') {
            return part.to_owned();
        }
        number += 1;
        match part {
            _ if number - 1 == at => value.to_owned(),
            "{khu_pho}" => "kp3".to_owned(),
            "{name}" => "1-00.jpg".to_owned(),
            _ if path.contains("/cameras/") => "hem-3".to_owned(),
            _ => "fire-3".to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Everything that can be wrong with one value of a body.
fn odd() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("x".repeat(9_000)),
        json!("\u{0}\r\n\u{202e}"),
        json!("🔥ạ"),
        json!([]),
        json!({}),
        json!(["x"]),
        json!({"x": 1}),
        deep,
    ]
}

/// Bodies around one that fits: each value wrong in each way, absent, one too many; and none.
fn bodies(good: &Value) -> Vec<String> {
    let text = good.to_string();
    let mut all = vec![text.clone(), String::new(), text[..text.len() / 2].to_owned()];
    all.push(format!("{text}{text}"));
    all.extend(odd().iter().map(Value::to_string));
    for key in good.as_object().unwrap().keys() {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(key);
        all.push(without.to_string());
        for value in odd() {
            let mut changed = good.clone();
            changed[key] = value;
            all.push(changed.to_string());
        }
        // The same key twice.
        all.push(format!("{{{:?}:1,{}", key, &text[1..]));
    }
    let mut more = good.clone();
    more["unknown"] = json!(1);
    all.push(more.to_string());
    all
}

struct Fuzz {
    document: Value,
    house: House,
    browser: Browser,
    tried: usize,
}

impl Fuzz {
    async fn attempt(&mut self, operation: &Operation, target: &str, kind: &str, body: &str) {
        let (house, browser) = (&self.house, &self.browser);
        let head = match operation.method.as_str() {
            "GET" => browser.cookie.clone(),
            _ => format!(
                "{}{}{}Content-Type: {kind}\r\n",
                browser.cookie,
                browser.token,
                house.origin()
            ),
        };
        let line = format!("{} {target}", operation.method);
        let answer = match operation.path.as_str() {
            "/events" => begun(house, &line, &head).await,
            _ => house.send(&line, &head, body).await,
        };
        let told = format!("{line} {body}");
        assert!((200..500).contains(&answer.status), "{told}: {answer:?}");
        assert!(answer.header("x-evil").is_none(), "{told}");
        // What names no address at all is nobody's operation.
        let (path, parts) = (target.split('?').next().unwrap(), operation.path.split('/').count());
        if path.split('/').count() == parts && !path.contains("//") && !path.ends_with('/') {
            check(&self.document, &operation.method, &operation.path, &answer);
        }
        self.tried += 1;
    }
}

/// The head of an answer that never ends.
async fn begun(house: &House, line: &str, head: &str) -> Answer {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: {}\r\n{head}\r\n", house.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "{line} is not answered");
        bytes.extend(&buffer[..read]);
    }
    Answer::parse(&bytes)
}

#[tokio::test]
async fn every_operation_answers_as_documented_whatever_it_is_asked() {
    let document = document();
    let operations = operations(&document);
    let house = House::with_users().await;
    house.append("kp3", "fire-3");
    house.append("kp4", "fire-4");
    let browser = house.sign_in("admin").await;
    let mut fuzz = Fuzz { document, house, browser, tried: 0 };
    let mut runner = TestRunner::deterministic();
    for operation in &operations {
        // Each password costs what a password shall cost; what is wrong with a form is tried below.
        let dear = operation.path == "/sign-in" && operation.method == "POST";
        if operation.path == "/sign-out" {
            continue;
        }
        let (kind, good) = operation.body.clone().unwrap_or_default();
        let body = if dear { String::new() } else { good.to_string() };
        let places = operation.path.matches('{').count();
        for at in 0..places {
            for part in PARTS {
                fuzz.attempt(operation, &filled(&operation.path, at, part), &kind, &body).await;
            }
        }
        let path = filled(&operation.path, usize::MAX, "");
        for (name, part) in operation.query.iter().flat_map(|n| PARTS.map(|part| (n, part))) {
            fuzz.attempt(operation, &format!("{path}?{name}={part}"), &kind, &body).await;
            let twice = format!("{path}?{name}={part}&{name}={part}&unknown={part}&{name}");
            fuzz.attempt(operation, &twice, &kind, &body).await;
        }
        for _ in 0..COMBINATIONS * usize::from(operation.query.len() > 1) {
            let pick = || prop::sample::select(&PARTS[..]);
            let pairs = operation.query.iter().map(|name| {
                let part = pick().new_tree(&mut runner).unwrap().current();
                format!("{name}={part}")
            });
            let query = pairs.collect::<Vec<_>>().join("&");
            fuzz.attempt(operation, &format!("{path}?{query}"), &kind, &body).await;
        }
        if operation.body.is_some() && !dear {
            for body in bodies(&good) {
                fuzz.attempt(operation, &path, &kind, &body).await;
            }
            for other in
                ["", "text/plain", "application/json; charset=utf-16", "multipart/form-data"]
            {
                fuzz.attempt(operation, &path, other, &body).await;
            }
        }
        if dear {
            for form in
                ["", "name", "name=a", "password=b", "name=a&name=b&password=c", "%00=%ff", "=&="]
            {
                fuzz.attempt(operation, &path, &kind, form).await;
                fuzz.attempt(operation, &path, "application/json", form).await;
            }
        }
    }
    // Whatever is said with it, signing out ends the session and nothing else.
    let operation = operations.iter().find(|one| one.path == "/sign-out").unwrap();
    for body in ["", "{", "\u{0}", &"x".repeat(20_000)] {
        let former = fuzz.browser.clone();
        fuzz.browser = fuzz.house.sign_in("khu").await;
        fuzz.attempt(operation, "/sign-out", "application/json", body).await;
        assert_eq!(fuzz.house.get("/api/me", &fuzz.browser).await.status, 401);
        fuzz.browser = former;
    }
    println!("{} requests to {} operations", fuzz.tried, operations.len());
    assert!(fuzz.tried > 1_000, "{} were tried", fuzz.tried);
}
