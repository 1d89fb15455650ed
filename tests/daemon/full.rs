//! A disk that is full when the daemon starts: it says so, waits, and goes on by itself.

use crate::ALERTS;
use crate::STATUS;
use crate::daemon::Site;
use crate::daemon::ward;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::until;
use crate::subscriber::AlertSubscriber;
use crate::subscriber::Heard;
use crate::subscriber::say;

const REPORT: &str = "keng/p14/kp3/report";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_full_disk_waits_says_so_and_loses_nothing() {
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    let site = Site::new();
    site.configure(&ward(broker.port, &[]));
    let daemon = site.start().await;
    until("the session stands", || daemon.metric("keng_broker_up") == 1).await;
    say(broker.port, REPORT, r#"{"kind":"fire","by":"Ba","note":"before"}"#, &[]);
    until("the first alert", || subscriber.on(ALERTS).len() == 1).await;
    daemon.kill();
    say(broker.port, REPORT, r#"{"kind":"fire","by":"Ba","note":"meanwhile"}"#, &[]);

    let mut daemon = site.start_without_room();
    daemon.says_of_its_page("the page tells that the disk is full").await;
    for (path, status) in [("/", 503), ("/readyz", 503), ("/api/alerts", 503), ("/healthz", 200)] {
        let (answered, head, body) = daemon.answer("GET", path, "", "");
        assert_eq!(answered, status, "{path}: {head}");
        assert!(status == 200 || body.contains("Ổ đĩa đầy") && body.contains("disk is full"));
        assert!(!body.contains(site.path("var").to_str().unwrap()), "{body}");
    }
    until("the status tells it", || subscriber.newest(STATUS)["store"] == "stuck").await;
    let told = subscriber.newest(STATUS);
    assert_eq!(told["state"], "offline");
    assert!(told["reason"].as_str().unwrap().contains("free some space"), "{told}");
    until("it has tried again", || daemon.log.text().contains("still waits for the disk")).await;
    daemon.give_room();
    daemon.ready().await;
    let meanwhile = |heard: &Heard| heard.json()["reports"][1]["note"] == "meanwhile";
    until("what was said meanwhile", || subscriber.on(ALERTS).iter().any(meanwhile)).await;
    until("the status is whole", || subscriber.newest(STATUS)["store"] == "ok").await;
    assert_eq!(daemon.alerts().len(), 2, "and what was before is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_waits_for_the_disk_can_be_stopped() {
    let site = Site::new();
    site.configure(&ward(1, &[]));
    let mut daemon = site.start_without_room();
    until("it waits", || daemon.log.text().contains("waits for the disk")).await;
    daemon.give_room();
    daemon.ready().await;
    let (status, ..) = daemon.stop().await;
    assert!(status.success(), "{status}");
    let daemon = site.start_without_room();
    until("it waits", || daemon.log.text().contains("waits for the disk")).await;
    let (status, ..) = daemon.stop().await;
    assert!(status.success(), "{status}");
}
