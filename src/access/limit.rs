//! The rate at which something may be tried: signing in by user and by address, reports by whoever
//! sends them.
//!
//! | | |
//! | --- | --- |
//! | bound | `KEPT_MAX` users, as many addresses, as many senders |
//! | overflow | who was heard of longest ago is forgotten |

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::rate_limit::Limit;
use crate::rate_limit::Usage;
use crate::time::Mono;

/// Users, and addresses, that are remembered.
const KEPT_MAX: usize = 2_048;
/// So many failures of one user at once, then one in each [`USER_EVERY`].
const USER_BURST: u32 = 10;
const USER_EVERY: Duration = Duration::from_secs(30);
/// The same of one address: more than one person may sit behind it.
const ADDRESS_BURST: u32 = 30;
const ADDRESS_EVERY: Duration = Duration::from_secs(10);

const MINUTE: Duration = Duration::from_secs(60);

/// The usage of each of many.
#[derive(Debug)]
struct Table<K>(BTreeMap<K, Attempts>);

#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    usage: Usage,
    /// The time at which the last event was counted.
    heard: Mono,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Table<K> {
    fn wait(&self, who: &K, limit: Limit, now: Mono) -> Duration {
        self.0.get(who).map_or(Duration::ZERO, |entry| entry.usage.wait(limit, now))
    }

    /// Counts an event of `who`; who was heard of longest ago makes room where there is none.
    fn count(&mut self, who: K, limit: Limit, now: Mono) {
        if self.0.len() >= KEPT_MAX && !self.0.contains_key(&who) {
            let oldest = self.0.iter().min_by_key(|(_, entry)| entry.heard);
            if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
                self.0.remove(&oldest);
            }
        }
        let entry = self.0.entry(who).or_default();
        entry.usage.count(limit, now);
        entry.heard = now;
    }
}

/// The rate at which each of many does something: so many at once, and as many again in each
/// minute.
#[derive(Debug)]
pub struct Pace<K>(Table<K>);

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self(Table::default())
    }
}

impl<K: Ord + Clone> Pace<K> {
    /// Counts one of `who`, who may have `a_minute`, at least 1.
    ///
    /// # Errors
    /// How long to wait before the next; this one does not count.
    pub fn take(&mut self, who: &K, a_minute: u32, now: Mono) -> Result<(), Duration> {
        let limit = Limit::new(a_minute, MINUTE / a_minute.max(1));
        match self.0.wait(who, limit, now) {
            Duration::ZERO => {
                self.0.count(who.clone(), limit, now);
                Ok(())
            }
            wait => Err(wait),
        }
    }
}

/// All limits of signing in.
#[derive(Debug, Default)]
pub(super) struct Limits {
    users: Table<String>,
    addresses: Table<IpAddr>,
    /// The users who have signed in, with their addresses: strangers can't lock them out there.
    known: BTreeSet<(String, IpAddr)>,
}

impl Limits {
    /// Counts an attempt, before it is looked at, so that many at once don't slip through; an
    /// error: how long to wait before the next.
    pub(super) fn attempt(
        &mut self,
        user: &str,
        address: IpAddr,
        now: Mono,
    ) -> Result<(), Duration> {
        let (address, user) = (whole(address), user.to_owned());
        let known = (user.clone(), address);
        let by_user = if self.known.contains(&known) {
            Duration::ZERO
        } else {
            self.users.wait(&user, user_limit(), now)
        };
        let longest = by_user.max(self.addresses.wait(&address, address_limit(), now));
        if longest > Duration::ZERO {
            return Err(longest);
        }
        self.users.count(user, user_limit(), now);
        self.addresses.count(address, address_limit(), now);
        Ok(())
    }

    /// It was the right password: the attempt does not count.
    pub(super) fn succeed(&mut self, user: &str, address: IpAddr) {
        let address = whole(address);
        self.users.0.remove(user);
        if let Some(entry) = self.addresses.0.get_mut(&address) {
            entry.usage.give_back(address_limit());
        }
        if self.known.len() >= KEPT_MAX {
            self.known.pop_first();
        }
        self.known.insert((user.to_owned(), address));
    }
}

fn user_limit() -> Limit {
    Limit::new(USER_BURST, USER_EVERY)
}

fn address_limit() -> Limit {
    Limit::new(ADDRESS_BURST, ADDRESS_EVERY)
}

/// Returns the network of an IPv6 address as one address: who has one of it has all.
fn whole(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn fill(limits: &mut Limits, user: &str, from: IpAddr, now: Mono) -> u32 {
        (0..1_000).find(|_| limits.attempt(user, from, now).is_err()).unwrap()
    }

    #[test]
    fn a_user_is_tried_so_often_and_then_slowly() {
        let mut limits = Limits::default();
        let mut now = Mono(0);
        assert_eq!(fill(&mut limits, "ba", HERE, now), 10);
        // From elsewhere it is the same user.
        assert_eq!(limits.attempt("ba", THERE, now), Err(USER_EVERY));
        assert_eq!(limits.attempt("nam", THERE, now), Ok(()));
        now = now + USER_EVERY;
        assert_eq!(limits.attempt("ba", THERE, now), Ok(()));
        assert!(limits.attempt("ba", THERE, now).is_err());
    }

    #[test]
    fn an_address_tries_only_so_many_users() {
        let mut limits = Limits::default();
        let tried = (0..100).find(|n| limits.attempt(&n.to_string(), HERE, Mono(0)).is_err());
        assert_eq!(tried, Some(30));
        let neighbour = "2001:db8::1".parse().unwrap();
        let same_network = "2001:db8::ffff:2".parse().unwrap();
        let tried = (0..100).find(|n| {
            let from = if n % 2 == 0 { neighbour } else { same_network };
            limits.attempt(&n.to_string(), from, Mono(0)).is_err()
        });
        assert_eq!(tried, Some(30));
    }

    #[test]
    fn strangers_lock_nobody_out_where_they_have_signed_in_before() {
        let mut limits = Limits::default();
        limits.attempt("ba", HERE, Mono(0)).unwrap();
        limits.succeed("ba", HERE);
        fill(&mut limits, "ba", THERE, Mono(0));
        assert_eq!(limits.attempt("ba", HERE, Mono(0)), Ok(()));
    }

    #[test]
    fn a_sender_has_so_many_a_minute_and_takes_nothing_from_another() {
        let mut pace = Pace::default();
        let mut taken =
            |who: &str, at| (0..100).filter(|_| pace.take(&who.to_owned(), 30, at).is_ok()).count();
        assert_eq!(taken("kp3", Mono(0)), 30);
        assert_eq!(taken("kp4", Mono(0)), 30);
        assert_eq!(taken("kp3", Mono(0) + Duration::from_secs(2)), 1);
        assert_eq!(taken("kp3", Mono(0) + Duration::from_secs(120)), 30);
        let wait = pace.take(&"kp4".to_owned(), 30, Mono(0)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(2));
        for n in 0..10_000_u32 {
            pace.take(&n.to_string(), 30, Mono(u64::from(n))).unwrap();
        }
        assert!(pace.0.0.len() <= KEPT_MAX);
    }

    #[test]
    fn memory_is_bounded() {
        let mut limits = Limits::default();
        for n in 0..10_000_u32 {
            let from = IpAddr::from(n.to_be_bytes());
            limits.attempt(&n.to_string(), from, Mono(u64::from(n))).unwrap();
            limits.succeed(&format!("known {n}"), from);
        }
        assert!(limits.users.0.len() <= KEPT_MAX && limits.addresses.0.len() <= KEPT_MAX);
        assert!(limits.known.len() <= KEPT_MAX);
    }
}
