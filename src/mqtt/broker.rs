//! The embedded broker, for a ward that has none: rumqttd on a loopback address.
//!
//! All it knows is in memory: retained incidents and statuses are set again by the publisher, but
//! a phone that was away while the daemon restarted misses alerts. It can't be stopped: rumqttd
//! offers no way, so it lives until the process ends. Not for the open network: there is no TLS.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::time::Duration;

use super::Config;
use super::outgoing::SNAPSHOT_BYTES_MAX;

/// The time within which the broker must listen.
const START_MAX: Duration = Duration::from_secs(5);
const START_POLL: Duration = Duration::from_millis(10);

/// The reason why there is no embedded broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another program listens there.
    #[error(
        "the embedded MQTT broker can't have {listen}, since something listens there already; \
         set [mqtt] listen to a free port, or [mqtt] url to the broker that runs there"
    )]
    InUse {
        /// The address.
        listen: SocketAddr,
    },
    /// The address can't be had.
    #[error("the embedded MQTT broker can't listen on {listen}")]
    Address {
        /// The address.
        listen: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// It does not answer.
    #[error("the embedded MQTT broker on {listen} did not start")]
    Silent {
        /// The address.
        listen: SocketAddr,
    },
}

/// The embedded broker, once it listens.
#[derive(Clone, Copy, Debug)]
pub struct Broker {
    address: SocketAddr,
}

impl Broker {
    /// Starts it on `config.listen` (port 0: any free one) with threads of its own, and waits
    /// until it listens. With a user name and password in `config` it lets in nobody else.
    ///
    /// # Errors
    /// [`BrokerError`] where the address can't be had.
    pub async fn start(config: &Config) -> Result<Self, BrokerError> {
        let address = free_address(config.listen)?;
        let settings = settings(config, address);
        let spawned = std::thread::Builder::new().name("mqtt-broker".to_owned()).spawn(move || {
            if let Err(error) = rumqttd::Broker::new(settings).start() {
                tracing::error!(%error, "the embedded MQTT broker has ended");
            }
        });
        spawned.map_err(|source| BrokerError::Address { listen: address, source })?;
        let listening = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(START_POLL).await;
            }
        };
        match tokio::time::timeout(START_MAX, listening).await {
            Ok(()) => Ok(Self { address }),
            Err(_) => Err(BrokerError::Silent { listen: address }),
        }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// rumqttd only logs that an address is taken, so it is tried beforehand.
fn free_address(listen: SocketAddr) -> Result<SocketAddr, BrokerError> {
    match TcpListener::bind(listen).and_then(|listener| listener.local_addr()) {
        Ok(address) => Ok(address),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(BrokerError::InUse { listen })
        }
        Err(source) => Err(BrokerError::Address { listen, source }),
    }
}

fn settings(config: &Config, listen: SocketAddr) -> rumqttd::Config {
    let login = config.username.clone().zip(config.password.as_ref());
    let auth = login.map(|(user, password)| [(user, password.reveal().to_owned())].into());
    let server = rumqttd::ServerSettings {
        name: "mqtt".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: rumqttd::ConnectionSettings {
            connection_timeout_ms: 10_000,
            max_payload_size: SNAPSHOT_BYTES_MAX + 64 * 1024,
            max_inflight_count: 100,
            auth,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    rumqttd::Config {
        router: rumqttd::RouterConfig {
            max_connections: 1024,
            max_outgoing_packet_count: 200,
            // Bounds the memory: so many bytes a topic filter, the oldest are dropped.
            max_segment_size: 1024 * 1024,
            max_segment_count: 10,
            ..Default::default()
        },
        v4: Some([("mqtt".to_owned(), server)].into()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_told_with_a_remedy() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap();
        let error = free_address(listen).unwrap_err().to_string();
        assert!(error.contains("[mqtt] listen"), "{error}");
    }
}
