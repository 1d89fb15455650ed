//! The configuration of the page.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::Error;
use super::tiles::Tiles;
use super::tls;

/// `[web]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The place where the page is served.
    pub listen: SocketAddr,
    /// PEM file of a certificate and those that vouch for it, and PEM file of its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A reverse proxy stands before the page, and TLS is its work.
    pub behind_proxy: bool,
    /// The addresses of proxies beside this machine; what they say of others is believed.
    pub proxies: Vec<IpAddr>,
    /// The configuration of Web Push; none: browsers whose page is closed are not notified.
    pub push: Option<crate::push::Config>,
    /// The server of the map beneath the plan of the cameras; none: there is no map.
    pub tiles: Option<Tiles>,
}

impl Config {
    /// Without TLS and without a proxy.
    pub fn new(listen: SocketAddr) -> Self {
        let proxies = Vec::new();
        Self { listen, tls: None, behind_proxy: false, proxies, push: None, tiles: None }
    }

    /// Tells whether this machine alone can reach the page.
    pub fn is_for_this_machine(&self) -> bool {
        self.listen.ip().is_loopback() && !self.behind_proxy
    }

    /// Tells whether the connection can't be read along the way, as far as this can be seen from
    /// here.
    pub fn is_sealed(&self) -> bool {
        self.listen.ip().is_loopback() || self.behind_proxy || self.tls.is_some()
    }

    /// Reads the certificate and its key, where there are some.
    ///
    /// # Errors
    /// [`Error::Tls`] says which file, and what is wrong with it.
    pub fn check_files(&self) -> Result<(), Error> {
        let Some((certificate, key)) = &self.tls else { return Ok(()) };
        tls::read(certificate, key).map(drop)
    }

    /// Returns where people open it.
    pub fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }
}
