//! The system's figures of a process: processor time of each thread, and memory.

use std::collections::BTreeMap;
use std::path::Path;

/// Clock ticks a second in `/proc`; Linux has told programs 100 for decades.
const TICKS: f64 = 100.0;

/// Processor seconds by kind of thread, since the process began; of threads that have ended, under
/// the kind "rest".
pub(crate) fn seconds(pid: u32) -> BTreeMap<String, f64> {
    let mut by_kind = BTreeMap::new();
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return by_kind };
    for thread in threads.flatten() {
        if let Some((name, seconds)) = told(&thread.path()) {
            *by_kind.entry(kind(&name).to_owned()).or_default() += seconds;
        }
    }
    let ended = total(pid) - by_kind.values().sum::<f64>();
    *by_kind.entry("rest".to_owned()).or_default() += ended.max(0.0);
    by_kind
}

/// Processor seconds since the process began.
pub(crate) fn total(pid: u32) -> f64 {
    told(Path::new(&format!("/proc/{pid}"))).map_or(0.0, |(_, seconds)| seconds)
}

/// Of a thread, or of a process with all that it ever had: its name, and user and system time.
fn told(path: &Path) -> Option<(String, f64)> {
    let stat = std::fs::read_to_string(path.join("stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = tail.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((name.to_owned(), (ticks()? + ticks()?) / TICKS))
}

fn kind(thread: &str) -> &str {
    match thread.split(['-', '_']).next().unwrap_or_default() {
        "decode" => "decode",
        "detect" => "detect",
        "outbox" | "diary" => "store",
        _ => "rest",
    }
}

/// Resident memory and its peak, in MiB.
pub(crate) fn memory(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.unwrap_or_default() / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}
