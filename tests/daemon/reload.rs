//! A changed configuration: a good one touches what has changed, a bad one touches nothing.

use keng_testkit::gst::Codec;
use serde_json::Value;

use crate::STATUS;
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
use crate::subscriber::say;

#[tokio::test]
async fn a_reload_touches_only_what_has_changed() {
    let site = Site::new();
    let clip = site.path("clip.h264");
    gst::encode(&clip, Codec::H264, &scene::quiet(10));
    let server = Server::serve((Codec::H264, &clip, gst::FPS), Auth::None, 0).await;
    let url = format!("rtsp://127.0.0.1:{}/cam", server.port);
    let (old, new) = (camera(1, "old", &url, ""), camera(2, "new", &url, ""));
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    site.configure(&ward(broker.port, std::slice::from_ref(&old)));
    let daemon = site.start().await;
    until("the camera is looked at", || daemon.analysed("old") > 0).await;

    let both = ward(broker.port, &[old.clone(), new]);
    site.configure(&both);
    daemon.signal("HUP");
    until("the new camera is online", || subscriber.newest(&status_of("new"))["state"] == "online")
        .await;
    until("it is looked at", || daemon.analysed("new") > 0).await;
    goes_on(&daemon, "old").await;

    // Line 1 is [ward].
    site.configure(&both.replacen("[ward]\n", "[ward]\nidd = \"x\"\n", 1));
    daemon.signal("HUP");
    until("the refusal is told", || subscriber.newest(STATUS)["reload_error"].is_string()).await;
    let told = subscriber.newest(STATUS)["reload_error"].clone();
    let text = told.as_str().unwrap();
    assert!(text.contains("keng.toml:2:1: ward.idd: unknown key"), "{text}");
    assert_eq!(daemon.status()["reload_error"], told);
    assert_eq!(daemon.metric("keng_reload_failures_total"), 1);
    assert!(daemon.log.text().contains("keng.toml:2:1"), "the log names the place");
    goes_on(&daemon, "old").await;
    goes_on(&daemon, "new").await;

    site.configure(&ward(broker.port, &[old]));
    daemon.signal("HUP");
    until("the refusal is over", || {
        let status = subscriber.newest(STATUS);
        status["reload_error"] == Value::Null && status["cameras"] == 1
    })
    .await;
    let topic = status_of("new");
    let cleared = || subscriber.on(&topic).last().is_some_and(|heard| heard.payload.is_empty());
    until("the camera that is gone is cleared", cleared).await;
    assert_eq!(daemon.camera("new"), Value::Null);
    assert_eq!(daemon.status()["reload_error"], Value::Null);
    goes_on(&daemon, "old").await;
}

#[tokio::test]
async fn a_camera_that_went_while_nothing_ran_leaves_nothing_behind() {
    let site = Site::new();
    let broker = Mosquitto::start().await;
    let gone = ["keng/p14/kp3/gone/status", "keng/p14/kp9/gone/status"];
    // Others' topics that look alike are left alone.
    let others = ["keng/p15/kp3/gone/status", "keng/p14/kp3/gone/more/status"];
    for topic in gone.iter().chain(&others) {
        say(broker.port, topic, r#"{"state":"online"}"#, &["-r"]);
    }
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    until("all of it is there", || gone.iter().all(|topic| !subscriber.on(topic).is_empty())).await;
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    site.configure(&ward(broker.port, &[camera(1, "hem-42", &url, "")]));
    let daemon = site.start().await;
    let cleared = |topic: &str| subscriber.on(topic).last().is_some_and(|it| it.payload.is_empty());
    until("what is gone is cleared", || gone.iter().all(|topic| cleared(topic))).await;
    until("what is there is told", || !subscriber.on(&status_of("hem-42")).is_empty()).await;
    assert!(!cleared(&status_of("hem-42")) && !others.iter().any(|topic| cleared(topic)));
    drop(daemon);
}

/// The camera is looked at in the session in which it was first.
async fn goes_on(daemon: &Daemon, camera: &str) {
    let before = daemon.analysed(camera);
    until("the camera is looked at as before", || daemon.analysed(camera) > before).await;
    assert_eq!(daemon.sessions(camera), 1, "{camera} was not touched");
}
