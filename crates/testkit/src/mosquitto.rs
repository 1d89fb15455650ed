//! A real mosquitto on a free loopback port, a subscriber, and a gate between daemon and broker.

use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rumqttc::AsyncClient;
use rumqttc::Event;
use rumqttc::MqttOptions;
use rumqttc::Packet;
use rumqttc::Publish;
use rumqttc::QoS;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The time that a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `holds`, or fails saying what for.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "waited in vain: {what}");
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A broker with a folder and a port of its own.
pub struct Mosquitto {
    pub port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    /// Lets in everybody.
    pub async fn start() -> Self {
        Self::start_with(|_| "allow_anonymous true\n".to_owned()).await
    }

    /// With more lines of configuration, made from the broker's folder.
    pub async fn start_with(more: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().display();
        let config = format!(
            "listener {port} 127.0.0.1\nuser root\npersistence true\n\
             persistence_location {path}/\nautosave_interval 1\nautosave_on_changes true\n\
             log_dest file {path}/log\n{}",
            more(folder.path())
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        let mut broker = Self { port, folder, child: None };
        broker.restart().await;
        broker
    }

    /// Kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, and waits.
    pub fn stop(&mut self) {
        self.signal("TERM");
        self.child.take().expect("it runs").wait().unwrap();
    }

    /// Sends a signal: STOP makes it deaf and dumb until CONT.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Forgets all that it knew, where it had written anything.
    pub fn wipe(&self) {
        match std::fs::remove_file(self.folder.path().join("mosquitto.db")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }

    /// Starts it again on the same port.
    pub async fn restart(&mut self) {
        let config = self.folder.path().join("config");
        let child = Command::new("mosquitto")
            .arg("-c")
            .arg(config)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the tests need mosquitto (Debian package mosquitto)");
        self.child = Some(child);
        let listening = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, listening).await.is_err() {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            panic!("mosquitto does not listen on {}: {log:?}", self.port);
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// Collects what it hears; comes back by itself when the broker does.
pub struct Subscriber {
    heard: Arc<Mutex<Vec<Publish>>>,
    /// The number of times its subscription was confirmed.
    pub subscribed: watch::Receiver<u32>,
    client: AsyncClient,
    _task: AbortOnDropHandle<()>,
}

impl Subscriber {
    /// Hears `filter` on the broker at `port`, from when this returns.
    pub async fn new(port: u16, name: &str, filter: &str) -> Self {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_max_packet_size(16 << 20, 16 << 20);
        let (client, mut event_loop) = AsyncClient::new(options, 16);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (confirm, mut subscribed) = watch::channel(0);
        let (subscriber, again, filter) = (heard.clone(), client.clone(), filter.to_owned());
        let task = tokio::spawn(async move {
            loop {
                match event_loop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        again.try_subscribe(&filter, QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => confirm.send_modify(|n| *n += 1),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        subscriber.lock().unwrap().push(publish);
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        subscribed.wait_for(|n| *n > 0).await.unwrap();
        Self { heard, subscribed, client, _task: AbortOnDropHandle::new(task) }
    }

    /// All that was heard.
    pub fn heard(&self) -> Vec<Publish> {
        self.heard.lock().unwrap().clone()
    }

    /// The payloads heard on `topic`.
    pub fn on(&self, topic: &str) -> Vec<Vec<u8>> {
        let heard = self.heard.lock().unwrap();
        let on = heard.iter().filter(|publish| publish.topic == topic);
        on.map(|publish| publish.payload.to_vec()).collect()
    }

    /// Says something with QoS 1.
    pub async fn say(&self, topic: &str, payload: &[u8]) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    }
}

/// A port that leads to the broker while it is open; shutting it cuts what goes through.
pub struct Gate {
    pub port: u16,
    open: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Gate {
    pub async fn new(broker: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, is_open) = watch::channel(true);
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_open = is_open.clone();
                tokio::spawn(async move {
                    if !*is_open.borrow_and_update() {
                        return;
                    }
                    let through = async {
                        let mut far = tokio::net::TcpStream::connect(("127.0.0.1", broker)).await?;
                        tokio::io::copy_bidirectional(&mut near, &mut far).await
                    };
                    tokio::select! {
                        _ = through => {}
                        _ = is_open.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { port, open, _task: AbortOnDropHandle::new(task) }
    }

    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}
