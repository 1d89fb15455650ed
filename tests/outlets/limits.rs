//! A broker that takes no large packets, and says so by closing the connection.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use keng::clock::SystemClock;
use keng::outbox::Append;
use keng::outbox::Sequence;
use keng::time::Clock;
use keng::time::Mono;
use keng::time::Stamp;
use keng::time::Wall;

use super::mosquitto::Mosquitto;
use super::mosquitto::Subscriber;
use super::publisher::Daemon;
use super::publisher::add;
use super::publisher::add_with;
use super::publisher::alert;
use super::publisher::config;

/// The machine's clocks, durations a thousand times as long.
struct Hasty(SystemClock);

impl Clock for Hasty {
    fn now(&self) -> Stamp {
        let now = self.0.now();
        Stamp { mono: Mono(now.mono.0 * 1_000), ..now }
    }
}

#[tokio::test]
async fn what_a_broker_cuts_the_session_for_is_given_up() {
    let limit = |_: &Path| "allow_anonymous true\nmax_packet_size 2000\n".to_owned();
    let broker = Mosquitto::start_with(limit).await;
    let ears = Subscriber::new(broker.port, "ears", "keng/#").await;
    let store = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hasty(SystemClock::new()));
    let daemon = Daemon::start_with(store.path(), config(broker.port), clock);
    let mut sent = vec![add(&daemon.outbox, "i-1", "open")];
    sent.push(add_with(&daemon.outbox, "i-2", "open", Some(vec![0xff; 20_000])));
    let append = Append { subject: "x".into(), live: true, wall: Wall(1), snapshot: None };
    let long = "x".repeat(3_000);
    daemon.outbox.append(append, |at| alert(at, "i-3", &long)).unwrap();
    sent.push(add(&daemon.outbox, "i-4", "open"));
    daemon.all_acknowledged().await;
    let mut heard = ears.on("keng/p14/kp3/alert");
    let mut seen = BTreeSet::new();
    heard.retain(|bytes| seen.insert(bytes.clone()));
    assert_eq!(heard, sent);
    assert_eq!(ears.on("keng/p14/kp3/incident/i-2").last(), Some(&sent[1]));
    let letters = daemon.outbox.set_aside_list().unwrap();
    assert_eq!((letters.len(), letters[0].sequence), (1, Sequence(3)));
    assert!(letters[0].reason.contains("limit on packets"), "{}", letters[0].reason);
    daemon.stop().await;
}
