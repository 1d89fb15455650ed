//! The errors of users, sessions and keys.

use std::path::PathBuf;

use super::password;
use super::random::NoRandomness;

/// The reason why users, sessions or keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system's.
    #[error("can't use {path}; it must be writable by whoever runs the daemon")]
    Io {
        /// The place of it.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file of users is not what `keng user` writes.
    #[error("the file of users does not check out: {0}")]
    Users(String),
    /// The name can't be one to sign in by.
    #[error(
        "{0:?} is no name to sign in by: a small letter, then up to 39 small letters, digits, \
         dots, hyphens and underscores"
    )]
    Name(String),
    /// Nothing that can stand under what somebody does.
    #[error("a full name has 1 to 80 characters, and no control characters")]
    FullName,
    /// The role does not exist.
    #[error("no such role: {0}")]
    Role(String),
    /// The name is taken.
    #[error("there is a user {0:?} already: keng user passwd changes the password")]
    Taken(String),
    /// There is no user of that name.
    #[error("there is no user {0:?}: keng user list shows them")]
    NoUser(String),
    /// The password should not be one.
    #[error(transparent)]
    Password(#[from] password::Unfit),
    /// The system gives no randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}
