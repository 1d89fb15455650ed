//! Sessions with a real broker: TLS, logins, and whatever becomes of a connection.

use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use keng::mqtt;
use keng::mqtt::BrokerState;
use keng::ward::Secret;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::mosquitto::Gate;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::PATIENCE;
use crate::mosquitto::Subscriber;
use crate::mosquitto::free_port;
use crate::mosquitto::until;
use crate::publisher::Daemon;
use crate::publisher::add;
use crate::publisher::config;

const ALERTS: &str = "keng/p14/kp3/alert";
const STATUS: &str = "keng/p14/status";

/// An authority, and a folder for what it signs.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "Authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        Self { folder, issuer: Issuer::new(parameters, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `{file}.pem` and `{file}.key` for a machine called `name`.
    fn sign(&self, file: &str, name: &str, last_year: i32) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, file);
        parameters.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{file}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    /// A listener of mosquitto's on `port`, with the certificate of `file`.
    fn listener(&self, port: u16, file: &str, more: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "listener {port} 127.0.0.1\ncertfile {folder}/{file}.pem\n\
             keyfile {folder}/{file}.key\n{more}\n"
        )
    }

    fn trusted_at(&self, port: u16) -> mqtt::Config {
        mqtt::Config {
            url: Some(format!("mqtts://localhost:{port}").parse().unwrap()),
            ca_file: Some(self.path("ca.pem")),
            ..config(0)
        }
    }
}

/// An alert goes through.
async fn delivers(config: mqtt::Config, ears: &Subscriber) {
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), config);
    let before = ears.on(ALERTS).len();
    add(&daemon.outbox, "i-1", "open");
    until("it arrives", || ears.on(ALERTS).len() > before).await;
    daemon.stop().await;
}

#[tokio::test]
async fn tls_is_spoken_and_what_is_wrong_with_it_is_told() {
    let ours = Authority::new();
    let theirs = Authority::new();
    ours.sign("good", "localhost", 2050);
    ours.sign("old", "localhost", 2020);
    ours.sign("other", "elsewhere.example", 2050);
    ours.sign("keng", "keng", 2050);
    theirs.sign("keng", "keng", 2050);
    let [good, old, other, strict] = [(); 4].map(|()| free_port());
    let asks = format!("cafile {}\nrequire_certificate true", ours.path("ca.pem").display());
    let listeners = [
        ours.listener(good, "good", ""),
        ours.listener(old, "old", ""),
        ours.listener(other, "other", ""),
        ours.listener(strict, "good", &asks),
    ];
    let listeners = format!("allow_anonymous true\n{}", listeners.concat());
    let broker = Mosquitto::start_with(|_| listeners).await;
    let ears = Subscriber::new(broker.port, "ears", ALERTS).await;
    delivers(ours.trusted_at(good), &ears).await;
    let with = |authority: &Authority, cert: &str, key: &str| mqtt::Config {
        client_cert: Some(authority.path(cert)),
        client_key: Some(authority.path(key)),
        ..ours.trusted_at(strict)
    };
    delivers(with(&ours, "keng.pem", "keng.key"), &ears).await;

    // The system's authorities don't know ours, nor does another one.
    let unknown = mqtt::Config { ca_file: None, ..ours.trusted_at(good) };
    assert_says(unknown, "ca_file").await;
    let stranger = mqtt::Config { ca_file: Some(theirs.path("ca.pem")), ..ours.trusted_at(good) };
    assert_says(stranger, "set [mqtt] ca_file").await;
    assert_says(ours.trusted_at(old), "renew the certificate").await;
    assert_says(ours.trusted_at(other), "use the name in [mqtt] url").await;
    assert_says(ours.trusted_at(strict), "client_cert").await;
    assert_says(with(&theirs, "keng.pem", "keng.key"), "client_cert").await;
    assert_says(with(&ours, "keng.pem", "good.key"), "belong together").await;
    assert_says(with(&ours, "none.pem", "keng.key"), "none.pem").await;
    let no_authority =
        mqtt::Config { ca_file: Some(ours.path("keng.key")), ..ours.trusted_at(good) };
    assert_says(no_authority, "holds no certificate").await;
    // Plain where TLS is spoken, and the other way round.
    assert_says(config(good), "mqtts://").await;
    assert_says(ours.trusted_at(broker.port), "TLS").await;
}

/// The daemon can't connect, and says something with `words`.
async fn assert_says(config: mqtt::Config, words: &str) {
    let store = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(store.path(), config);
    let failing = daemon.state.wait_for(|state| matches!(state, BrokerState::Failing(_)));
    let failing = tokio::time::timeout(PATIENCE, failing).await.unwrap().unwrap().clone();
    assert!(format!("{failing:?}").contains(words), "{failing:?}");
    assert!(!format!("{failing:?}").contains("hunter2"), "{failing:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn what_keeps_it_from_connecting_is_told() {
    let broker = Mosquitto::start_with(|path| {
        let file = path.join("passwords");
        let mut made = Command::new("mosquitto_passwd");
        let made = made.args(["-b", "-c"]).arg(&file).args(["keng", "right"]).status();
        assert!(made.expect("mosquitto_passwd is installed").success());
        format!("allow_anonymous false\npassword_file {}\n", file.display())
    });
    let broker = broker.await;
    let login = |password: &str| mqtt::Config {
        username: Some("keng".to_owned()),
        password: Some(Secret::new(password.to_owned())),
        ..config(broker.port)
    };
    assert_says(login("hunter2"), "username and password").await;
    assert_says(config(crate::mosquitto::free_port()), "does it run").await;

    let store = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(store.path(), login("right"));
    drop(daemon.state.wait_for(|state| *state == BrokerState::Online).await.unwrap());
    daemon.stop().await;

    // Something that answers, and speaks HTTP.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let web = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(answer).await);
        }
    });
    assert_says(config(port), "MQTT 3.1.1").await;
    web.abort();
}

/// Connections that can be frozen: nothing comes through any more, and nobody is told.
struct Line {
    port: u16,
    frozen: watch::Sender<usize>,
    _task: AbortOnDropHandle<()>,
}

impl Line {
    async fn new(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (frozen, is_frozen) = watch::channel(0);
        let task = tokio::spawn(async move {
            for number in 1.. {
                let Ok((mut near, _)) = listener.accept().await else { return };
                let mut is_frozen = is_frozen.clone();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
                    let freezes = async { drop(is_frozen.wait_for(|upto| number <= *upto).await) };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        () = freezes => {}
                    }
                    // Both ends stay open for as long as the test lasts.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self { port, frozen, _task: AbortOnDropHandle::new(task) }
    }

    /// Freezes the connections up to this one, from 1.
    fn freeze(&self, upto: usize) {
        self.frozen.send_replace(upto);
    }
}

/// Returns what a new subscriber is told of the daemon.
async fn retained_state(port: u16, name: &str) -> String {
    let late = Subscriber::new(port, name, STATUS).await;
    until("a retained status", || !late.on(STATUS).is_empty()).await;
    state(&late.on(STATUS)[0])
}

fn state(payload: &[u8]) -> String {
    let status: serde_json::Value = serde_json::from_slice(payload).unwrap();
    status["state"].as_str().unwrap().to_owned()
}

async fn online(daemon: &mut Daemon) {
    let online = daemon.state.wait_for(|state| *state == BrokerState::Online);
    drop(tokio::time::timeout(PATIENCE, online).await.unwrap().unwrap());
}

async fn failing(daemon: &mut Daemon) {
    let failing = daemon.state.wait_for(|state| matches!(state, BrokerState::Failing(_)));
    drop(tokio::time::timeout(PATIENCE, failing).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_and_the_status_is_right_after_it() {
    let broker = Mosquitto::start().await;
    let ears = Subscriber::new(broker.port, "ears", "keng/#").await;
    let line = Line::new(broker.port).await;
    let store = tempfile::tempdir().unwrap();
    let keep_alive = Duration::from_secs(1);
    let mut daemon = Daemon::start(store.path(), mqtt::Config { keep_alive, ..config(line.port) });
    online(&mut daemon).await;
    add(&daemon.outbox, "i-1", "open");
    daemon.all_acknowledged().await;
    line.freeze(1);
    let sent = add(&daemon.outbox, "i-2", "open");
    failing(&mut daemon).await;
    daemon.all_acknowledged().await;
    until("what waited", || ears.on(ALERTS).contains(&sent)).await;
    until("online at last", || ears.on(STATUS).last().is_some_and(|p| state(p) == "online")).await;
    assert_eq!(retained_state(broker.port, "late").await, "online");
    daemon.stop().await;
}

#[tokio::test]
async fn somebody_with_our_id_does_not_leave_us_offline() {
    let broker = Mosquitto::start().await;
    let ears = Subscriber::new(broker.port, "ears", "keng/#").await;
    let store = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(store.path(), config(broker.port));
    online(&mut daemon).await;
    let mut other = TcpStream::connect(("127.0.0.1", broker.port)).await.unwrap();
    let connect = b"\x10\x14\x00\x04MQTT\x04\x02\x00\x3c\x00\x08keng-p14";
    other.write_all(connect).await.unwrap();
    failing(&mut daemon).await;
    online(&mut daemon).await;
    // It has come back, which ends the other's session, not with a will of ours.
    let mut answer = Vec::new();
    drop(tokio::time::timeout(PATIENCE, other.read_to_end(&mut answer)).await.unwrap());
    assert_eq!(answer[..2], [0x20, 2]);
    let sent = add(&daemon.outbox, "i-1", "open");
    until("it goes on", || ears.on(ALERTS) == [sent.clone()]).await;
    until("online", || state(ears.on(STATUS).last().unwrap()) == "online").await;
    assert_eq!(retained_state(broker.port, "late").await, "online");
    daemon.stop().await;
}

#[tokio::test]
async fn an_old_will_that_comes_late_is_answered() {
    let broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(store.path(), config(broker.port));
    online(&mut daemon).await;
    daemon.retained.set(STATUS, b"{\"state\":\"online\",\"cameras\":7}");
    let ears = Subscriber::new(broker.port, "ears", STATUS).await;
    let newest = || ears.on(STATUS).last().map(|payload| String::from_utf8_lossy(payload).into());
    let whole = |text: Option<String>| text.is_some_and(|text| text.contains("\"cameras\":7"));
    until("its status", || whole(newest())).await;
    // As a broker does that notices only now that the session before is dead.
    let port = broker.port.to_string();
    let said = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-r", "-t", STATUS])
        .args(["-m", "{\"state\":\"offline\"}"])
        .status();
    assert!(said.expect("the tests need mosquitto_pub").success());
    until("both", || ears.on(STATUS).len() >= 3 && whole(newest())).await;
    assert_eq!(retained_state(broker.port, "late").await, "online");
    // What it says itself at its end stays.
    daemon.stop().await;
    assert_eq!(retained_state(broker.port, "last").await, "offline");
}

#[tokio::test]
async fn daemons_that_die_one_after_another_leave_the_status_right() {
    let broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let mut daemon = Daemon::start(store.path(), config(broker.port));
        online(&mut daemon).await;
        add(&daemon.outbox, "i-1", "open");
        daemon.all_acknowledged().await;
        assert_eq!(retained_state(broker.port, &format!("late-{round}")).await, "online");
        daemon.die().await;
    }
    let ears = Subscriber::new(broker.port, "ears", STATUS).await;
    until("the last will", || ears.on(STATUS).last().is_some_and(|p| state(p) == "offline")).await;
}

#[tokio::test]
async fn an_incident_closed_while_nobody_listens_is_cleared_afterwards() {
    let mut broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    let incident = "keng/p14/kp3/incident/i-1";
    for restarted in [false, true] {
        let gate = Gate::new(broker.port).await;
        let mut daemon = Daemon::start(store.path(), config(gate.port));
        add(&daemon.outbox, "i-1", "open");
        daemon.all_acknowledged().await;
        let late = Subscriber::new(broker.port, &format!("late-{restarted}"), "keng/#").await;
        until("it is retained", || !late.on(incident).is_empty()).await;
        gate.set_open(false);
        failing(&mut daemon).await;
        add(&daemon.outbox, "i-1", "resolved");
        if restarted {
            daemon.die().await;
            broker.stop();
            broker.restart().await;
            gate.set_open(true);
            daemon = Daemon::start(store.path(), config(gate.port));
        } else {
            gate.set_open(true);
        }
        daemon.all_acknowledged().await;
        let last = Subscriber::new(broker.port, &format!("last-{restarted}"), "keng/#").await;
        until("a status", || !last.on(STATUS).is_empty()).await;
        assert_eq!(last.on(incident), Vec::<Vec<u8>>::new(), "restarted: {restarted}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn subscribers_of_mqtt_5_hear_the_same() {
    let broker = Mosquitto::start().await;
    let store = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(store.path(), config(broker.port));
    let sent = add(&daemon.outbox, "i-1", "open");
    daemon.all_acknowledged().await;
    let port = broker.port.to_string();
    let mut phone = tokio::process::Command::new("mosquitto_sub");
    phone.args(["-h", "127.0.0.1", "-p", &port, "-V", "mqttv5", "-q", "1", "-C", "1"]);
    phone.args(["-t", "keng/p14/kp3/incident/+", "-N"]).stdout(Stdio::piped()).kill_on_drop(true);
    let heard = tokio::time::timeout(PATIENCE, phone.output()).await.unwrap().unwrap();
    assert_eq!(heard.stdout, sent);
    daemon.stop().await;
}
