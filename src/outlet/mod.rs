//! Outbox in, the world out: webhooks, Home Assistant, CAP.
//!
//! Belongs here: one runner for all sinks, each with a cursor of its own, and what each makes of
//! an alert. Does not belong here: what an alert says.
//!
//! **Invariants:** a sink's cursor moves only when its receiver has acknowledged the alert, when
//! the sink is not interested in it, or when it was set aside durably ([`Outbox::set_aside`]). A
//! sink waits for nobody: each is a task of its own that follows the log. Within a sink alerts go
//! out in the log's order, one at a time. A redelivery carries the same body.
//!
//! | link | bound | when full |
//! | --- | --- | --- |
//! | outbox → sink | 16 entries read, 1 under way | the log keeps the rest |
//! | dead letters | 256 a sink | the oldest letter is forgotten |
//!
//! [`Outbox::set_aside`]: crate::outbox::Outbox::set_aside

pub mod cap;
mod group;
pub mod home_assistant;
pub(crate) mod http;
pub(crate) mod reach;
mod runner;
mod template;
pub mod webhook;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

pub use self::group::Group;
pub use self::runner::Patience;
pub use self::runner::RunnerLinks;
pub use self::runner::run;
pub use self::template::BodyTemplate;
pub use self::template::BodyTemplateError;
pub use self::template::TEMPLATE_BYTES_MAX;

use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;

/// A receiver of alerts.
pub trait Sink: Send + Sync + 'static {
    /// The form that is delivered, made once an entry: attempts differ in nothing.
    type Delivery: Send + Sync + 'static;

    /// The name of its cursor, and of its counters.
    fn reader(&self) -> &str;

    /// Returns what of `entry` is delivered. May read the log; blocks.
    ///
    /// # Errors
    /// [`outbox::Error`] where the log can't be read; it is then tried again.
    fn prepare(
        &self,
        outbox: &Outbox,
        entry: &Entry,
    ) -> Result<Prepared<Self::Delivery>, outbox::Error>;

    /// One attempt, bounded in time.
    fn deliver(&self, parcel: &Self::Delivery) -> impl Future<Output = DeliveryOutcome> + Send;
}

/// The form that a sink makes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared<P> {
    /// This is delivered.
    Delivery(P),
    /// The sink is not interested.
    Skipped,
    /// It can never be delivered; why, for people.
    Poison(String),
}

/// The outcome of an attempt. Reasons are for people and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Taken,
    /// The receiver will never take it.
    Refused(String),
    /// The receiver is there and does not manage it: tried some more times.
    Failed(String),
    /// The receiver is away or busy: waited for.
    Away {
        /// The reason.
        reason: String,
        /// The time for which it asks to be left alone.
        retry_after: Option<Duration>,
    },
}

/// The state of each sink. Clones share it; as many values as there are sinks.
#[derive(Clone, Debug, Default)]
pub struct Standings(Arc<Mutex<BTreeMap<String, Option<String>>>>);

impl Standings {
    /// The sinks by name, and why one fails just now.
    pub fn list(&self) -> Vec<(String, Option<String>)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(reader, why)| (reader.clone(), why.clone())).collect()
    }

    /// The sink is there, or works again.
    pub fn works(&self, reader: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(reader.to_owned(), None);
    }

    /// Tells whether it is news that the sink fails.
    fn fails(&self, reader: &str, reason: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(reader.to_owned(), Some(reason.to_owned()));
        before.flatten().as_deref() != Some(reason)
    }
}
