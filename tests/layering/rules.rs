//! The rules that one file alone can break: the order, clocks, foreign types, sizes.

use crate::source::{Crate, Fault, Source};

/// Uses against the order that we want all the same: who, whom, why.
pub(crate) const EXCEPTIONS: &[(&str, &str, &str)] = &[];

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

/// Words that a doc comment does not begin with: it says a subject, an action and a reason.
const NO_SUBJECT: &[&str] = &[
    "How", "Nobody", "Somebody", "What", "When", "Where", "Whether", "Which", "Who", "Whom",
    "Whose", "Why",
];

const FILE_LINES_MAX: usize = 600;
const LINE_COLUMNS_MAX: usize = 100;

/// The names that follow each `prefix` in `line`; a brace counts as a name.
pub(crate) fn names_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
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

/// Tells whether `line` names the crate `name` at the start of a path.
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

/// Uses of modules that stand later in the same crate, or that can't be told.
fn check_order(source: &Source, order: &[String], faults: &mut Vec<Fault>) {
    let Some(module) = source.module() else { return };
    let Some(place) = order.iter().position(|name| *name == module) else {
        faults.push(source.fault(1, format!("`{module}` is not listed in its crate's src/lib.rs")));
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

/// Uses of crates that stand later; tests inside of `src/` may use them.
fn check_crates(source: &Source, crates: &[Crate], at: usize, faults: &mut Vec<Fault>) {
    if source.is_test() {
        return;
    }
    let tests_from = source.tests_from();
    for later in &crates[at + 1..] {
        let code = source.code().filter(|(number, _)| *number < tests_from);
        for (number, _) in code.filter(|(_, line)| names_crate(line, &later.name)) {
            let (who, whom) = (&crates[at].name, &later.name);
            faults.push(source.fault(number, format!("`{who}` uses `{whom}`, which stands after")));
        }
    }
}

/// Tells whether it becomes part of the daemon: the tests' kit may do what tests may.
fn is_shipped(source: &Source) -> bool {
    source.place().is_some_and(|(folder, _)| folder != "testkit")
}

fn check_clocks(source: &Source, faults: &mut Vec<Fault>) {
    // Tests measure; what they measure must not.
    if !is_shipped(source) || source.path == CLOCK_FILE || source.is_test() {
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
    if !is_shipped(source) {
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
            let rule = format!("`{name}` outside src/{owner}: its types stay behind that doorway");
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

fn check_docs(source: &Source, faults: &mut Vec<Fault>) {
    if source.place().is_none() || source.is_test() {
        return;
    }
    let mut before = "";
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        let marker = ["///", "//!"].into_iter().find(|marker| line.starts_with(marker));
        let first = marker.filter(|marker| *marker != before);
        if let Some(text) = first.and_then(|marker| line.strip_prefix(marker)) {
            let word = text.split_whitespace().next().unwrap_or_default();
            let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            if NO_SUBJECT.contains(&word) {
                let rule = format!("a doc comment begins with `{word}`: name its subject");
                faults.push(source.fault(index + 1, rule));
            }
        }
        before = marker.unwrap_or_default();
    }
}

/// All that single files break; the crates stand in their order.
pub(crate) fn check(sources: &[Source], crates: &[Crate]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in sources {
        if let Some((folder, _)) = source.place() {
            match crates.iter().position(|one| one.folder == folder) {
                Some(at) => {
                    check_order(source, &crates[at].order, &mut faults);
                    check_crates(source, crates, at, &mut faults);
                }
                None => faults.push(source.fault(1, format!("the crate `{folder}` has no place"))),
            }
        }
        check_clocks(source, &mut faults);
        check_doorways(source, &mut faults);
        check_docs(source, &mut faults);
        check_size(source, &mut faults);
    }
    faults
}

/// The rules that a file of this path and text breaks, without line numbers.
#[cfg(test)]
fn rules_broken(path: &str, text: &str) -> Vec<String> {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    let modules = ["time", "camera", "frame", "detector", "outbox", "mqtt", "web", "app"];
    let root = Crate::new("", "keng", modules.map(str::to_owned).to_vec());
    let core = Crate::new("core", "keng_core", vec!["ward".to_owned(), "track".to_owned()]);
    let runtime = Crate::new("runtime", "keng_runtime", vec!["clock".to_owned()]);
    check(&[source], &[core, runtime, root]).into_iter().map(|fault| fault.rule).collect()
}

#[test]
fn the_check_finds_what_it_must() {
    for (path, text, part) in [
        ("src/camera/rtsp.rs", "use crate::frame::Frame;", "`camera` uses `frame`"),
        ("src/time.rs", "fn f(x: &crate::app::App) {}", "`time` uses `app`"),
        ("src/frame/mod.rs", "pub(crate) use crate::web;", "`frame` uses `web`"),
        ("src/app.rs", "use crate::{camera, web};", "a group hides"),
        ("src/attic.rs", "", "`attic` is not listed"),
        ("crates/core/src/ward.rs", "use crate::track::Id;", "`ward` uses `track`"),
        ("crates/core/src/ward/id.rs", "use keng::web;", "`keng_core` uses `keng`"),
        ("crates/core/src/track.rs", "let t = Instant::now();", "`Instant::now` outside"),
        ("crates/core/src/track.rs", "use sled::Db;", "`sled` outside src/outbox"),
        ("crates/attic/src/lib.rs", "", "the crate `attic` has no place"),
        ("src/camera/mod.rs", "let t = std::time::Instant::now();", "`Instant::now` outside"),
        ("src/main.rs", "let t = SystemTime::now();", "`SystemTime::now` outside"),
        ("src/app.rs", "use ffmpeg_next as ffmpeg;", "`ffmpeg_next` outside src/frame"),
        ("src/app.rs", "    ort::init_from(path);", "`ort` outside src/detector"),
        ("src/app.rs", "use ::rumqttc::Client;", "`rumqttc` outside src/mqtt"),
        ("src/mqtt/mod.rs", "    db: sled::Db,", "`sled` outside src/outbox"),
        ("src/mqtt/mod.rs", "fn f(r: Vec<axum::Router>) {}", "`axum` outside src/web"),
        ("src/frame/clip.rs", "use retina;", "`retina` outside src/camera"),
        ("src/main.rs", "use retina::client::Session;", "`retina` outside src/camera"),
        ("src/main.rs", "//! Who is it.", "begins with `Who`"),
        ("src/app.rs", "    /// What.\n    /// Whether.\n    a: u8,", "begins with `What`"),
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
        ("src/outbox/sled.rs", "let db = sled::open(path)?;"),
        ("src/app.rs", "let log = crate::outbox::sled::Log::open(path)?; list.sort::<u8>();"),
        ("src/app.rs", "use crate::outbox::sled;\nlet log = sled::Log::open(path)?;"),
        ("src/app.rs", "fn export() { transport::open(\"rtsp://host\") }"),
        ("tests/x.rs", "let from = std::time::Instant::now(); let c = rumqttc::Client::new();"),
        ("src/main.rs", "//! The command.\nfn main() {}"),
        ("benches/x.rs", &"ă".repeat(100)),
        ("src/app.rs", "/// Sets it.\n/// What follows is new.\nfn set() {} // Who knows."),
        ("src/web/mod.rs", "use keng_core::track::Track;"),
        ("crates/core/src/track.rs", "use crate::ward::Id;\nmod tests {\n    use keng::web;\n}"),
        ("crates/core/tests/x.rs", "let from = std::time::Instant::now(); use keng::web;"),
    ] {
        assert_eq!(rules_broken(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
