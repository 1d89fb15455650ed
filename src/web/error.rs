//! The reasons why the page can't be served.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The reason why the page can't be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is in use.
    #[error("port {} is in use: stop the other program, or give [web] another listen", .0.port())]
    InUse(SocketAddr),
    /// The address is not this machine's, or not allowed.
    #[error("can't listen on {listen}: give [web] listen an address of this machine")]
    Bind {
        /// The place of it.
        listen: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// Others could read along.
    #[error(
        "refused to listen on {0} without TLS: give [web] certificate and key, set behind_proxy = \
         true where a proxy sees to it, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// Others could do everything.
    #[error(
        "refused to serve others than this machine ([web] listen = {0}, or behind_proxy) without \
         users: make one first by keng user add --config FILE --role admin NAME"
    )]
    NoUsers(SocketAddr),
    /// The certificate, or its key.
    #[error("can't use {path} for TLS: {why}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// The fault in it.
        why: String,
    },
}
