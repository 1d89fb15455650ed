//! From GStreamer's RTSP server to `mosquitto_sub`: every codec and transport, with passwords.

use keng_testkit::gst::Codec;
use serde_json::Value;

use crate::ALERTS;
use crate::STATUS;
use crate::daemon::Daemon;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::gst;
use crate::gst::Auth;
use crate::gst::Server;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::until;
use crate::scene;
use crate::status_of;
use crate::subscriber::AlertSubscriber;
use keng_testkit::root;

/// Frames that are looked at after all is told: a second incident would be there by then.
const MORE: u64 = 10;

const BURNING: [&str; 4] = ["h264-tcp", "h264-udp", "h265-tcp", "h265-udp"];
const QUIET: &str = "quiet";

#[tokio::test]
async fn each_codec_and_transport_gives_one_fire_and_the_quiet_street_none() {
    let site = Site::new().with_secret("CAM_PASSWORD", "right");
    let (servers, cameras) = street(&site).await;
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    site.configure(&ward(broker.port, &cameras));
    let daemon = site.start().await;

    until("four alerts", || subscriber.on(ALERTS).len() >= BURNING.len()).await;
    let before = BURNING.map(|id| daemon.analysed(id));
    until("all cameras are looked at for longer", || {
        let more = |(id, before)| daemon.analysed(id) >= before + MORE;
        BURNING.into_iter().zip(before).all(more) && daemon.analysed(QUIET) >= MORE
    })
    .await;
    let alerts = subscriber.on(ALERTS);
    let told: Vec<String> = alerts.iter().map(crate::subscriber::Heard::text).collect();
    assert_eq!(alerts.len(), BURNING.len(), "{told:#?}");
    for id in BURNING {
        let of_camera = |alert: &Value| alert["cameras"][0]["id"] == id;
        let mine: Vec<_> = alerts.iter().filter(|heard| of_camera(&heard.json())).collect();
        assert_eq!(mine.len(), 1, "{id}: {told:#?}");
        check_alert(&mine[0].json(), id);
        check_topics(&subscriber, &mine[0].payload, &mine[0].json());
    }
    check_statuses(&subscriber);
    check_late_comer(broker.port, &daemon).await;
    drop(servers);
}

/// Five GStreamer servers, and the cameras of the configuration.
async fn street(site: &Site) -> (Vec<Server>, Vec<String>) {
    let digest = "username = \"viewer\"\npassword = { env = \"CAM_PASSWORD\" }\n";
    let udp = "transport = \"udp\"\n";
    let protected_udp = format!("{digest}{udp}");
    let (fire, quiet) = (scene::fire(3, 20), scene::quiet(20));
    let (mut servers, mut cameras) = (Vec::new(), Vec::new());
    for (place, (id, codec, auth, scene, more)) in (1..).zip([
        (BURNING[0], Codec::H264, Auth::None, &fire, ""),
        (BURNING[1], Codec::H264, Auth::Digest, &fire, protected_udp.as_str()),
        (BURNING[2], Codec::H265, Auth::Digest, &fire, digest),
        (BURNING[3], Codec::H265, Auth::None, &fire, udp),
        (QUIET, Codec::H264, Auth::Basic, &quiet, digest),
    ]) {
        let clip = site.path(&format!("{id}.{}", codec.as_str()));
        gst::encode(&clip, codec, scene);
        let server = Server::serve((codec, &clip, gst::FPS), auth, 0).await;
        cameras.push(camera(place, id, &format!("rtsp://127.0.0.1:{}/cam", server.port), more));
        servers.push(server);
    }
    (servers, cameras)
}

#[expect(clippy::print_stdout, reason = "a figure for whoever runs it")]
fn check_alert(alert: &Value, camera: &str) {
    let schema = std::fs::read_to_string(root().join("config/alert.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let faults: Vec<String> = schema.iter_errors(alert).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?} in {alert:#}");
    for (key, value) in [
        ("ward", "p14"),
        ("khu_pho", "kp3"),
        ("kind", "fire"),
        ("severity", "critical"),
        ("state", "open"),
    ] {
        assert_eq!(alert[key], value, "{key} of {alert:#}");
    }
    assert_eq!(alert["revision"], 1);
    assert!(alert["id"].as_str().unwrap().ends_with(camera), "{alert:#}");
    assert_eq!(alert["cameras"].as_array().unwrap().len(), 1);
    assert!(alert["cameras"][0]["confidence"].as_f64().unwrap() > 0.8, "{alert:#}");
    let corner = |index: usize| alert["cameras"][0]["box"][index].as_f64().unwrap();
    assert!(corner(0) < scene::PATCH.0 && scene::PATCH.0 < corner(2), "{alert:#}");
    assert!(corner(1) < scene::PATCH.1 && scene::PATCH.1 < corner(3), "{alert:#}");
    let latency = alert["latency_ms"].as_object().unwrap();
    let total: f64 = latency.values().map(|part| part.as_f64().unwrap()).sum();
    println!("{camera}: {total:.1} ms from the frame to the durable alert");
}

/// The same bytes on the incident's own topic, and its picture.
fn check_topics(subscriber: &AlertSubscriber, payload: &[u8], alert: &Value) {
    let topic = format!("keng/p14/kp3/incident/{}", alert["id"].as_str().unwrap());
    let kept = subscriber.on(&topic);
    assert!(kept.len() == 1 && kept[0].payload == payload, "{kept:?}");
    let snapshot = format!("{topic}/snapshot");
    assert_eq!(alert["snapshot"], snapshot);
    let pictures = subscriber.on(&snapshot);
    assert_eq!(pictures.len(), 1);
    let jpeg = &pictures[0].payload;
    assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]) && jpeg.ends_with(&[0xff, 0xd9]));
}

fn check_statuses(subscriber: &AlertSubscriber) {
    assert_eq!(subscriber.newest(STATUS)["state"], "online");
    for id in BURNING.into_iter().chain([QUIET]) {
        let status = subscriber.newest(&status_of(id));
        assert_eq!(status["state"], "online", "{id}: {status}");
        let focused = if id == QUIET { "idle" } else { "focused" };
        assert_eq!(status["attention"], focused, "{id}: {status}");
    }
}

/// Whoever comes later hears what is retained, and nothing else.
async fn check_late_comer(broker: u16, daemon: &Daemon) {
    let late = AlertSubscriber::new(broker, "late").await;
    let expected = BURNING.len() * 2 + 2;
    until("what is retained", || {
        let retained = late.heard().into_iter().filter(|heard| heard.retained).count();
        retained >= expected
    })
    .await;
    let open = daemon.alerts().iter().map(|alert| alert["id"].clone()).collect::<Vec<_>>();
    for heard in late.heard().iter().filter(|heard| heard.retained) {
        let incident = heard.topic.strip_prefix("keng/p14/kp3/incident/");
        let known = incident.is_some_and(|id| open.iter().any(|open| open == id));
        assert!(known || heard.topic.ends_with("/status"), "{}", heard.topic);
    }
}
