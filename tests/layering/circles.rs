//! Circles of imports: files or folders of one room that need one another.
//!
//! A file *needs* another one when its code (tests apart) names an item that the other one
//! defines: by `crate::`, `super::`, `self::`, through a `use`, or through a `pub use` of a module
//! between them, which is followed to the file where the item stands. Declaring a module
//! (`mod leaf;`) and passing on what a module below defines (`pub use leaf::Thing;`) is no need; a
//! `mod.rs` whose own code works with `Thing` needs `leaf`. So the types that several files of a
//! room share live in leaves, and a `mod.rs` either declares and passes on, or is the room's front
//! which no file below it needs.
//!
//! Within each module its own file and each child (with everything below it) is a node, and the
//! nodes must be in some order. This is stricter than an order of files: two folders that need one
//! another are a circle even where their single files are not.
//!
//! The check reads text: an item that a macro makes, a method that is called on a value, and a
//! glob import of names that are passed on are not followed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::modules::{ModulePath, Modules, Need};

/// Nodes of one module that need one another.
#[derive(Debug)]
pub(crate) struct Circle {
    /// One way round, each with the need that leads to the next.
    pub(crate) needs: Vec<Need>,
}

impl Circle {
    /// The way round, as files and lines.
    pub(crate) fn describe(&self, modules: &Modules) -> String {
        let step = |need: &Need| {
            let (who, whom) = (modules.file(&need.who), modules.file(&need.whom));
            format!("{who}:{} needs {whom}", need.line)
        };
        let steps: Vec<String> = self.needs.iter().map(step).collect();
        format!("a circle: {}", steps.join(", "))
    }
}

/// A module's own file (`None`) or one of its children.
type Node = Option<String>;

/// Every circle, one for each group of nodes that need one another.
pub(crate) fn find(modules: &Modules) -> Vec<Circle> {
    let needs = modules.needs();
    modules.paths().flat_map(|module| find_in(module, &needs)).collect()
}

fn find_in(module: &ModulePath, needs: &[Need]) -> Vec<Circle> {
    let node = |path: &ModulePath| -> Option<Node> {
        path.starts_with(module).then(|| path.get(module.len()).cloned())
    };
    let mut edges: BTreeMap<Node, BTreeMap<Node, &Need>> = BTreeMap::new();
    let within = needs.iter().filter(|need| need.who.starts_with(module));
    for need in within {
        let (Some(who), Some(whom)) = (node(&need.who), node(&need.whom)) else { continue };
        if who != whom {
            edges.entry(who).or_default().entry(whom).or_insert(need);
        }
    }
    let mut found = Vec::new();
    let mut told: BTreeSet<Node> = BTreeSet::new();
    for start in edges.keys() {
        if told.contains(start) {
            continue;
        }
        let Some(way) = way_round(start, &edges) else { continue };
        told.extend(way.iter().filter_map(|need| node(&need.who)));
        let needs = way.into_iter().cloned().collect();
        found.push(Circle { needs });
    }
    found
}

/// The shortest way from `start` back to it.
fn way_round<'n>(
    start: &Node,
    edges: &BTreeMap<Node, BTreeMap<Node, &'n Need>>,
) -> Option<Vec<&'n Need>> {
    let mut came: BTreeMap<&Node, (&Node, &'n Need)> = BTreeMap::new();
    let mut at_hand = VecDeque::from([start]);
    while let Some(node) = at_hand.pop_front() {
        for (next, need) in edges.get(node).into_iter().flatten() {
            if next == start {
                let (mut way, mut at) = (vec![*need], node);
                while at != start {
                    let (before, need) = came[at];
                    way.push(need);
                    at = before;
                }
                way.reverse();
                return Some(way);
            }
            if !came.contains_key(next) {
                came.insert(next, (node, *need));
                at_hand.push_back(next);
            }
        }
    }
    None
}

/// The circles of a crate of these files below `src/`.
#[cfg(test)]
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let mut modules = Modules::default();
    for (path, text) in files {
        modules.add(path, path, text);
    }
    find(&modules).iter().map(|circle| circle.describe(&modules)).collect()
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let leaf = ("room/b.rs", "use super::a::A;\npub struct B(A);");
    for (name, text) in [
        ("by its name", "use super::b::B;\npub struct A(B);"),
        ("by the crate", "use crate::room::b::B;\npub struct A(B);"),
        ("through what is passed on", "use super::B;\npub struct A(B);"),
        ("through what the crate passes on", "pub struct A(Vec<crate::room::B>);"),
        ("in a group", "use super::{\n    b::{self, B},\n};\npub struct A(B);"),
        ("through a module's name", "use super::b;\npub struct A(b::B);"),
        ("under another name", "use super::b as c;\npub struct A(c::B);"),
        ("all of it", "use super::b::*;\npub struct A(B);"),
    ] {
        let files = [
            ("lib.rs", "pub mod room;"),
            ("room/mod.rs", "mod a;\nmod b;\npub use b::B;"),
            ("room/a.rs", text),
            leaf,
        ];
        let found = circles(&files);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].contains("room/b.rs:1 needs room/a.rs"), "{name}: {found:?}");
    }
}

#[test]
fn a_front_that_works_with_what_is_below_may_not_be_needed_below() {
    let lib = ("lib.rs", "pub mod room;");
    let below = ("room/a.rs", "use super::Shared;\npub struct A(Shared);");
    let front = ("room/mod.rs", "mod a;\npub use a::A;\npub struct Shared;\nfn f(a: A) {}");
    let found = circles(&[lib, below, front]);
    assert_eq!(found, ["a circle: room/mod.rs:4 needs room/a.rs, room/a.rs:1 needs room/mod.rs"]);
    let declares = ("room/mod.rs", "mod a;\npub use a::A;\npub struct Shared;");
    assert_eq!(circles(&[lib, below, declares]), [""; 0]);
    let front = ("room/mod.rs", "mod a;\nuse a::A;\npub struct Front(A);");
    assert_eq!(circles(&[lib, ("room/a.rs", "pub struct A;"), front]), [""; 0]);
}

#[test]
fn two_folders_that_need_one_another_are_a_circle() {
    let found = circles(&[
        ("lib.rs", "pub mod room;"),
        ("room.rs", "mod a;\nmod b;"),
        ("room/a/mod.rs", "pub mod x;\npub mod y;"),
        ("room/a/x.rs", "use crate::room::b::B;"),
        ("room/a/y.rs", "pub struct Y;"),
        ("room/b.rs", "use super::a::y::Y;\npub struct B(Y);"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn tests_texts_and_other_crates_make_no_circle() {
    let found = circles(&[
        ("lib.rs", "pub mod room;"),
        ("room/mod.rs", "mod a;\nmod b;"),
        ("room/a.rs", "use std::b::B;\n/// [`super::b::B`]\npub struct A(&'static str);"),
        (
            "room/b.rs",
            "use super::a::A;\npub struct B(A);\nfn f(b: B) { b.a.c(\"super::a\") }\n\
             #[cfg(test)]\nmod tests { use super::*; }",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}
