//! The subcommands of `keng`, a file each: arguments in, text to a writer out.

pub mod probe;
