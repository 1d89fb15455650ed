//! A publish as the broker gets it.

use std::sync::Arc;

/// One publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) retain: bool,
    pub(super) payload: Arc<[u8]>,
}
