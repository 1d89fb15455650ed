//! One retained word on the ward's status topic, from a daemon that has no session: it could not
//! start.

use std::time::Duration;

use rumqttc::AsyncClient;
use rumqttc::Event;
use rumqttc::Packet;
use rumqttc::QoS;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::Error;
use super::Topics;
use super::connect;
use crate::ward::Id;

/// From one attempt to the next.
const RETRY: Duration = Duration::from_secs(5);

/// Says `payload` on the ward's status topic, retained, and leaves; tries until that is done, or
/// until `stop`. What waits at the broker for the daemon goes on waiting: nothing is acknowledged.
pub async fn notify(config: Config, ward: Id, payload: Vec<u8>, stop: CancellationToken) {
    loop {
        let said = tokio::select! {
            () = stop.cancelled() => return,
            said = say(&config, &ward, &payload) => said,
        };
        match said {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "the broker could not be told"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

async fn say(config: &Config, ward: &Id, payload: &[u8]) -> Result<(), Error> {
    let broker = connect::broker_name(config);
    let topic = Topics::new(ward.clone()).status();
    let (wanted, id) = (config.clone(), ward.clone());
    let will = connect::will(topic.clone(), payload);
    // It reads files where there is TLS.
    let made = tokio::task::spawn_blocking(move || {
        connect::options(&wanted, &id, will, connect::INCOMING_BYTES)
    });
    let options = made.await.expect("it does not panic, and nobody cancels it")?;
    let (client, mut events) = AsyncClient::new(options, 4);
    let lost = |detail: String| Error::Lost { broker: broker.clone(), detail };
    let publish = client.try_publish(topic, QoS::AtLeastOnce, true, payload);
    publish.map_err(|error| lost(error.to_string()))?;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::PubAck(_))) => break,
            Ok(_) => {}
            Err(error) => return Err(connect::explain(broker, error)),
        }
    }
    client.try_disconnect().map_err(|error| lost(error.to_string()))?;
    // Until the broker has closed the connection.
    while events.poll().await.is_ok() {}
    Ok(())
}
