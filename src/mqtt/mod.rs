//! Outbox in, broker out: QoS 1, the cursor moved on PUBACK only.
//!
//! Belongs here: topics, what is in flight (pure), the publisher, the embedded broker, commands
//! that come in. Does not belong here: what an alert says.
//!
//! | link | bound | when full |
//! | --- | --- | --- |
//! | outbox → broker | 20 entries under way | the log keeps the rest |
//! | board → broker | newest value a topic | older values are overwritten |
//! | broker → inbound channel | 1024 messages | the session ends; the broker delivers again |

mod retained;
mod broker;
mod connect;
mod in_flight;
mod outgoing;
mod message;
mod notice;
mod publisher;
mod reconnect;
mod seal;
mod session;
mod siren;
mod suspect;
mod topic;

use tokio::sync::oneshot;

pub use self::broker::Broker;
pub use self::broker::BrokerError;
pub use self::connect::Error;
pub use self::notice::notify;
pub use self::outgoing::SNAPSHOT_BYTES_MAX;
pub use self::publisher::BrokerState;
pub use self::publisher::CURSOR;
pub use self::publisher::Links;
pub use self::reconnect::publish;
pub use self::retained::BirthListener;
pub use self::retained::RetainedTopics;
pub use self::seal::Key;
pub use self::seal::Seal;
pub use self::seal::SealError;
pub use self::seal::Seals;
pub use self::seal::signed_text;
pub use self::topic::Incoming;
pub use self::topic::Topics;

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
    /// PEM file of our own certificate, and of those that lead from it to the broker's authority.
    pub client_cert: Option<std::path::PathBuf>,
    /// PEM file of that certificate's key.
    pub client_key: Option<std::path::PathBuf>,
    /// Silence of the broker for twice as long ends the session; at least 1 s.
    pub keep_alive: std::time::Duration,
    /// A signed message that was sent longer ago is refused.
    pub signed_age_max: std::time::Duration,
    /// Reports and patrols of one khu phố; more are refused. At least 1.
    pub reports_per_minute: u32,
}

/// Something came in. It is at least once: the same one may come again after a reconnect.
#[derive(Debug)]
pub struct Inbound {
    /// The topic, parsed.
    pub topic: Incoming,
    /// As sent; at most [`INBOUND_BYTES_MAX`] bytes, unchecked.
    pub payload: Vec<u8>,
    /// Signalled once it is durable here (or known to be worthless): only then is it
    /// acknowledged to the broker. Dropped instead: the session starts anew and it comes again.
    pub done: oneshot::Sender<()>,
}

/// Larger ones are refused.
pub const INBOUND_BYTES_MAX: usize = 16 * 1024;
