//! The hosts that messages may go to. An endpoint comes from a browser, that is from anybody who
//! may sign in: only hosts that the admin allows are ever spoken to, over TLS alone, and a name of
//! the Internet that stands for an address of this network is refused when it is looked up.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::Host;
use url::Url;

use crate::outlet::reach::Reach;

/// The services of the usual browsers: Chrome, Firefox, Safari, Edge.
pub const USUAL: [&str; 4] = [
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
];
/// Longer ones no service gives.
const ENDPOINT_BYTES_MAX: usize = 1_024;
const TLS_PORT: u16 = 443;

/// An entry of `push_services`: `host`, `*.domain` or `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    text: String,
    /// A host as URLs write it, or what a host ends with.
    host: String,
    port: u16,
    any_below: bool,
}

/// A text that names no push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither a host, nor *.domain, nor host:port")]
pub struct NotAService;

impl FromStr for Service {
    type Err = NotAService;

    fn from_str(text: &str) -> Result<Self, NotAService> {
        let bare = text.strip_prefix("*.");
        let url = Url::parse(&format!("https://{}/", bare.unwrap_or(text)));
        let url = url.map_err(|_| NotAService)?;
        let host = url.host_str().ok_or(NotAService)?.to_owned();
        let port = url.port().unwrap_or(TLS_PORT);
        let rest =
            format!("https://{host}{}/", url.port().map_or_else(String::new, |p| format!(":{p}")));
        let named = matches!(url.host(), Some(Host::Domain(name)) if !name.ends_with('.'));
        let plain = text.is_ascii()
            && url.as_str() == rest
            && !bare.unwrap_or(text).contains(['/', '@', '?', '#', '*']);
        // A whole top-level domain is nobody's service.
        let narrow = bare.is_none_or(|domain| named && domain.contains('.'));
        let known = named || matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
        if !(plain && narrow && known) || port == 0 {
            return Err(NotAService);
        }
        let any_below = bare.is_some();
        let host = if any_below { format!(".{host}") } else { host };
        Ok(Self { text: text.to_owned(), host, port, any_below })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Service {
    fn serves(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let named = match self.any_below {
            true => host.len() > self.host.len() && host.ends_with(&self.host),
            false => host == self.host,
        };
        named && url.port_or_known_default() == Some(self.port)
    }

    /// An address, or this machine's own name, can only be meant as it stands there.
    pub(super) fn reach(&self) -> Reach {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        match bare == "localhost" || bare.parse::<IpAddr>().is_ok() {
            true => Reach::Anywhere,
            false => Reach::Public,
        }
    }
}

/// The address of one browser's messages. Whoever knows it can annoy: it is never printed whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint(Url);

impl Endpoint {
    /// An endpoint of one of `services`.
    pub(super) fn parse(text: &str, services: &[Service]) -> Option<Self> {
        if text.len() > ENDPOINT_BYTES_MAX {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let bare = url.username().is_empty() && url.password().is_none();
        let sealed = url.scheme() == "https" && url.fragment().is_none();
        let known = services.iter().any(|service| service.serves(&url));
        (bare && sealed && known).then_some(Self(url))
    }

    pub(super) fn is_of(&self, service: &Service) -> bool {
        service.serves(&self.0)
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}/***)", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(names: &[&str]) -> Vec<Service> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn only_what_is_allowed_is_an_endpoint() {
        let allowed = services(&USUAL);
        for good in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://FCM.googleapis.com:443/wp/x",
            "https://web.push.apple.com/Q",
            "https://wns2-par02p.notify.windows.com/w/?token=x%2f",
            "https://updates.push.services.mozilla.com/wpush/v2/g",
        ] {
            assert!(Endpoint::parse(good, &allowed).is_some(), "{good}");
        }
        for bad in [
            "",
            "fcm.googleapis.com/x",
            "http://fcm.googleapis.com/x",
            "ftp://fcm.googleapis.com/x",
            "https://fcm.googleapis.com:8443/x",
            "https://fcm.googleapis.com./x",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evilfcm.googleapis.com/x",
            "https://x@fcm.googleapis.com/x",
            "https://fcm.googleapis.com@evil.example/x",
            "https://evil.example\\@fcm.googleapis.com/x",
            "https://evil.example/fcm.googleapis.com",
            "https://evil.example#@fcm.googleapis.com/",
            "https://fcm.googleapis.com/x#y",
            "https://push.apple.com/x",
            "https://.push.apple.com/x",
            "https://evilpush.apple.com/x",
            "https://127.0.0.1/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://[::1]/x",
            "https://localhost/x",
            "https://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "https://fcm.googleapis.com\r\nHost: x/",
        ] {
            assert!(Endpoint::parse(bad, &allowed).is_none(), "{bad}");
        }
        let long = format!("https://fcm.googleapis.com/{}", "x".repeat(1_100));
        assert!(Endpoint::parse(&long, &allowed).is_none());
        let endpoint =
            Endpoint::parse("https://fcm.googleapis.com/fcm/send/abc", &allowed).unwrap();
        assert_eq!(format!("{endpoint:?}"), "Endpoint(https://fcm.googleapis.com/***)");
    }

    #[test]
    fn a_service_is_a_host_and_nothing_wider() {
        for good in ["a.example", "*.a.example", "a.example:8443", "localhost:1", "127.0.0.1:9"] {
            assert_eq!(good.parse::<Service>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "*",
            "*.",
            "*.com",
            "*.127.0.0.1",
            "a/b",
            "https://a.example",
            "a@b",
            "a.example.",
            "a.example:0",
            "a b",
            "a.example?x",
            "a.example:port",
            "*.*.example",
            "ê.example",
        ] {
            assert_eq!(bad.parse::<Service>(), Err(NotAService), "{bad}");
        }
        let reach = |text: &str| text.parse::<Service>().unwrap().reach();
        assert_eq!(reach("a.example"), Reach::Public);
        for own in ["localhost:9", "192.168.1.9", "[::1]:9"] {
            assert_eq!(reach(own), Reach::Anywhere, "{own}");
        }
    }
}
