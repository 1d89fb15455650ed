//! Outbox in, broker out: QoS 1, the cursor moved on PUBACK only.
//!
//! Belongs here: topics, what is in flight (pure), the publisher, the embedded broker, commands
//! that come in. Does not belong here: what an alert says.

use crate::ward::Secret;

/// `[mqtt]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `mqtt://host:port` or `mqtts://host:port`; none: the embedded broker.
    pub url: Option<url::Url>,
    /// The embedded broker's address where there is no url.
    pub listen: std::net::SocketAddr,
    /// Asked for by the broker.
    pub username: Option<String>,
    /// Asked for by the broker.
    pub password: Option<Secret>,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<std::path::PathBuf>,
}
