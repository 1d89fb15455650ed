//! The command `keng`.

fn main() {}
