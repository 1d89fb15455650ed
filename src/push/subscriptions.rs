//! The browsers' subscriptions, kept over restarts.
//!
//! | | |
//! | --- | --- |
//! | bound | `A_USER_MAX` of one user, `ALL_MAX` of all |
//! | overflow | of one user the oldest goes; beyond all no more are taken |

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde::Deserialize;
use serde::Serialize;

use super::error::Error;
use super::error::SubscriptionRefused;
use super::seal::Keys;
use super::service::Endpoint;
use super::service::Service;
use crate::access::Folder;
use crate::time::Wall;

/// Beside users and sessions: whoever reads it can annoy, though not read along.
const FILE: &str = "push.json";
/// A phone, a PC at home, one at the station, and as many again that were never signed out.
pub(super) const A_USER_MAX: usize = 10;
/// The file stays far below what is read back of it.
const ALL_MAX: usize = 2_000;

/// One browser of one user.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) endpoint: Endpoint,
    pub(super) keys: Keys,
    /// The login name, and the generation of the password that the user had when they subscribed.
    pub(super) user: String,
    pub(super) generation: String,
    /// The time of it.
    pub(super) since: Wall,
}

/// As the file has it.
#[derive(Deserialize, Serialize)]
struct SubscriptionLine {
    endpoint: String,
    p256dh: String,
    auth: String,
    user: String,
    generation: String,
    /// Microseconds since the Unix epoch.
    since: i64,
}

type Lines = BTreeMap<Endpoint, Arc<Subscription>>;

/// All subscriptions.
pub(super) struct Subscriptions {
    folder: Folder,
    lines: Mutex<Lines>,
    /// One writer at a time, so that an older state never replaces a newer one.
    writing: Mutex<()>,
}

impl Subscriptions {
    /// Of the store at `store`. What is damaged, or of a service that is not allowed any more, is
    /// no subscription: browsers offer themselves again.
    pub(super) fn open(store: &Path, services: &[Service]) -> Result<Self, Error> {
        let folder = Folder::make(store)?;
        let text = folder.read(FILE)?.unwrap_or_default();
        let kept: Vec<SubscriptionLine> = match text.trim() {
            "" => Vec::new(),
            text => serde_json::from_str(text).unwrap_or_else(|error| {
                tracing::warn!(%error, "push subscriptions can't be read back");
                Vec::new()
            }),
        };
        let read = |line: SubscriptionLine| {
            let endpoint = Endpoint::parse(&line.endpoint, services)?;
            let keys = Keys::parse(&line.p256dh, &line.auth)?;
            let SubscriptionLine { user, generation, since, .. } = line;
            let since = Wall(since);
            let kept = Subscription { endpoint: endpoint.clone(), keys, user, generation, since };
            Some((endpoint, Arc::new(kept)))
        };
        let lines = kept.into_iter().take(ALL_MAX).filter_map(read).collect();
        Ok(Self { folder, lines: Mutex::new(lines), writing: Mutex::default() })
    }

    /// Takes one in, durably; one of the same browser is replaced. Blocks on the disk.
    ///
    /// # Errors
    /// [`SubscriptionRefused`].
    pub(super) fn add(&self, new: Subscription) -> Result<(), SubscriptionRefused> {
        {
            let mut lines = self.lock();
            let known = lines.get(&new.endpoint).is_some_and(|old| {
                (&old.keys, &old.user, &old.generation) == (&new.keys, &new.user, &new.generation)
            });
            if known {
                return Ok(());
            }
            lines.remove(&new.endpoint);
            let theirs = lines.values().filter(|one| one.user == new.user);
            if theirs.clone().count() >= A_USER_MAX {
                let oldest = theirs.min_by_key(|one| one.since).map(|one| one.endpoint.clone());
                oldest.and_then(|oldest| lines.remove(&oldest));
            }
            if lines.len() >= ALL_MAX {
                return Err(SubscriptionRefused::Full);
            }
            lines.insert(new.endpoint.clone(), Arc::new(new));
        }
        Ok(self.save()?)
    }

    /// Forgets a browser, where it is one of `user`'s; none: whoever's. Blocks on the disk.
    pub(super) fn remove(&self, endpoint: &Endpoint, user: Option<&str>) -> Result<bool, Error> {
        let removed = {
            let mut lines = self.lock();
            let theirs = lines.get(endpoint).is_some_and(|one| user.is_none_or(|u| one.user == u));
            theirs && lines.remove(endpoint).is_some()
        };
        if removed {
            self.save()?;
        }
        Ok(removed)
    }

    /// Tells whether the browser is one of `user`'s.
    #[cfg(test)]
    fn has(&self, endpoint: &Endpoint) -> bool {
        self.lock().contains_key(endpoint)
    }

    /// Those whose messages go by `service`.
    pub(super) fn of(&self, service: &Service) -> Vec<Arc<Subscription>> {
        let lines = self.lock();
        lines.values().filter(|one| one.endpoint.is_of(service)).cloned().collect()
    }

    fn save(&self) -> Result<(), Error> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<SubscriptionLine> = self.lock().values().map(|one| line(one)).collect();
        Ok(self.folder.write(FILE, &serde_json::json!(lines).to_string())?)
    }

    /// Held for a look-up or a change only, never over an await or the disk.
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(one: &Subscription) -> SubscriptionLine {
    let (p256dh, auth) = one.keys.render();
    SubscriptionLine {
        endpoint: one.endpoint.url().as_str().to_owned(),
        p256dh,
        auth,
        user: one.user.clone(),
        generation: one.generation.clone(),
        since: one.since.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZG\
                         H6SRpkNtoIAiw4";

    fn services() -> Vec<Service> {
        vec!["push.example".parse().unwrap(), "localhost:9".parse().unwrap()]
    }

    fn one(user: &str, number: usize) -> Subscription {
        let text = format!("https://push.example/{user}/{number}");
        Subscription {
            endpoint: Endpoint::parse(&text, &services()).unwrap(),
            keys: Keys::parse(POINT, "BTBZMqHH6r4Tts7J_aSIgg").unwrap(),
            user: user.to_owned(),
            generation: "g".to_owned(),
            since: Wall(i64::try_from(number).unwrap()),
        }
    }

    #[test]
    fn a_subscription_survives_a_restart_and_a_removal_too() {
        let store = tempfile::tempdir().unwrap();
        let subscriptions = Subscriptions::open(store.path(), &services()).unwrap();
        subscriptions.add(one("ba", 1)).unwrap();
        subscriptions.add(one("nam", 2)).unwrap();
        let subscriptions = Subscriptions::open(store.path(), &services()).unwrap();
        assert_eq!(subscriptions.of(&services()[0]).len(), 2);
        assert!(subscriptions.of(&services()[1]).is_empty());
        let first = one("ba", 1).endpoint;
        assert!(!subscriptions.remove(&first, Some("nam")).unwrap(), "it is not theirs");
        assert!(subscriptions.remove(&first, Some("ba")).unwrap());
        let subscriptions = Subscriptions::open(store.path(), &services()).unwrap();
        assert_eq!(subscriptions.of(&services()[0]).len(), 1);
        let narrowed = Subscriptions::open(store.path(), &services()[1..]).unwrap();
        assert!(narrowed.of(&services()[0]).is_empty(), "no longer allowed");
        std::fs::write(store.path().join("access").join(FILE), "damage").unwrap();
        assert!(
            Subscriptions::open(store.path(), &services()).unwrap().of(&services()[0]).is_empty()
        );
    }

    #[test]
    fn there_are_only_so_many_of_one_user_and_the_oldest_goes() {
        let store = tempfile::tempdir().unwrap();
        let subscriptions = Subscriptions::open(store.path(), &services()).unwrap();
        subscriptions.add(one("nam", 0)).unwrap();
        for number in 0..A_USER_MAX + 3 {
            subscriptions.add(one("ba", number)).unwrap();
        }
        assert_eq!(subscriptions.of(&services()[0]).len(), A_USER_MAX + 1);
        assert!(
            subscriptions.has(&one("nam", 0).endpoint)
                && !subscriptions.has(&one("ba", 2).endpoint)
        );
        assert!(subscriptions.has(&one("ba", 3).endpoint));
        // The same browser again, or somebody else at it, is no second one.
        let again = Subscription { user: "nam".to_owned(), ..one("ba", 3) };
        subscriptions.add(again).unwrap();
        assert_eq!(subscriptions.of(&services()[0]).len(), A_USER_MAX + 1);
    }
}
