//! How often something may be tried: leaky buckets, of signing in by user and by address, of
//! reports by whoever sends them.
//!
//! | | |
//! | --- | --- |
//! | bound | `KEPT_MAX` users, as many addresses, as many senders |
//! | overflow | who was heard of longest ago is forgotten |

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::Mono;

/// Users, and addresses, that are remembered.
const KEPT_MAX: usize = 2_048;
/// So many failures of one user at once, then one in each [`USER_EVERY`].
const USER_BURST: f64 = 10.0;
const USER_EVERY: Duration = Duration::from_secs(30);
/// The same of one address: more than one person may sit behind it.
const ADDRESS_BURST: f64 = 30.0;
const ADDRESS_EVERY: Duration = Duration::from_secs(10);

const MINUTE: Duration = Duration::from_secs(60);

/// What drips out by time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Mono,
}

/// How often each of many does something: so many at once, and as many again in each minute.
#[derive(Debug)]
pub struct Pace<K>(BTreeMap<K, Bucket>);

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Pace<K> {
    /// Counts one of `who`, who may have `a_minute`, at least 1.
    ///
    /// # Errors
    /// How long to wait before the next; this one does not count.
    pub fn take(&mut self, who: &K, a_minute: u32, now: Mono) -> Result<(), Duration> {
        let (burst, every) = (f64::from(a_minute), MINUTE / a_minute.max(1));
        match wait(self.0.get(who), burst, every, now) {
            Duration::ZERO => {
                pour(&mut self.0, who.clone(), every, now);
                Ok(())
            }
            wait => Err(wait),
        }
    }
}

/// All buckets of signing in.
#[derive(Debug, Default)]
pub(super) struct Limits {
    users: BTreeMap<String, Bucket>,
    addresses: BTreeMap<IpAddr, Bucket>,
    /// Who has signed in from where: strangers can't lock them out there.
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
        let address = whole(address);
        let known = self.known.contains(&(user.to_owned(), address));
        let mut waits = [Duration::ZERO; 2];
        if !known {
            waits[0] = wait(self.users.get(user), USER_BURST, USER_EVERY, now);
        }
        waits[1] = wait(self.addresses.get(&address), ADDRESS_BURST, ADDRESS_EVERY, now);
        let longest = waits[0].max(waits[1]);
        if longest > Duration::ZERO {
            return Err(longest);
        }
        pour(&mut self.users, user.to_owned(), USER_EVERY, now);
        pour(&mut self.addresses, address, ADDRESS_EVERY, now);
        Ok(())
    }

    /// It was the right password: the attempt does not count.
    pub(super) fn succeed(&mut self, user: &str, address: IpAddr) {
        let address = whole(address);
        self.users.remove(user);
        if let Some(bucket) = self.addresses.get_mut(&address) {
            bucket.level = (bucket.level - 1.0).max(0.0);
        }
        if self.known.len() >= KEPT_MAX {
            self.known.pop_first();
        }
        self.known.insert((user.to_owned(), address));
    }
}

/// Who has one address of a network of IPv6 has all.
fn whole(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

fn level(bucket: &Bucket, every: Duration, now: Mono) -> f64 {
    (bucket.level - now.seconds_since(bucket.at) / every.as_secs_f64()).max(0.0)
}

fn wait(bucket: Option<&Bucket>, burst: f64, every: Duration, now: Mono) -> Duration {
    let level = bucket.map_or(0.0, |bucket| level(bucket, every, now));
    every.mul_f64((level + 1.0 - burst).max(0.0))
}

fn pour<K: Ord + Clone>(buckets: &mut BTreeMap<K, Bucket>, key: K, every: Duration, now: Mono) {
    let level = buckets.get(&key).map_or(0.0, |bucket| level(bucket, every, now)) + 1.0;
    if buckets.len() >= KEPT_MAX && !buckets.contains_key(&key) {
        let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            buckets.remove(&oldest);
        }
    }
    buckets.insert(key, Bucket { level, at: now });
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
        assert!(pace.0.len() <= KEPT_MAX);
    }

    #[test]
    fn memory_is_bounded() {
        let mut limits = Limits::default();
        for n in 0..10_000_u32 {
            let from = IpAddr::from(n.to_be_bytes());
            limits.attempt(&n.to_string(), from, Mono(u64::from(n))).unwrap();
            limits.succeed(&format!("known {n}"), from);
        }
        assert!(limits.users.len() <= KEPT_MAX && limits.addresses.len() <= KEPT_MAX);
        assert!(limits.known.len() <= KEPT_MAX);
    }
}
