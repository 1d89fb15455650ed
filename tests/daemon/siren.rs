//! The siren: sounded where nobody answers, over a real broker, and never too late.

use serde_json::Value;
use serde_json::json;

use crate::ALERTS;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::free_port;
use crate::mosquitto::until;
use crate::subscriber::AlertSubscriber;
use crate::subscriber::say;

const SIREN: &str = "keng/p14/kp3/siren";
const REPORTS: &str = "keng/p14/kp3/report";

/// A ward whose siren sounds after two seconds for up to `seconds_max`; no camera answers.
fn configure(site: &Site, broker: u16, seconds_max: u32) {
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    let policy = format!(
        "[incident]\nescalate_after_s = 1.0\n\n[siren]\nenabled = true\nkhu_pho = [\"kp3\"]\n\
         after_s = 1.0\nseconds_max = {seconds_max}\n"
    );
    site.configure(&ward(broker, &[camera(1, "hem-42", &url, ""), policy]));
}

/// What the siren was told, in order: its states and for which incidents.
fn orders(subscriber: &AlertSubscriber) -> Vec<(Value, Value)> {
    let orders = subscriber.on(SIREN).iter().map(|heard| heard.json()).collect::<Vec<_>>();
    orders.into_iter().map(|order| (order["state"].clone(), order["incident"].clone())).collect()
}

#[tokio::test]
async fn nobody_answers_so_the_siren_sounds_until_somebody_switches_it_off() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "siren").await;
    configure(&site, broker.port, 600);
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;

    say(broker.port, REPORTS, r#"{"kind":"fire","by":"Bà Tám","place":"Chợ nhỏ"}"#, &[]);
    until("the siren sounds", || orders(&subscriber).len() == 1).await;
    let alerts: Vec<Value> = subscriber.on(ALERTS).iter().map(|heard| heard.json()).collect();
    let [first, escalated, loud] = alerts.as_slice() else { panic!("{alerts:#?}") };
    assert_eq!((&first["escalated_at"], &first["siren"]), (&Value::Null, &Value::Null));
    assert!(escalated["escalated_at"].is_string() && escalated["siren"].is_null());
    assert!(escalated["message"].as_str().unwrap().contains("CHƯA AI TIẾP NHẬN"));
    assert_eq!((&loud["siren"]["state"], &loud["siren"]["revision"]), (&json!("on"), &json!(3)));
    let id = first["id"].clone();
    let order = subscriber.on(SIREN)[0].json();
    assert_eq!(
        order,
        json!({
            "state": "on", "incident": id, "seconds_max": 600, "exercise": false,
            "at": loud["updated_at"],
        })
    );
    assert!(!subscriber.on(SIREN)[0].retained);

    // Killed while it sounds: whoever switches it off is heard by the one that comes after.
    daemon.kill();
    let command = format!("keng/p14/kp3/incident/{}/command", id.as_str().unwrap());
    say(broker.port, &command, r#"{"action":"siren_off","by":"Tổ 3"}"#, &[]);
    let daemon = site.start().await;
    until("the siren is silent", || orders(&subscriber).last().is_some_and(|o| o.0 == "off")).await;
    let off = subscriber.on(ALERTS).last().unwrap().json();
    assert_eq!((&off["siren"]["by"], &off["state"]), (&json!("Tổ 3"), &json!("open")));
    // What was on its way when it was killed may have come twice, but in order.
    let mut told = orders(&subscriber);
    told.dedup();
    assert_eq!(told, [("on".into(), id.clone()), ("off".into(), id)]);
    assert_eq!(daemon.metric("keng_siren_orders_dropped_total"), 0);
}

#[tokio::test]
async fn an_order_that_comes_too_late_is_dropped_and_counted() {
    let site = Site::new();
    let mut broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "siren").await;
    configure(&site, broker.port, 1);
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    say(broker.port, REPORTS, r#"{"kind":"fire","by":"Bà Tám"}"#, &[]);
    until("the report is an incident", || !subscriber.on(ALERTS).is_empty()).await;

    // The broker is away while the siren would have sounded, and for its second.
    broker.stop();
    let ordered =
        |state: &str| daemon.alerts().iter().any(|alert| alert["siren"]["state"] == state);
    until("it was ordered off again", || ordered("on") && ordered("off")).await;
    broker.restart().await;
    until("it is told that it is over", || !orders(&subscriber).is_empty()).await;
    let last = || subscriber.on(ALERTS).last().is_some_and(|heard| heard.json()["revision"] == 4);
    until("all is heard", last).await;
    let states: Vec<Value> = orders(&subscriber).into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["off"], "what is over does not sound");
    assert_eq!(daemon.metric("keng_siren_orders_dropped_total"), 1);
    let mut told: Vec<Value> =
        subscriber.on(ALERTS).iter().map(|heard| heard.json()["revision"].clone()).collect();
    // The first one comes again where the broker stopped before it had acknowledged it.
    told.dedup();
    assert_eq!(told, [1, 2, 3, 4], "the alerts themselves are never dropped");
}

#[tokio::test]
async fn a_drill_goes_the_whole_way_and_stays_silent() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    configure(&site, broker.port, 600);
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;

    let drill = r#"{"kind":"fire","by":"Ban chỉ huy","exercise":true,"siren":true}"#;
    say(broker.port, REPORTS, drill, &[]);
    let heard = |revision: u64| move |alert: &Value| alert["revision"] == revision;
    let alert = |fits: &dyn Fn(&Value) -> bool| {
        subscriber.on(ALERTS).iter().map(|heard| heard.json()).find(|alert| fits(alert))
    };
    until("the drill is escalated", || alert(&heard(2)).is_some()).await;
    let first = alert(&heard(1)).unwrap();
    assert_eq!((&first["exercise"], &first["kind"]), (&json!(true), &json!("fire")));
    assert!(first["message"].as_str().unwrap().starts_with("DIỄN TẬP"));

    // A real report at the same time is an incident of its own.
    say(broker.port, REPORTS, r#"{"kind":"fire","by":"Bà Tám"}"#, &[]);
    let real = |alert: &Value| alert["exercise"] == false;
    until("the real one", || alert(&real).is_some()).await;
    assert_ne!(alert(&real).unwrap()["id"], first["id"]);

    let command = |id: &Value| format!("keng/p14/kp3/incident/{}/command", id.as_str().unwrap());
    say(broker.port, &command(&first["id"]), r#"{"action":"on_scene","by":"Tổ 3"}"#, &[]);
    say(broker.port, &command(&first["id"]), r#"{"action":"resolve","by":"Tổ 3"}"#, &[]);
    let over = |alert: &Value| alert["id"] == first["id"] && alert["state"] == "resolved";
    until("the drill is over", || alert(&over).is_some()).await;
    let over = alert(&over).unwrap();
    assert!(over["on_scene_at"].is_string() && over["closed_at"].is_string());
    assert!(over["siren"].is_null(), "asked for, but not allowed");
    until("the times are in the log", || daemon.log.text().contains("drill over")).await;
    // The real one, which nobody has answered, does sound it.
    until("the siren", || !orders(&subscriber).is_empty()).await;
    assert!(orders(&subscriber).iter().all(|(_, incident)| *incident != first["id"]));
}
