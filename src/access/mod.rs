//! The users of the page, and what they may see and do. Plain data and files; no sockets.
//!
//! Users stand in a file below the store that `keng user` writes and the daemon reads again when
//! it changes. Sessions' ids are 256 random bits of the system's; only their hashes are kept. With
//! a key of this installation's own, made at the first start, tokens and pictures' addresses are
//! made that nobody guesses (HMAC-SHA-256).
//!
//! Does not belong here: requests and answers (that is `web`), teams that speak over MQTT.

mod error;
mod folder;
mod hex;
mod limit;
pub mod password;
mod random;
mod session;
mod store;
pub mod users;
mod viewer;

pub use error::Error;
pub(crate) use folder::Folder;
pub use limit::Pace;
pub use store::Access;
pub use store::SignInRefused;
pub use viewer::{Role, Viewer};
