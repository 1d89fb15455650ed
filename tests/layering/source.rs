//! The files that the checks read, and what they say of one.

use std::fmt;
use std::fs;
use std::path::Path;

/// A file as the checks see it.
pub(crate) struct Source {
    /// From the repository's root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A crate of this repository.
pub(crate) struct Crate {
    /// Its folder below `crates/`; the root package's is empty.
    pub(crate) folder: String,
    /// As code names it.
    pub(crate) name: String,
    /// Its modules, in the order of its `lib.rs`.
    pub(crate) order: Vec<String>,
}

impl Crate {
    pub(crate) fn new(folder: &str, name: &str, order: Vec<String>) -> Self {
        Self { folder: folder.to_owned(), name: name.to_owned(), order }
    }

    /// Reads the crate in `folder`; none where it does not exist.
    pub(crate) fn read(root: &Path, folder: &str) -> Option<Self> {
        let at = if folder.is_empty() { root.to_owned() } else { root.join("crates").join(folder) };
        let manifest = fs::read_to_string(at.join("Cargo.toml")).ok()?;
        let name =
            manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.split('"').next());
        let lib = fs::read_to_string(at.join("src/lib.rs")).expect("a crate has a src/lib.rs");
        let order = module_order(&lib).into_iter().map(str::to_owned).collect();
        Some(Self::new(folder, &name.expect("a manifest names its crate").replace('-', "_"), order))
    }
}

/// The names of `pub mod` lines, in order.
fn module_order(lib: &str) -> Vec<&str> {
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

/// Where a rule is broken, and which.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

impl Source {
    /// The folder of the crate whose `src/` it is in, and its path from there: the root package's
    /// folder is empty. None for tests and benches.
    pub(crate) fn place(&self) -> Option<(&str, &str)> {
        if let Some(below) = self.path.strip_prefix("src/") {
            return Some(("", below));
        }
        let (folder, below) = self.path.strip_prefix("crates/")?.split_once('/')?;
        Some((folder, below.strip_prefix("src/")?))
    }

    /// The module that a file of a `src/` belongs to; none for `lib.rs`, `main.rs` and the tests.
    pub(crate) fn module(&self) -> Option<&str> {
        let (_, rest) = self.place()?;
        let name = rest.split_once('/').map_or(rest, |(folder, _)| folder);
        let name = name.strip_suffix(".rs").unwrap_or(name);
        (name != "lib" && name != "main").then_some(name)
    }

    /// Tells whether all of it is tests of `src/`, such as `config/tests.rs`.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// The number of the line where the file's tests begin, which stand last.
    pub(crate) fn tests_from(&self) -> usize {
        let tests = self.text.lines().position(|line| line == "mod tests {");
        tests.map_or(usize::MAX, |index| index + 1)
    }

    /// Lines of code with their numbers, comments cut off.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().filter_map(|(index, line)| {
            let line = match line.find("//") {
                // "rtsp://" and the like are no comments.
                Some(at) if !line[..at].ends_with(':') => &line[..at],
                _ => line,
            };
            (!line.trim().is_empty()).then_some((index + 1, line))
        })
    }

    pub(crate) fn fault(&self, line: usize, rule: String) -> Fault {
        Fault { path: self.path.clone(), line, rule }
    }
}

/// Every Rust file below `folder`, in a fixed order; none where there is no such folder.
pub(crate) fn read_sources(root: &Path, folder: &str, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    let mut entries: Vec<_> = entries.map(|e| e.expect("a folder can be listed")).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_sources(root, &path, sources);
        } else if path.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).expect("a source file is UTF-8");
            sources.push(Source { path, text });
        }
    }
}

#[test]
fn the_order_is_read_from_the_list_of_modules() {
    let lib = "//! pub mod comment;\npub mod time;\nmod hidden;\npub mod camera;\n";
    assert_eq!(module_order(lib), ["time", "camera"]);
}
