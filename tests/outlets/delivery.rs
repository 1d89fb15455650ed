//! From the outbox to a real broker: nothing lost, order kept, the same bytes, whatever dies.

use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use keng::mqtt;
use keng::mqtt::BrokerState;
use keng::mqtt::Incoming;
use keng::outbox::Append;
use keng::outbox::Outbox;
use keng::outbox::Sequence;
use keng::time::Wall;
use keng::ward::Id;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::mosquitto::Gate;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::PATIENCE;
use crate::mosquitto::Subscriber;
use crate::mosquitto::until;
use crate::publisher::Daemon;
use crate::publisher::add;
use crate::publisher::add_with;
use crate::publisher::alert;
use crate::publisher::config;

const ALERTS: &str = "keng/p14/kp3/alert";
const STATUS: &str = "keng/p14/status";

/// Without what came twice; fails where that was not the same.
fn once(heard: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for bytes in heard {
        if !seen.contains(&bytes) {
            seen.push(bytes);
        }
    }
    seen
}

fn status_of(heard: &[Vec<u8>]) -> Vec<String> {
    let states = heard.iter().map(|bytes| {
        let status: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        status["state"].as_str().unwrap().to_owned()
    });
    states.collect()
}

#[tokio::test]
async fn alerts_arrive_in_order_with_the_same_bytes() {
    let broker = Mosquitto::start().await;
    let ears = Subscriber::new(broker.port, "ears", "keng/#").await;
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), config(broker.port));
    let mut sent = Vec::new();
    for number in 0..50 {
        let jpeg = (number == 7).then(|| vec![0xff; 200_000]);
        sent.push(add_with(&daemon.outbox, &format!("i-{}", number % 5), "open", jpeg));
    }
    daemon.all_acknowledged().await;
    until("all heard", || ears.on(ALERTS).len() >= 50).await;
    assert_same(&ears.on(ALERTS), &sent);
    assert_eq!(ears.on("keng/p14/kp3/incident/i-3").last(), Some(&sent[48]));
    assert_eq!(ears.on("keng/p14/kp3/incident/i-2/snapshot"), [vec![0xff; 200_000]]);
    daemon.stop().await;
}

/// What happens to a broker.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Stopped,
    Killed,
    KilledAndWiped,
}

async fn nothing_is_lost_over(fate: Fate) {
    let mut broker = Mosquitto::start().await;
    let mut ears = Subscriber::new(broker.port, "ears", ALERTS).await;
    let gate = Gate::new(broker.port).await;
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), config(gate.port));
    let mut sent = Vec::new();
    for round in 0..3 {
        for number in 0..10 {
            sent.push(add(&daemon.outbox, &format!("i-{}", number % 4), "open"));
            if round > 0 && number == 5 {
                // In the middle of the stream.
                until("some heard", || once(ears.on(ALERTS)).len() > 10 * round).await;
            }
        }
        until("the broker listens to us", || !ears.on(ALERTS).is_empty()).await;
        // A broker that forgot keeps nothing for a subscriber that is not back yet: let it in
        // first. What matters is that nothing is lost on our way.
        gate.set_open(false);
        let before = *ears.subscribed.borrow_and_update();
        match fate {
            Fate::Stopped => broker.stop(),
            Fate::Killed => broker.kill(),
            Fate::KilledAndWiped => {
                broker.kill();
                broker.wipe();
            }
        }
        for number in 0..5 {
            sent.push(add(&daemon.outbox, &format!("i-{number}"), "open"));
        }
        broker.restart().await;
        ears.subscribed.wait_for(|n| *n > before).await.unwrap();
        gate.set_open(true);
    }
    daemon.all_acknowledged().await;
    until("all heard", || once(ears.on(ALERTS)).len() >= sent.len()).await;
    assert_same(&once(ears.on(ALERTS)), &sent);
    daemon.stop().await;
}

/// The same alerts in the same order; says it in words where not.
fn assert_same(heard: &[Vec<u8>], sent: &[Vec<u8>]) {
    let text = |all: &[Vec<u8>]| -> Vec<String> {
        all.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    };
    assert_eq!(text(heard), text(sent));
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_is_stopped() {
    nothing_is_lost_over(Fate::Stopped).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_is_killed() {
    nothing_is_lost_over(Fate::Killed).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_forgets_everything() {
    nothing_is_lost_over(Fate::KilledAndWiped).await;
}

#[tokio::test]
async fn the_status_is_right_after_each_reconnect() {
    let mut broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    let camera = "keng/p14/kp3/hem-42/status";
    let first = Subscriber::new(broker.port, "first", "keng/#").await;
    let daemon = Daemon::start(store.path(), config(broker.port));
    daemon.retained.set(camera, b"{\"state\":\"connecting\"}");
    until("online", || status_of(&first.on(STATUS)) == ["online"]).await;
    until("the camera", || !first.on(camera).is_empty()).await;

    broker.kill();
    broker.wipe();
    daemon.retained.set(camera, b"{\"state\":\"online\"}");
    broker.restart().await;
    let second = Subscriber::new(broker.port, "second", "keng/#").await;
    until("online again", || status_of(&second.on(STATUS)) == ["online"]).await;
    until("the camera again", || !second.on(camera).is_empty()).await;
    assert_eq!(second.on(camera), [b"{\"state\":\"online\"}"]);

    daemon.die().await;
    until("the last will", || status_of(&second.on(STATUS)) == ["online", "offline"]).await;
    let daemon = Daemon::start(store.path(), config(broker.port));
    until("online at last", || second.on(STATUS).len() == 3).await;
    daemon.retained.set(STATUS, b"{\"state\":\"online\",\"reload\":\"refused\"}");
    until("more to say", || second.on(STATUS).len() == 4).await;
    daemon.stop().await;
    until("said by itself", || second.on(STATUS).len() == 5).await;
    let states = ["online", "offline", "online", "online", "offline"];
    assert_eq!(status_of(&second.on(STATUS)), states);
    assert!(second.on(STATUS)[4].windows(5).any(|word| word == b"since"), "not the last will");
}

#[tokio::test]
async fn open_incidents_are_retained_and_closed_ones_cleared() {
    let mut broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), config(broker.port));
    add(&daemon.outbox, "i-1", "open");
    let newest = add(&daemon.outbox, "i-1", "acknowledged");
    add(&daemon.outbox, "i-2", "open");
    add(&daemon.outbox, "i-2", "resolved");
    daemon.all_acknowledged().await;
    for round in 0..2 {
        let name = format!("late-{round}");
        let late = Subscriber::new(broker.port, &name, "keng/+/+/incident/#").await;
        until("the open incident", || !late.heard().is_empty()).await;
        assert_eq!(late.on("keng/p14/kp3/incident/i-1").last(), Some(&newest));
        assert!(late.on("keng/p14/kp3/incident/i-2").iter().all(Vec::is_empty));
        // The second round: a broker that knows nothing any more.
        let mut state = daemon.state.clone();
        broker.kill();
        broker.wipe();
        state.wait_for(|state| *state != BrokerState::Online).await.unwrap();
        broker.restart().await;
    }
    daemon.stop().await;
}

#[tokio::test]
async fn what_comes_in_is_acknowledged_only_when_it_is_done() {
    let broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    let team = Subscriber::new(broker.port, "team", "echo").await;
    let online = |daemon: &Daemon| {
        let mut state = daemon.state.clone();
        async move { drop(state.wait_for(|state| *state == BrokerState::Online).await.unwrap()) }
    };
    // The session is made; then the daemon is away while the team writes.
    let daemon = Daemon::start(store.path(), config(broker.port));
    online(&daemon).await;
    daemon.stop().await;
    let too_long = vec![b'x'; mqtt::INBOUND_BYTES_MAX + 1];
    team.say("keng/p14/kp3/report", &too_long).await;
    team.say("keng/p14/kp3/incident/i-1/nonsense", b"{}").await;
    team.say("keng/p14/kp3/report", b"{\"kind\":\"fire\"}").await;
    team.say("keng/p14/kp3/incident/i-1/command", b"{\"action\":\"on_scene\"}").await;
    team.say("echo", b"the broker has them all").await;
    until("an echo", || !team.heard().is_empty()).await;

    // It takes them, and dies before they are done.
    let mut daemon = Daemon::start(store.path(), config(broker.port));
    let report = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    assert_eq!(report.topic, Incoming::Report { khu_pho: Id::new("kp3").unwrap() });
    assert_eq!(report.payload, b"{\"kind\":\"fire\"}");
    daemon.die().await;
    assert!(report.done.send(()).is_err(), "too late");

    // They come again, in order; the command is not done yet when it dies once more.
    let mut daemon = Daemon::start(store.path(), config(broker.port));
    let report = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    assert_eq!(report.payload, b"{\"kind\":\"fire\"}");
    let command = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    assert!(matches!(command.topic, Incoming::Command { .. }));
    report.done.send(()).unwrap();
    daemon.stop().await;
    drop(command);

    let mut daemon = Daemon::start(store.path(), config(broker.port));
    let command = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    assert_eq!(command.payload, b"{\"action\":\"on_scene\"}");
    command.done.send(()).unwrap();
    daemon.stop().await;

    // Nothing is left: what comes next is new.
    let mut daemon = Daemon::start(store.path(), config(broker.port));
    online(&daemon).await;
    team.say("keng/p14/kp3/patrol", b"new").await;
    let patrol = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    assert_eq!(patrol.payload, b"new");
    daemon.stop().await;
}

#[tokio::test]
async fn an_oversized_message_does_not_block_the_line() {
    let broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    let team = Subscriber::new(broker.port, "team", "echo").await;
    let mut daemon = Daemon::start(store.path(), config(broker.port));
    drop(daemon.state.wait_for(|state| *state == BrokerState::Online).await.unwrap());
    team.say("keng/p14/kp3/report", &vec![b'x'; 3 << 20]).await;
    team.say("keng/p14/kp3/report", b"fire").await;
    let report = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    assert_eq!(report.payload, b"fire");
    report.done.send(()).unwrap();
    let mut state = daemon.state.clone();
    let mut fails = async |words: &str| {
        let says =
            |state: &BrokerState| matches!(state, BrokerState::Failing(why) if why.contains(words));
        drop(tokio::time::timeout(PATIENCE, state.wait_for(says)).await.unwrap().unwrap());
    };
    // The limit holds again: the next one is not taken as it comes either.
    fails("was swallowed").await;
    team.say("keng/p14/kp3/report", &vec![b'y'; 2 << 20]).await;
    fails("sends oversized").await;
    team.say("keng/p14/kp3/report", b"smoke").await;
    let report = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    assert_eq!(report.payload, b"smoke");
    report.done.send(()).unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn poison_does_not_block_the_line() {
    let broker = Mosquitto::start().await;
    let ears = Subscriber::new(broker.port, "ears", ALERTS).await;
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), config(broker.port));
    let append = Append { subject: "x".into(), live: true, wall: Wall(1), snapshot: None };
    daemon.outbox.append(append, |_| b"no alert".to_vec()).unwrap();
    let good = add(&daemon.outbox, "i-1", "open");
    daemon.all_acknowledged().await;
    until("the good one", || ears.on(ALERTS) == [good.clone()]).await;
    let letters = daemon.outbox.set_aside_list().unwrap();
    assert_eq!((letters.len(), letters[0].sequence), (1, Sequence(1)));
    assert!(letters[0].reason.contains("no alert"), "{}", letters[0].reason);
    daemon.stop().await;
}

#[tokio::test]
async fn the_embedded_broker_carries_alerts_and_commands() {
    let listen = mqtt::Config { url: None, listen: "127.0.0.1:0".parse().unwrap(), ..config(0) };
    let broker = mqtt::Broker::start(&listen).await.unwrap();
    let embedded = mqtt::Config { listen: broker.address(), ..listen };
    let port = broker.address().port();
    let ears = Subscriber::new(port, "ears", "keng/#").await;
    let store = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(store.path(), embedded.clone());
    let mut sent = Vec::new();
    for number in 0..30 {
        let jpeg = (number == 7).then(|| vec![0xff; 200_000]);
        sent.push(add_with(&daemon.outbox, &format!("i-{number}"), "open", jpeg));
    }
    daemon.all_acknowledged().await;
    until("all heard", || ears.on(ALERTS).len() >= 30).await;
    assert_same(&ears.on(ALERTS), &sent);
    let late = Subscriber::new(port, "late", "keng/p14/kp3/incident/+").await;
    until("retained", || late.heard().len() >= 30).await;
    ears.say("keng/p14/kp3/report", b"smoke").await;
    let report = tokio::time::timeout(PATIENCE, daemon.inbound.recv()).await.unwrap().unwrap();
    report.done.send(()).unwrap();
    daemon.die().await;
    until("the last will", || {
        status_of(&ears.on(STATUS)).last().is_some_and(|state| state == "offline")
    })
    .await;

    let taken = mqtt::Broker::start(&embedded).await.unwrap_err().to_string();
    assert!(taken.contains("[mqtt] listen"), "{taken}");
}

/// Runs one of this file's tests as a process of its own, which may be killed.
fn child(test: &str, store: &Path, port: u16) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("delivery::{test}"), "--nocapture"]);
    child.env("KENG_TEST_STORE", store).env("KENG_TEST_PORT", port.to_string());
    child.stdout(Stdio::piped()).stderr(Stdio::null());
    child
}

/// None: nobody has made this process for it.
fn child_store() -> Option<std::path::PathBuf> {
    std::env::var_os("KENG_TEST_STORE").map(Into::into)
}

#[test]
fn child_appends_for_ever() {
    let Some(store) = child_store() else { return };
    let outbox = Outbox::open(&store).unwrap();
    loop {
        add(&outbox, "i-1", "open");
        println!("\ndurable {}", outbox.last().0);
    }
}

#[test]
fn what_was_durable_survives_kill_9() {
    let store = tempfile::tempdir().unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let mut child = child("child_appends_for_ever", store.path(), 0).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let durable = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("durable ").map(|at| at.parse::<u64>().unwrap()));
        let said = durable.take(50).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(said > last, "{said}");
        let outbox = Outbox::open(store.path()).unwrap();
        last = outbox.last().0;
        assert!(last >= said, "{last} {said}");
        let all = outbox.read_after(Sequence(0), usize::MAX).unwrap();
        assert_eq!(all.len() as u64, last);
        for (entry, at) in all.iter().zip(1..) {
            assert_eq!(entry.sequence, Sequence(at));
            assert_eq!(*entry.payload, alert(entry.sequence, "i-1", "open"));
        }
    }
}

#[tokio::test]
async fn child_publishes() {
    let Some(store) = child_store() else { return };
    let port = std::env::var("KENG_TEST_PORT").unwrap().parse().unwrap();
    let daemon = Daemon::start(&store, config(port));
    for number in 0..10 {
        add(&daemon.outbox, &format!("i-{number}"), "open");
    }
    daemon.task.await.unwrap();
}

#[tokio::test]
async fn an_alert_arrives_though_the_daemon_was_killed_before_the_puback() {
    // A broker that takes everything and acknowledges nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store: TempDir = tempfile::tempdir().unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut child = child("child_publishes", store.path(), port).spawn().unwrap();
    let (mut stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    let mut taken = Vec::new();
    let last = alert(Sequence(10), "i-9", "open");
    while !taken.windows(last.len()).any(|bytes| bytes == last) {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut taken)).await;
        assert_ne!(read.unwrap().unwrap(), 0, "the child lives");
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let broker = Mosquitto::start().await;
    let ears = Subscriber::new(broker.port, "ears", ALERTS).await;
    let daemon = Daemon::start(store.path(), config(broker.port));
    daemon.all_acknowledged().await;
    until("all heard", || ears.on(ALERTS).len() >= 10).await;
    let expected = (0..10).map(|n| alert(Sequence(n + 1), &format!("i-{n}"), "open"));
    assert_same(&ears.on(ALERTS), &expected.collect::<Vec<_>>());
    daemon.stop().await;
}

#[test]
fn child_meets_a_full_disk() {
    let Some(store) = child_store() else { return };
    let outbox = Outbox::open(&store).unwrap();
    let mut added = 0;
    let mut full = 0;
    let mut wanted = u64::MAX;
    while added < wanted {
        let append = Append { subject: "a".into(), live: true, wall: Wall(1), snapshot: None };
        match outbox.append(append, |at| alert(at, "i-1", "open")) {
            Ok(at) => {
                added += 1;
                assert_eq!(at, Sequence(added));
            }
            Err(error) => {
                full += 1;
                assert!(matches!(error, keng::outbox::Error::Full { .. }), "{error:?}");
                if full == 3 {
                    println!("\nfull {added}");
                    wanted = added + 300;
                    // The other one makes room, and says so.
                    std::io::stdin().lines().next().unwrap().unwrap();
                }
            }
        }
    }
    println!("\ndone {full}");
}

#[test]
fn a_full_disk_that_is_cleared_costs_nothing() {
    let store = tempfile::tempdir().unwrap();
    let inner = child("child_meets_a_full_disk", store.path(), 0);
    // A limit on file size stands for the full disk: it needs no rights, and can be lifted.
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 1200; exec \"$0\" \"$@\""]);
    limited.arg(inner.get_program()).args(inner.get_args());
    limited.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = limited.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let full = lines.find_map(|line| line.strip_prefix("full ").map(str::to_owned));
    let full: u64 = full.expect("it met the limit").parse().unwrap();
    assert!(full > 100, "{full}");
    let lift = Command::new("prlimit")
        .args(["--pid", &child.id().to_string(), "--fsize=unlimited:unlimited"])
        .status();
    assert!(lift.expect("prlimit is part of util-linux").success());
    drop(child.stdin.take().map(|mut stdin| std::io::Write::write_all(&mut stdin, b"go\n")));
    assert!(lines.any(|line| line.starts_with("done ")), "it went on");
    assert!(child.wait().unwrap().success());
    let outbox = Outbox::open(store.path()).unwrap();
    let all = outbox.read_after(Sequence(0), usize::MAX).unwrap();
    assert_eq!(all.len() as u64, full + 300);
    assert!(
        all.iter().zip(1..).all(|(entry, at)| *entry.payload == alert(Sequence(at), "i-1", "open"))
    );
}
