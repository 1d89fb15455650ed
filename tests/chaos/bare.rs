//! The ablation: a publisher without an outbox. It has the same session with the broker and hands
//! each report on from memory, once with QoS 0 and once with QoS 1; it dies when the daemon does.

use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rumqttc::AsyncClient;
use rumqttc::Event;
use rumqttc::MqttOptions;
use rumqttc::Packet;
use rumqttc::QoS;
use serde_json::Value;

const PORT: &str = "KENG_TEST_PORT";

/// Starts it as a process of its own.
pub(crate) fn spawn(port: u16) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "bare::child_without_outbox", "--nocapture"]);
    child.env(PORT, port.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    child.spawn().unwrap()
}

#[tokio::test]
async fn child_without_outbox() {
    // None: nobody has made this process for it.
    let Ok(port) = std::env::var(PORT) else { return };
    let mut options = MqttOptions::new("bare", "127.0.0.1", port.parse::<u16>().unwrap());
    options.set_clean_session(false).set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 4096);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                drop(client.try_subscribe("keng/p14/+/report", QoS::AtLeastOnce));
            }
            Ok(Event::Incoming(Packet::Publish(report))) => {
                let report: Value = serde_json::from_slice(&report.payload).unwrap();
                let note = report["note"].as_str().unwrap();
                for (topic, qos) in [("bare/0", QoS::AtMostOnce), ("bare/1", QoS::AtLeastOnce)] {
                    drop(client.try_publish(topic, qos, false, note));
                }
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}
