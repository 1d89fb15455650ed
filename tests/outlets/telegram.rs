//! The worked example of `docs/webhooks.md`: Telegram's `sendMessage`, before a stand-in that
//! answers as its documentation says.

use std::path::Path;
use std::time::Duration;

use keng::config;
use keng::config::Surroundings;
use keng::outlet::webhook::Config;
use keng::outlet::webhook::Target;
use keng::time::Wall;
use serde_json::Value;
use serde_json::json;

use super::receiver::Got;
use super::receiver::Receiver;
use super::receiver::Reply;
use super::street::Street;
use super::street::secret;

const TOKEN: &str = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11";

/// `sendMessage` as the Bot API documents it: JSON with `ok`; `error_code` and `description` where
/// that is false; `parameters.retry_after` with 429.
fn telegram(got: &Got) -> Option<Reply> {
    let says = |code: u16, body: Value| {
        Some(Reply::Says(code, "content-type", "application/json", body.to_string()))
    };
    let error = |code: u16, description: &str| {
        says(code, json!({ "ok": false, "error_code": code, "description": description }))
    };
    if got.path != format!("/bot{TOKEN}/sendMessage") {
        return error(404, "Not Found");
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&got.body) else {
        return error(400, "Bad Request: can't parse JSON");
    };
    if asked["chat_id"] != "-1001234567890" {
        return error(400, "Bad Request: chat not found");
    }
    match asked["text"].as_str().unwrap_or_default() {
        "" => error(400, "Bad Request: message text is empty"),
        // The list of answers goes on: 429 first.
        _ => None,
    }
}

/// The webhook that the document shows, and its body, sent to the stand-in.
fn documented(receiver: &Receiver) -> Config {
    let text = std::fs::read_to_string("docs/webhooks.md").unwrap();
    let block = text.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let around = Surroundings {
        file: Path::new("docs/webhooks.md"),
        base_dir: Path::new("/etc/keng"),
        binary_dir: None,
        env: &|name| (name == "KENG_TELEGRAM_TOKEN").then(|| TOKEN.to_owned()),
        now: Wall::default(),
    };
    let loaded = config::parse(&format!("[ward]\nid = \"p14\"\n{block}"), &around).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(!format!("{:?}", loaded.settings).contains("ABC-DEF"));
    let mut config = loaded.settings.outlets.webhooks[0].clone();
    let url = format!("http://{}/bot{{secret}}/sendMessage", receiver.address);
    config.target = Target::new(&url, Some(&secret(TOKEN))).unwrap();
    config
}

#[tokio::test]
async fn the_documented_example_sends_messages_and_waits_when_asked() {
    let busy = json!({
        "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 1",
        "parameters": { "retry_after": 1 },
    });
    let busy = Reply::Says(429, "content-type", "application/json", busy.to_string());
    let sent = |n: u32| {
        let body = json!({ "ok": true, "result": { "message_id": n } });
        Reply::Says(200, "content-type", "application/json", body.to_string())
    };
    let receiver = Receiver::at(0, [busy, sent(1), sent(2)], telegram).await;
    let street = Street::new();
    let config = documented(&receiver);
    street.enrol(&config);
    street.add(1, 1, &json!({ "message": "CHÁY tại \"Hẻm 42\"\n<b>&" }));
    street.add(2, 1, &json!({ "message": "" }));
    street.add(3, 1, &json!({ "kind": "loitering" }));
    street.add(4, 1, &json!({}));
    let running = street.run(&config);
    street.all_read(&config).await;
    running.stop().await;
    let got = receiver.got();
    let texts: Vec<String> = got
        .iter()
        .map(|got| serde_json::from_slice::<Value>(&got.body).unwrap()["text"].to_string())
        .collect();
    let fire = json!("CHÁY tại \"Hẻm 42\"\n<b>&").to_string();
    assert_eq!(&texts[..2], [fire.clone(), fire]);
    assert!(got[1].at - got[0].at >= Duration::from_secs(1), "{:?}", got[1].at - got[0].at);
    assert_eq!(texts.len(), 4, "{texts:?}");
    let letters = street.letters();
    assert_eq!(letters.len(), 1);
    let reason = &letters[0].reason;
    assert!(reason.contains("HTTP 400") && reason.contains("message text is empty"), "{reason}");
    assert!(!reason.contains("ABC-DEF"), "{reason}");
}
