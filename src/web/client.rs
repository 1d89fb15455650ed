//! The origin of a request: the connection, and what a trusted proxy says of it.

use std::net::IpAddr;
use std::net::SocketAddr;

use axum::http::HeaderMap;
use axum::http::header;

use super::config::Config;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_HOST: &str = "x-forwarded-host";
/// Any of these says that somebody else is behind the connection.
const FORWARDED: [&str; 5] =
    [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, "forwarded", "x-real-ip"];

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) tls: bool,
}

/// The client at the other end, as far as it can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// The connection can't be read along the way.
    pub(super) secure: bool,
    /// It is this very machine, with nobody behind it.
    pub(super) local: bool,
    /// The host in the browser's address bar.
    pub(super) host: Option<String>,
}

impl Client {
    pub(super) fn of(peer: Peer, headers: &HeaderMap, config: &Config) -> Self {
        let text = |name: &str| headers.get(name).and_then(|text| text.to_str().ok());
        let host = text(header::HOST.as_str());
        let direct = peer.address.to_canonical();
        let is_proxy = |address: IpAddr| config.is_proxy(address);
        let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        let alone = direct.is_loopback() && !forwarded;
        if !is_proxy(direct) {
            let host = host.map(str::to_owned);
            return Self { address: direct, secure: peer.tls, local: alone, host };
        }
        // Each proxy adds whom it heard from: the first from behind that is none of them. What
        // stands before it, whoever asks may have made up.
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut said =
            lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(parse);
        let address = said.find(|one| one.is_none_or(|one| !is_proxy(one))).flatten();
        let secure = peer.tls || text(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
        // A collector of this machine does not go round by the proxy.
        let local = alone && host.is_some_and(is_local);
        let host = text(FORWARDED_HOST).or(host).map(str::to_owned);
        Self { address: address.unwrap_or(direct), secure, local, host }
    }
}

/// `localhost` or a loopback address, with any port: a tunnel may have another one.
pub(super) fn is_local(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return address.is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost")
}

/// Some proxies add a port.
fn parse(item: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(item).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

impl Config {
    /// Tells whether what this address says of others is believed.
    fn is_proxy(&self, address: IpAddr) -> bool {
        let named = self.proxies.iter().any(|proxy| proxy.to_canonical() == address);
        self.behind_proxy && (address.is_loopback() || named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(from: &str, behind_proxy: bool, headers: &[(&'static str, &str)]) -> Client {
        let config = Config {
            behind_proxy,
            proxies: vec!["192.0.2.7".parse().unwrap()],
            ..Config::new(([127, 0, 0, 1], 0).into())
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Client::of(Peer { address: from.parse().unwrap(), tls: false }, &map, &config)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let said = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
        let address = |from, behind_proxy| client(from, behind_proxy, &said).address.to_string();
        assert_eq!(address("127.0.0.1", true), "203.0.113.9");
        assert_eq!(address("192.0.2.7", true), "203.0.113.9");
        assert_eq!(address("::ffff:192.0.2.7", true), "203.0.113.9");
        assert_eq!(address("198.51.100.1", true), "198.51.100.1");
        assert_eq!(address("127.0.0.1", false), "127.0.0.1");
        assert!(client("127.0.0.1", true, &said).secure);
        assert!(!client("127.0.0.1", false, &said).secure);
    }

    #[test]
    fn whoever_lies_to_the_proxy_gains_nothing() {
        let lie = [("x-forwarded-for", "10.0.0.1, 127.0.0.1, 203.0.113.9, 192.0.2.7")];
        assert_eq!(client("127.0.0.1", true, &lie).address.to_string(), "203.0.113.9");
        let lie = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.9:4711")];
        assert_eq!(client("127.0.0.1", true, &lie).address.to_string(), "203.0.113.9");
        for lie in ["198.51.100.7, x", "x", "", ",", "198.51.100.7, \u{e9}", "10.0.0.1,x,127.0.0.1"]
        {
            let real = format!("{lie}, 203.0.113.9, 192.0.2.7");
            let lines = [("x-forwarded-for", lie), ("x-forwarded-for", "203.0.113.9")];
            for said in [&[("x-forwarded-for", &*real)][..], &lines] {
                assert_eq!(client("127.0.0.1", true, said).address.to_string(), "203.0.113.9");
            }
        }
    }

    #[test]
    fn what_can_t_be_read_names_nobody() {
        for odd in ["198.51.100.7, x", "198.51.100.7, unknown, 192.0.2.7", "", "198.51.100.7,"] {
            let address = client("127.0.0.1", true, &[("x-forwarded-for", odd)]).address;
            assert_eq!(address.to_string(), "127.0.0.1", "{odd:?}");
        }
    }

    #[test]
    fn this_machine_is_told_from_what_is_forwarded_to_it() {
        assert!(client("127.0.0.1", false, &[]).local);
        assert!(client("::1", false, &[]).local);
        assert!(!client("127.0.0.1", false, &[("x-forwarded-for", "203.0.113.9")]).local);
        assert!(!client("127.0.0.1", false, &[("forwarded", "for=203.0.113.9")]).local);
        assert!(!client("127.0.0.1", true, &[]).local);
        assert!(!client("127.0.0.1", true, &[("host", "keng.example")]).local);
        let collector = [("host", "127.0.0.1:8080")];
        assert!(client("127.0.0.1", true, &collector).local, "a collector beside the proxy");
        assert!(!client("192.0.2.7", true, &collector).local);
        let passed_on = [collector[0], ("x-forwarded-for", "203.0.113.9")];
        assert!(!client("127.0.0.1", true, &passed_on).local);
        assert!(!client("192.0.2.1", false, &[]).local);
    }
}
