//! Outbox in, browser out: the feed, health and metrics.

/// `[web]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the page is served.
    pub listen: std::net::SocketAddr,
}
