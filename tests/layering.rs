//! The architecture, checked: who may use whom, where clocks and foreign types live, how long
//! files and lines get.
//!
//! The order of modules is that of the crates' `lib.rs`, one crate after the other; a module uses
//! only what stands before it.
//! The checks read text, not syntax: they are meant to catch a slip, not somebody who wants to
//! get round them.

use std::fmt;
use std::fs;
use std::path::Path;

/// Uses against the order that we want all the same: who, whom, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// The crates' folders, in the order in which they build upon each other.
const CRATES: &[&str] = &["crates/core/", "crates/runtime/", "crates/media/", "crates/store/", ""];

/// What reads a clock.
const CLOCKS: &[&str] = &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];

/// The only file that may.
const CLOCK_FILE: &str = "crates/runtime/src/clock.rs";

/// Crates whose types stay behind one module: crate, module.
const DOORWAYS: &[(&str, &str)] = &[
    ("axum", "web"),
    ("ffmpeg_next", "frame"),
    ("ort", "detector"),
    ("retina", "camera"),
    ("rumqttc", "mqtt"),
    ("rumqttd", "mqtt"),
    ("sled", "outbox"),
];

const FILE_LINES_MAX: usize = 600;
const LINE_COLUMNS_MAX: usize = 100;

/// A file as the checks see it.
struct Source {
    /// From the repository's root, with slashes.
    path: String,
    text: String,
}

/// Where a rule is broken, and which.
#[derive(Debug, PartialEq)]
struct Fault {
    path: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

impl Source {
    /// The module that a file of `src/` belongs to; none for `lib.rs`, `main.rs` and the tests.
    fn module(&self) -> Option<&str> {
        let rest = self.in_crate()?;
        let name = rest.split_once('/').map_or(rest, |(folder, _)| folder);
        let name = name.strip_suffix(".rs").unwrap_or(name);
        (name != "lib" && name != "main").then_some(name)
    }

    /// The path below its crate's `src/`; none for tests, their kit and benches.
    fn in_crate(&self) -> Option<&str> {
        let path = match self.path.strip_prefix("crates/") {
            // Helpers of tests may do what tests may.
            Some(rest) if rest.starts_with("testkit/") => return None,
            Some(rest) => rest.split_once('/')?.1,
            None => &self.path,
        };
        path.strip_prefix("src/")
    }

    /// Whether all of it is tests of `src/`, such as `config/tests.rs`.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// The number of the line where the file's tests begin, which stand last.
    fn tests_from(&self) -> usize {
        let tests = self.text.lines().position(|line| line == "mod tests {");
        tests.map_or(usize::MAX, |index| index + 1)
    }

    /// Lines of code with their numbers, comments cut off.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().filter_map(|(index, line)| {
            let line = match line.find("//") {
                // "rtsp://" and the like are no comments.
                Some(at) if !line[..at].ends_with(':') => &line[..at],
                _ => line,
            };
            (!line.trim().is_empty()).then_some((index + 1, line))
        })
    }

    fn fault(&self, line: usize, rule: String) -> Fault {
        Fault { path: self.path.clone(), line, rule }
    }
}

/// The names of `pub mod` lines, in order.
fn module_order(lib: &str) -> Vec<&str> {
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

/// The names that follow each `prefix` in `line`; a brace counts as a name.
fn names_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).filter_map(move |(at, _)| {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            return None;
        }
        let rest = &line[at + prefix.len()..];
        if rest.starts_with('{') {
            return Some("{");
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        Some(&rest[..end])
    })
}

/// Whether `line` names the crate `name` at the start of a path.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].trim_end();
        let after = &line[at + name.len()..];
        let whole = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        // A leading `::` means the crate too, but then nothing stands before it.
        let path_start = match before.strip_suffix("::") {
            Some(earlier) => !earlier.ends_with(|c: char| c.is_alphanumeric() || "_>".contains(c)),
            None => true,
        };
        let imported =
            before.ends_with("use") && (after.starts_with(';') || after.starts_with(' '));
        whole && path_start && (after.starts_with("::") || imported)
    })
}

/// Uses of modules that stand later, or that can't be told.
fn check_order(source: &Source, order: &[&str], faults: &mut Vec<Fault>) {
    let Some(module) = source.module() else { return };
    let Some(place) = order.iter().position(|name| *name == module) else {
        faults.push(source.fault(1, format!("`{module}` is not listed in src/lib.rs")));
        return;
    };
    for (number, line) in source.code() {
        for used in names_after(line, "crate::") {
            if used == "{" {
                let rule = "one `use crate::module` a line: a group hides who is used".to_owned();
                faults.push(source.fault(number, rule));
            }
            let later = order.iter().position(|name| *name == used).is_some_and(|at| at > place);
            let meant = EXCEPTIONS.iter().any(|(who, whom, _)| *who == module && *whom == used);
            if later && !meant {
                let rule = format!("`{module}` uses `{used}`, which stands after it");
                faults.push(source.fault(number, rule));
            }
        }
    }
}

fn check_clocks(source: &Source, faults: &mut Vec<Fault>) {
    // Tests measure; what they measure must not.
    if source.in_crate().is_none() || source.path == CLOCK_FILE || source.is_test() {
        return;
    }
    let tests_from = source.tests_from();
    for (number, line) in source.code().filter(|(number, _)| *number < tests_from) {
        for clock in CLOCKS.iter().filter(|clock| line.contains(**clock)) {
            let rule = format!("`{clock}` outside {CLOCK_FILE}: take a Clock");
            faults.push(source.fault(number, rule));
        }
    }
}

fn check_doorways(source: &Source, faults: &mut Vec<Fault>) {
    if source.in_crate().is_none() {
        return;
    }
    let module = source.module().unwrap_or("main");
    for (name, owner) in DOORWAYS.iter().filter(|(_, owner)| *owner != module) {
        // A module of ours may bear the same name, such as outbox::sled.
        let ours = format!("::{name};");
        if source.code().any(|(_, line)| line.contains("use crate::") && line.contains(&ours)) {
            continue;
        }
        for (number, _) in source.code().filter(|(_, line)| names_crate(line, name)) {
            let rule = format!("`{name}` outside `{owner}`: its types stay behind that doorway");
            faults.push(source.fault(number, rule));
        }
    }
}

fn check_size(source: &Source, faults: &mut Vec<Fault>) {
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        let rule = format!("{lines} lines, over {FILE_LINES_MAX}: two things live here");
        faults.push(source.fault(lines, rule));
    }
    for (index, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let rule = format!("{columns} columns, over {LINE_COLUMNS_MAX}");
            faults.push(source.fault(index + 1, rule));
        }
    }
}

fn check(sources: &[Source], order: &[&str]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in sources {
        check_order(source, order, &mut faults);
        check_clocks(source, &mut faults);
        check_doorways(source, &mut faults);
        check_size(source, &mut faults);
    }
    faults
}

/// Every Rust file below `folder`, in a fixed order; none where there is no such folder.
fn read_sources(root: &Path, folder: &str, sources: &mut Vec<Source>) {
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
fn the_sources_keep_to_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["crates", "src", "tests", "benches"] {
        read_sources(root, folder, &mut sources);
    }
    let mut order = Vec::new();
    for lib in CRATES.iter().map(|folder| format!("{folder}src/lib.rs")) {
        let source = sources.iter().find(|source| source.path == lib).expect("each has a lib.rs");
        order.extend(module_order(&source.text));
    }
    assert!(order.len() > 25, "each lib.rs lists its modules as `pub mod`: {order:?}");

    let faults = check(&sources, &order);
    let list: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", list.len(), list.join("\n"));

    for (who, whom, _) in EXCEPTIONS {
        let needed = sources.iter().filter(|source| source.module() == Some(who)).any(|source| {
            source.code().any(|(_, line)| names_after(line, "crate::").any(|name| name == *whom))
        });
        assert!(needed, "the exception for `{who}` to use `{whom}` is not needed any more");
    }
}

/// The rules that a file of this path and text breaks, without line numbers.
fn rules_broken(path: &str, text: &str) -> Vec<String> {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    let order = ["time", "clock", "camera", "frame", "detector", "outbox", "mqtt", "web", "app"];
    check(&[source], &order).into_iter().map(|fault| fault.rule).collect()
}

#[test]
fn the_check_finds_what_it_must() {
    for (path, text, part) in [
        ("src/camera/rtsp.rs", "use crate::frame::Frame;", "`camera` uses `frame`"),
        ("src/time.rs", "fn f(x: &crate::app::App) {}", "`time` uses `app`"),
        ("src/frame/mod.rs", "pub(crate) use crate::web;", "`frame` uses `web`"),
        ("src/app.rs", "use crate::{camera, web};", "a group hides"),
        ("src/attic.rs", "", "`attic` is not listed"),
        ("src/camera/mod.rs", "let t = std::time::Instant::now();", "`Instant::now` outside"),
        ("src/main.rs", "let t = SystemTime::now();", "`SystemTime::now` outside"),
        ("src/app.rs", "use ffmpeg_next as ffmpeg;", "`ffmpeg_next` outside `frame`"),
        ("src/app.rs", "    ort::init_from(path);", "`ort` outside `detector`"),
        ("src/app.rs", "use ::rumqttc::Client;", "`rumqttc` outside `mqtt`"),
        ("src/mqtt/mod.rs", "    db: sled::Db,", "`sled` outside `outbox`"),
        ("src/mqtt/mod.rs", "fn f(r: Vec<axum::Router>) {}", "`axum` outside `web`"),
        ("src/frame/clip.rs", "use retina;", "`retina` outside `camera`"),
        ("src/main.rs", "use retina::client::Session;", "`retina` outside `camera`"),
    ] {
        let rules = rules_broken(path, text);
        assert!(rules.iter().any(|r| r.contains(part)), "{path}: {text}: {part}: {rules:?}");
        assert_eq!(rules.len(), 1, "{path}: {text}: {rules:?}");
    }
    assert_eq!(rules_broken("tests/x.rs", &"x\n".repeat(601)).len(), 1);
    assert_eq!(rules_broken("benches/x.rs", &"ă".repeat(101)), ["101 columns, over 100"]);
}

#[test]
fn the_check_lets_through_what_is_right() {
    for (path, text) in [
        ("src/web/mod.rs", "use crate::outbox::Entry;\nuse axum::Router;"),
        ("src/camera/mod.rs", "use crate::camera::queue;\nuse crate::time::{Clock, Stamp};"),
        ("src/camera/mod.rs", "/// Feeds [`crate::frame`].\n// Instant::now is banned."),
        ("crates/runtime/src/clock.rs", "let now = std::time::Instant::now();"),
        ("src/camera/supervisor_tests.rs", "let from = tokio::time::Instant::now();"),
        ("src/camera/queue.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    Instant::now();\n}"),
        ("src/outbox/database.rs", "let db = sled::open(path)?;"),
        ("src/app.rs", "let log = crate::outbox::sled::Log::open(path)?; list.sort::<u8>();"),
        ("src/app.rs", "use crate::outbox::sled;\nlet log = sled::Log::open(path)?;"),
        ("src/app.rs", "fn export() { transport::open(\"rtsp://host\") }"),
        ("tests/x.rs", "let from = std::time::Instant::now(); let c = rumqttc::Client::new();"),
        ("src/main.rs", "//! The command.\nfn main() {}"),
        ("benches/x.rs", &"ă".repeat(100)),
    ] {
        assert_eq!(rules_broken(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn the_order_is_read_from_the_list_of_modules() {
    let lib = "//! pub mod comment;\npub mod time;\nmod hidden;\npub mod camera;\n";
    assert_eq!(module_order(lib), ["time", "camera"]);
}
