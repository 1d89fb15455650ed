//! In work.
/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {}
