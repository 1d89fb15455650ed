//! A good camera among bad ones: its alert arrives, theirs are named with what to do about them.

use std::path::Path;

use keng::rtsp_server;
use keng::rtsp_server::Credentials;
use keng::rtsp_server::Mount;
use keng::rtsp_server::Options;
use keng::rtsp_server::RunningServer;
use keng::rtsp_server::Scheme;
use keng::ward::Secret;
use keng_testkit::gst::Codec;
use serde_json::Value;

use crate::ALERTS;
use crate::daemon::Daemon;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::gst;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::until;
use crate::scene;
use crate::status_of;
use crate::subscriber::AlertSubscriber;

const RIGHT: &str = "r1ght-s3cret";
const WRONG: &str = "wr0ng-s3cret";

/// Camera, its fault, and what people are told of it. None of them ever shows a picture.
const BAD: [(&str, &str, &str); 6] = [
    ("gone", "status=404", "no stream /gone (404); check the path of the url"),
    ("locked", "status=401", "wants a password (401) and none is given; set username and password"),
    ("web-page", "html", "does not speak RTSP at DESCRIBE"),
    ("garbage", "garbage", "does not speak RTSP at DESCRIBE"),
    ("half-open", "half-open", "did not answer DESCRIBE"),
    ("sound", "no-video", "has no video in this stream"),
];

/// Cameras that lie and lose, and are looked at all the same.
const POOR: [(&str, &str); 3] =
    [("noisy", "corrupt=0.2"), ("lossy", "drop=0.02"), ("shy", "refuse=0.5")];

fn mount(name: &str, clip: &Path, fault: &str) -> Mount {
    Mount { name: name.to_owned(), fault: fault.parse().unwrap(), ..Mount::new(clip) }
}

/// One server for whoever asks, one that wants a password.
async fn street(site: &Site) -> (RunningServer, RunningServer) {
    let (fire, quiet, large) = (site.path("f.mp4"), site.path("q.mp4"), site.path("l.mp4"));
    gst::encode(&fire, Codec::H264, &scene::fire(2, 20));
    gst::encode(&quiet, Codec::H264, &scene::quiet(2));
    gst::encode(&large, Codec::H264, &scene::large_fire(0, 10));
    let mut mounts: Vec<Mount> = BAD.iter().map(|(id, f, _)| mount(id, &quiet, f)).collect();
    let bars = site.path("bars.mp4");
    gst::encode_h264(&bars, gst::SIZE);
    mounts.extend(POOR.iter().map(|(id, fault)| mount(id, &bars, fault)));
    let mut switching = mount("switching", &quiet, "resolution-switch");
    switching.clips.push(large);
    mounts.push(switching);
    let open = Options { seed: Some(7), ..Options::new(mounts) };
    let password = Secret::new(RIGHT.to_owned());
    let credentials =
        Credentials { username: "viewer".to_owned(), password, scheme: Scheme::Digest };
    let guarded =
        Options { credentials: Some(credentials), ..Options::new(vec![mount("good", &fire, "")]) };
    (
        rtsp_server::Server::start(open).await.unwrap(),
        rtsp_server::Server::start(guarded).await.unwrap(),
    )
}

fn cameras(open: &RunningServer, guarded: &RunningServer) -> Vec<String> {
    let password = |name: &str| format!("username = \"viewer\"\npassword = {{ env = \"{name}\" }}");
    let good = &guarded.served()[0].url;
    let mut cameras: Vec<String> = open
        .served()
        .iter()
        .zip(10..)
        .map(|(served, place)| camera(place, &served.name, &served.url, ""))
        .collect();
    cameras.push(camera(1, "good", good, &password("GOOD_PASSWORD")));
    cameras.push(camera(2, "mistyped", good, &password("MISTYPED_PASSWORD")));
    cameras
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_cameras_harm_no_good_one_and_are_named_with_a_remedy() {
    let site =
        Site::new().with_secret("GOOD_PASSWORD", RIGHT).with_secret("MISTYPED_PASSWORD", WRONG);
    let (open, guarded) = street(&site).await;
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    site.configure(&ward(broker.port, &cameras(&open, &guarded)));
    let daemon = site.start().await;

    let burns = |camera: &str| {
        subscriber.on(ALERTS).iter().any(|heard| heard.json()["cameras"][0]["id"] == camera)
    };
    until("the good camera's alert", || burns("good")).await;
    until("the alert of the camera that changes its size", || burns("switching")).await;
    assert_eq!(daemon.sessions("switching"), 1, "a new size is no new session");
    for (id, _) in POOR {
        until("poor cameras are looked at", || daemon.analysed(id) > 3).await;
    }
    let dropped = |stage: &str| {
        let labels = format!("{{camera=\"noisy\",stage=\"{stage}\"}}");
        daemon.metric(&format!("keng_stage_dropped_total{labels}"))
    };
    until("what is broken is counted", || dropped("Receive") + dropped("Decode") > 0).await;
    let mistyped = ("mistyped", "", "refuses username or password (401); check them");
    for (id, _, told) in BAD.into_iter().chain([mistyped]) {
        let reason = || subscriber.newest(&status_of(id))["reason"].clone();
        until(&format!("{id} is told as offline"), || reason().is_string()).await;
        let text = reason().as_str().unwrap().to_owned();
        assert!(text.contains(told), "{id}: {text}");
        assert_eq!(subscriber.newest(&status_of(id))["state"], "offline");
        assert_eq!(daemon.camera(id)["reason"], reason());
        assert!(is_logged(&daemon, id, told), "{id}: {told}");
    }
    assert_eq!(daemon.sessions("good"), 1, "nobody has disturbed it");
    assert_eq!(daemon.camera("good")["state"], "online");
    let kinds: Vec<Value> = daemon.alerts().iter().map(|alert| alert["kind"].clone()).collect();
    assert!(kinds.iter().all(|kind| kind == "fire"), "{kinds:?}");
    no_secret_anywhere(daemon, &subscriber).await;
}

/// Within the camera's span, as a warning.
fn is_logged(daemon: &Daemon, id: &str, told: &str) -> bool {
    daemon.log.events().iter().any(|event| {
        let failure = event["fields"]["failure"].as_str().unwrap_or_default();
        event["level"] == "WARN" && event["span"]["id"] == id && failure.contains(told)
    })
}

async fn no_secret_anywhere(daemon: Daemon, subscriber: &AlertSubscriber) {
    let pages = ["/", "/api/status", "/api/alerts", "/metrics"].map(|page| daemon.get(page));
    let (status, _, log) = daemon.stop().await;
    assert_eq!(status.code(), Some(0));
    let messages = subscriber.heard().into_iter().map(|heard| heard.topic.clone() + &heard.text());
    for text in messages.chain(pages).chain([log.text()]) {
        for secret in [RIGHT, WRONG] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
