//! Outbox in, phones out: Web Push (RFC 8030) to browsers whose page is closed.
//!
//! It is off unless the admin turns it on: it makes the daemon speak with hosts on the Internet
//! that the admin has not chosen, those of the browsers' makers. They learn when something is told
//! to whom, and nothing of what: a message is encrypted for the one browser (`seal`, RFC 8291) and
//! holds no picture. They know who sends by a signature (`vapid`, RFC 8292).
//!
//! **Invariants:** nobody is sent what they may not see just now (`sink` asks at every attempt). No
//! host is spoken to that the admin has not allowed (`service`). A browser that is gone is
//! forgotten (`subscriptions`).
//!
//! Each service is a reader of the log of its own, as webhooks are, so that none waits for another.
//!
//! Does not belong here: requests and answers (that is `web`).

mod error;
mod shared;
mod subscriptions;
mod seal;
mod service;
mod sink;
mod vapid;
mod notification;

use std::path::Path;
use std::sync::Arc;

pub use error::{Error, SubscriptionRefused};
pub use service::NotAService;
pub use service::Service;
pub use service::USUAL;
pub use shared::Config;
pub use sink::PREFIX;
pub use sink::Pusher;

use seal::Keys;
use service::Endpoint;
use shared::Shared;
use subscriptions::Subscription;
use subscriptions::Subscriptions;
use vapid::Vapid;

use crate::access::Access;
use crate::access::Viewer;
use crate::metrics::Metrics;
use crate::time::Clock;
use crate::ward::Language;

/// The subscriptions and the key that messages are signed by. Clones share them.
#[derive(Clone)]
pub struct Push {
    shared: Arc<Shared>,
}

impl Push {
    /// Of the store at `store`; the key is made where there is none yet. Blocks on the disk.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(
        store: &Path,
        config: Config,
        access: Access,
        clock: Arc<dyn Clock>,
        language: Language,
    ) -> Result<Self, Error> {
        let vapid = Vapid::open(store, &config.contact)?;
        let subscriptions = Subscriptions::open(store, &config.services)?;
        Ok(Self {
            shared: Arc::new(Shared { config, subscriptions, vapid, access, clock, language }),
        })
    }

    /// Returns what browsers subscribe with: an uncompressed point of P-256, as base64url.
    pub fn key(&self) -> String {
        self.shared.vapid.public()
    }

    /// One reader of the log a service; what a browser is never sent is counted in `metrics`.
    pub fn pushers(&self, metrics: &Metrics) -> Vec<Pusher> {
        let (services, dropped) = (self.shared.config.services.iter(), &metrics.push_dropped);
        let pusher = |service: &Service| {
            Pusher::new(Arc::clone(&self.shared), service.clone(), dropped.clone())
        };
        services.map(pusher).collect()
    }

    /// From now on the browser at `endpoint` is told what `viewer` may see, for as long as they
    /// keep their password; answers the service. Blocks on the disk.
    ///
    /// # Errors
    /// [`SubscriptionRefused`].
    pub fn subscribe(
        &self,
        viewer: &Viewer,
        endpoint: &str,
        p256dh: &str,
        auth: &str,
    ) -> Result<String, SubscriptionRefused> {
        let shared = &self.shared;
        let generation = shared.access.generation(&viewer.login).filter(|_| !viewer.local);
        let generation = generation.ok_or(SubscriptionRefused::Nobody)?;
        let endpoint = Endpoint::parse(endpoint, &shared.config.services);
        let endpoint = endpoint.ok_or(SubscriptionRefused::Service)?;
        let keys = Keys::parse(p256dh, auth).ok_or(SubscriptionRefused::Keys)?;
        // What is no point of the curve shows at the first message: here.
        seal::seal(b"", &keys).map_err(|_| SubscriptionRefused::Keys)?;
        let (user, since) = (viewer.login.clone(), shared.clock.now().wall);
        let origin = endpoint.origin();
        shared.subscriptions.add(Subscription { endpoint, keys, user, generation, since })?;
        Ok(origin)
    }

    /// The browser at `endpoint` is told nothing any more, where it is one of `viewer`'s; answers
    /// whether it was. Blocks on the disk.
    ///
    /// # Errors
    /// Where that can't be written; it holds all the same until the next start.
    pub fn unsubscribe(&self, viewer: &Viewer, endpoint: &str) -> Result<bool, Error> {
        match Endpoint::parse(endpoint, &self.shared.config.services) {
            Some(endpoint) => self.shared.subscriptions.remove(&endpoint, Some(&viewer.login)),
            None => Ok(false),
        }
    }
}
