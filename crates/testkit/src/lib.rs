//! The parts that several test programs and benches need: real servers and peers as processes of
//! their own, the built daemon, scripted streets, and the drawing of figures.
//!
//! **Invariant:** of our own crates it uses the core alone, so that tests of pure code link neither
//! FFmpeg nor ONNX Runtime.

#![expect(clippy::print_stdout, reason = "measuring programs say what they wrote")]
#![expect(missing_docs, reason = "fields and methods of test helpers say it by their names")]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]
#![expect(clippy::cast_possible_truncation, reason = "scenes and scripts are of small numbers")]

use std::path::Path;
use std::path::PathBuf;

pub mod machine;
pub mod plot;
pub mod error_plot;
pub mod proxy;
pub mod script;
pub mod scene;
pub mod gst;
pub mod mosquitto;
pub mod daemon;
pub mod subscriber;
pub mod receiver;
pub mod results;
pub mod phone;
pub mod browser;
pub mod street;
pub mod watch;
pub mod sequences;
pub mod judges;

/// The repository's folder.
pub fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("the crate lies two folders deep")
}

/// The built `keng`, which Cargo puts beside the folder of the test programs.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().and_then(Path::parent).expect("test programs lie in target/X/deps");
    let program = deps.join("keng");
    assert!(program.exists(), "{} is missing: tests of `keng` build it", program.display());
    program
}
