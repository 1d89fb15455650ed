//! The reason why the daemon can't start.

use crate::access;
use crate::audit;
use crate::detector::onnx;
use crate::mqtt::BrokerError;
use crate::outbox;
use crate::push;
use crate::web;

/// The reason why the daemon can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The alert log.
    #[error(transparent)]
    Outbox(#[from] outbox::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] onnx::Error),
    /// The embedded broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The page's users.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The key for Web Push, or its subscriptions.
    #[error(transparent)]
    Push(#[from] push::Error),
    /// The page.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// The system has no thread, or no signals, left.
    #[error("the system refuses {what}")]
    System {
        /// The thing that was asked for.
        what: &'static str,
        /// Its words.
        source: std::io::Error,
    },
}
