//! The errors of Web Push.

use crate::access;

/// The reason why it can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system's.
    #[error(transparent)]
    Folder(#[from] access::Error),
    /// The key's file is none, or the system made none.
    #[error(
        "access/vapid.key in [store] path is no key for Web Push; with the file removed a new one \
         is made, and everybody turns notifications on again"
    )]
    Key,
}

/// The reason why a browser is not told.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionRefused {
    /// It is of no service that is allowed.
    #[error(
        "this browser's push service is not allowed here; an admin can add it to push_services"
    )]
    Service,
    /// Its keys are none.
    #[error("these are no keys of a push subscription")]
    Keys,
    /// Whoever has not signed in has nothing that could end.
    #[error("sign in first: what is sent outside is sent to a user")]
    Nobody,
    /// There are too many.
    #[error("too many browsers are told already")]
    Full,
    /// Not their fault.
    #[error(transparent)]
    Failed(#[from] Error),
}
