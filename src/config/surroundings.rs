//! The surroundings that a configuration is read in.

use std::path::Path;
use std::path::PathBuf;

use crate::time::Wall;

/// The surroundings that a configuration is read in: nothing is taken from the process behind a
/// reader's back.
pub struct Surroundings<'a> {
    /// The file's name, for messages.
    pub file: &'a Path,
    /// The folder that relative paths start from.
    pub base_dir: &'a Path,
    /// The folder of the running binary, where a model may lie.
    pub binary_dir: Option<PathBuf>,
    /// The environment, for secrets.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Decides whether an owner's consent is over.
    pub now: Wall,
}
