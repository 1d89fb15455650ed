//! The addresses that the daemon talks to where somebody else has named the host.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// The addresses that a name may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any: the admin has named it.
    Anywhere,
    /// Those of the Internet alone: a name that leads to this machine, or to its neighbours behind
    /// the same router, is none (server-side request forgery).
    Public,
}

impl Reach {
    /// Tells whether it may be connected to.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (Self::Anywhere, _) => true,
            (Self::Public, IpAddr::V4(address)) => is_public_v4(address),
            (Self::Public, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

/// Tells whether IANA's registry of special-purpose addresses calls it globally reachable
/// (RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Of 2000::/3, but for what carries an IPv4 address of anybody's choice, and documentation. NAT64
/// is how some networks reach the rest of the world, and is as public as what it leads to.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let groups = address.segments();
    if groups[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let global = groups[0] & 0xe000 == 0x2000;
    let (teredo, sixto4) = (groups[0] == 0x2001 && groups[1] < 0x200, groups[0] == 0x2002);
    let documentation = groups[0] == 0x2001 && groups[1] == 0xdb8;
    global && !teredo && !sixto4 && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_this_machine_are_nobody_on_the_internet() {
        for public in ["8.8.8.8", "142.250.1.1", "2a00:1450::1", "64:ff9b::8.8.8.8"] {
            assert!(Reach::Public.allows(public.parse().unwrap()), "{public}");
        }
        for special in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
            "64:ff9b::192.168.1.1",
            "64:ff9b:1::1",
        ] {
            let address = special.parse().unwrap();
            assert!(!Reach::Public.allows(address), "{special}");
            assert!(Reach::Anywhere.allows(address));
        }
    }
}
