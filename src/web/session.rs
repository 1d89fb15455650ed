//! The session that a request belongs to.

/// The session that a request is of, by its id; none without users.
#[derive(Clone, Debug)]
pub(super) struct Session(pub(super) Option<String>);
