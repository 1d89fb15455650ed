//! The configuration of Web Push, and what its parts share.

use std::path::PathBuf;
use std::sync::Arc;

use super::service::Service;
use super::subscriptions::Subscriptions;
use super::vapid::Vapid;
use crate::access::Access;
use crate::time::Clock;
use crate::ward::Language;

/// The part of `[web]` about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The contact that a service may write to: `mailto:` or `https:`.
    pub contact: String,
    /// The services that browsers may name.
    pub services: Vec<Service>,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// The state that the readers of the log share with those who subscribe.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) subscriptions: Subscriptions,
    pub(super) vapid: Vapid,
    pub(super) access: Access,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) language: Language,
}
