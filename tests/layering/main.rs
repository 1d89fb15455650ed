//! The architecture, checked: who may use whom, where clocks and foreign types live, how long
//! files and lines get.
//!
//! The crates stand in an order, and so do the modules of each: that of its `src/lib.rs`. A module
//! uses only what stands before it. Inside a module no files need one another in a circle
//! (`circles.rs` says what that means). The checks read text, not syntax: they are meant to catch a
//! slip, not somebody who wants to get round them.

mod circles;
mod modules;
mod rules;
mod source;
mod tokens;

use std::path::Path;

use modules::Modules;
use source::{Crate, Fault, Source};

/// The crates that there may be, by their folders below `crates/`, in their order; the last one is
/// the root package.
const CRATES: &[&str] = &["core", "runtime", "media", "store", "testkit", ""];

fn read_all() -> (Vec<Source>, Vec<Crate>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        source::read_sources(root, folder, &mut sources);
    }
    let crates: Vec<Crate> = CRATES.iter().filter_map(|one| Crate::read(root, one)).collect();
    let listed: usize = crates.iter().map(|one| one.order.len()).sum();
    assert!(listed > 15, "each src/lib.rs lists its modules as `pub mod`: {listed}");
    (sources, crates)
}

#[test]
fn the_sources_keep_to_the_architecture() {
    let (sources, crates) = read_all();
    let faults = rules::check(&sources, &crates);
    let list: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", list.len(), list.join("\n"));

    for (who, whom, _) in rules::EXCEPTIONS {
        let needed = sources.iter().filter(|source| source.module() == Some(who)).any(|source| {
            let mut code = source.code();
            code.any(|(_, line)| rules::names_after(line, "crate::").any(|name| name == *whom))
        });
        assert!(needed, "the exception for `{who}` to use `{whom}` is not needed any more");
    }
}

#[test]
fn no_files_need_one_another_in_a_circle() {
    let (sources, crates) = read_all();
    let mut found = Vec::new();
    for one in &crates {
        let mut modules = Modules::default();
        for source in sources.iter().filter(|source| !source.is_test()) {
            if let Some((_, below)) = source.place().filter(|(folder, _)| *folder == one.folder) {
                modules.add(&source.path, below, &source.text);
            }
        }
        found.extend(circles::find(&modules).iter().map(|circle| circle.describe(&modules)));
    }
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}
