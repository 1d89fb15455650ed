//! `mosquitto_sub` as a team's phone: a persistent session, QoS 1, every byte kept.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;

use crate::mosquitto::until;

const READY: &str = "test/ready";

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub topic: String,
    pub payload: Vec<u8>,
    /// It was there before we listened.
    pub retained: bool,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// A running subscriber to everything.
pub struct AlertSubscriber {
    child: Child,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl AlertSubscriber {
    /// Hears everything on the broker at `port`, from when this returns, and goes on where it
    /// stopped when the broker comes back.
    pub async fn new(port: u16, name: &str) -> Self {
        say(port, READY, "now", &["-r"]);
        let mut child = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-V", "mqttv311"])
            .args(["-q", "1", "-c", "-i", name, "-t", "#", "-F", "%r %t %x"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the tests need mosquitto_sub (Debian package mosquitto-clients)");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (subscriber, stdout) = (heard.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                subscriber.lock().unwrap().extend(message(&line));
            }
        });
        let subscriber = Self { child, heard };
        until("mosquitto_sub has subscribed", || !subscriber.on(READY).is_empty()).await;
        subscriber
    }

    /// All that was heard from the daemon.
    pub fn heard(&self) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| heard.topic != READY).cloned().collect()
    }

    /// Returns what was heard on `topic`.
    pub fn on(&self, topic: &str) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| heard.topic == topic).cloned().collect()
    }

    /// The states that a status topic told, one after another.
    pub fn states(&self, topic: &str) -> Vec<String> {
        let state = |heard: &Heard| heard.json()["state"].as_str().map(str::to_owned);
        let mut states: Vec<String> = self.on(topic).iter().filter_map(state).collect();
        states.dedup();
        states
    }

    /// The newest status of a topic.
    pub fn newest(&self, topic: &str) -> Value {
        self.on(topic).last().map_or(Value::Null, Heard::json)
    }
}

impl Drop for AlertSubscriber {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Says something with `mosquitto_pub` and QoS 1; returns once the broker has it.
pub fn say(port: u16, topic: &str, payload: &str, more: &[&str]) {
    let said = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-V", "mqttv311"])
        .args(["-q", "1", "-t", topic, "-m", payload])
        .args(more)
        .status()
        .expect("the tests need mosquitto_pub (Debian package mosquitto-clients)");
    assert!(said.success(), "mosquitto_pub to {topic}");
}

fn message(line: &str) -> Option<Heard> {
    let mut words = line.splitn(3, ' ');
    let retained = words.next()? == "1";
    let topic = words.next()?.to_owned();
    let digits = words.next()?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let payload = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    Some(Heard { topic, payload, retained })
}
