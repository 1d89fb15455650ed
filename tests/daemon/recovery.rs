//! Cameras, the broker and the daemon itself die at the worst moment: nothing is lost.

use std::path::PathBuf;
use std::time::Duration;

use keng_testkit::gst::Codec;
use tokio::time::Instant;

use crate::ALERTS;
use crate::daemon::Daemon;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::gst;
use crate::gst::Auth;
use crate::gst::Server;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::free_port;
use crate::mosquitto::until;
use crate::scene;
use crate::status_of;
use crate::subscriber::AlertSubscriber;
use crate::subscriber::Heard;

/// The promise is 5 s; a machine that is busy with other tests gets the double.
const BACK_WITHIN: Duration = Duration::from_secs(10);

fn clip(site: &Site, scene: &str) -> PathBuf {
    let path = site.path("clip.h264");
    gst::encode(&path, Codec::H264, scene);
    path
}

async fn serve(clip: &std::path::Path, port: u16) -> Server {
    Server::serve((Codec::H264, clip, gst::FPS), Auth::None, port).await
}

fn hem_42(port: u16) -> String {
    camera(1, "hem-42", &format!("rtsp://127.0.0.1:{port}/cam"), "")
}

/// A daemon with a broker and a camera that is not there yet.
async fn without_camera(site: &Site) -> (Mosquitto, AlertSubscriber, Daemon, u16) {
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    let port = free_port();
    site.configure(&ward(broker.port, &[hem_42(port)]));
    let daemon = site.start().await;
    until("the broker's session stands", || daemon.metric("keng_broker_up") == 1).await;
    (broker, subscriber, daemon, port)
}

#[tokio::test]
async fn a_camera_that_comes_back_is_looked_at_again_within_seconds() {
    let site = Site::new();
    let clip = clip(&site, &scene::quiet(10));
    let server = serve(&clip, 0).await;
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    site.configure(&ward(broker.port, &[hem_42(server.port)]));
    let daemon = site.start().await;
    let topic = status_of("hem-42");
    until("it is online", || subscriber.newest(&topic)["state"] == "online").await;
    until("it is looked at", || daemon.analysed("hem-42") > 0).await;

    let port = server.kill().await;
    until("it is offline", || subscriber.newest(&topic)["state"] == "offline").await;
    let reason = subscriber.newest(&topic)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&port.to_string()), "{reason}");

    let seen = daemon.analysed("hem-42");
    let _server = serve(&clip, port).await;
    let back = Instant::now();
    until("it is looked at again", || daemon.analysed("hem-42") > seen).await;
    let took = back.elapsed();
    println!("looked at again {:.1} s after the camera was back", took.as_secs_f64());
    assert!(took <= BACK_WITHIN, "{took:?}");
    until("it is told as online", || subscriber.newest(&topic)["state"] == "online").await;
    assert!(subscriber.states(&topic).ends_with(&["offline".to_owned(), "online".to_owned()]));
}

#[tokio::test]
async fn an_alert_waits_for_the_broker() {
    let site = Site::new();
    let clip = clip(&site, &scene::fire(1, 20));
    let (mut broker, subscriber, daemon, port) = without_camera(&site).await;
    broker.kill();
    until("the broker is missed", || daemon.metric("keng_broker_up") == 0).await;
    let _server = serve(&clip, port).await;
    until("the alert is durable", || !daemon.alerts().is_empty()).await;
    assert!(subscriber.on(ALERTS).is_empty());
    until("it is counted as waiting", || daemon.metric("keng_outbox_depth") == 1).await;

    assert!(!daemon.log.text().contains("does not speak MQTT"), "it does, but it was killed");

    broker.restart().await;
    until("the alert arrives", || !subscriber.on(ALERTS).is_empty()).await;
    let heard = subscriber.on(ALERTS);
    assert!(daemon.feed().contains(&heard[0].text()), "the same bytes");
    assert!(heard.iter().all(|again| again == &heard[0]), "{heard:?}");
    until("the broker has it", || daemon.metric("keng_outbox_depth") == 0).await;
    assert_eq!(daemon.alerts().len(), 1);
}

#[tokio::test]
async fn an_alert_outlives_a_kill_between_append_and_puback() {
    let site = Site::new();
    let clip = clip(&site, &scene::fire(1, 20));
    let (broker, subscriber, daemon, port) = without_camera(&site).await;
    broker.signal("STOP");
    let _server = serve(&clip, port).await;
    until("the alert is durable", || !daemon.alerts().is_empty()).await;
    let feed = daemon.feed();
    let id = daemon.alerts()[0]["id"].clone();
    until("it is counted as waiting", || daemon.metric("keng_outbox_depth") == 1).await;
    daemon.kill();
    assert!(subscriber.on(ALERTS).is_empty());

    let daemon = site.start().await;
    assert!(feed_of(&daemon, 1).contains(first_of(&feed)), "the log kept it as it was");
    broker.signal("CONT");
    until("all is acknowledged", || {
        let published = "keng_stage_passed_total{camera=\"mqtt\",stage=\"Publish\"}";
        daemon.metric("keng_outbox_depth") == 0 && daemon.metric(published) > 0
    })
    .await;
    let is_first = |heard: &&Heard| heard.json()["revision"] == 1;
    until("the alert arrives", || subscriber.on(ALERTS).iter().any(|heard| is_first(&heard))).await;
    let heard = subscriber.on(ALERTS);
    for copy in heard.iter().filter(is_first) {
        assert!(feed.contains(&copy.text()), "the same bytes, not {}", copy.text());
    }
    // It burns on: the daemon that is new finds it again, and knows it.
    until("the fire's second revision", || {
        subscriber.on(ALERTS).iter().any(|heard| heard.json()["revision"] == 2)
    })
    .await;
    let others: Vec<_> = daemon.alerts().into_iter().filter(|alert| alert["id"] != id).collect();
    assert!(others.is_empty(), "a fire is one incident: {others:#?}");
}

/// The feed of the first alerts.
fn feed_of(daemon: &Daemon, limit: usize) -> String {
    daemon.get(&format!("/api/alerts?after=0&limit={limit}"))
}

/// The first alert of a feed, as its bytes came.
fn first_of(feed: &str) -> &str {
    let (_, alerts) = feed.split_once("\"alerts\":[").unwrap();
    alerts.split_once("],\"pictures\":").unwrap().0
}
