//! Instructions of a function with all that it calls, by Valgrind's callgrind.

use std::collections::BTreeMap;
use std::process::Command;

/// The reason why nothing was counted.
pub(crate) struct Missing(pub(crate) String);

/// Runs this program again under callgrind, and answers with the instructions of one call of each
/// function `once` of the types in `names`.
pub(crate) fn count(
    names: &[(&'static str, &'static str)],
) -> Result<Vec<(&'static str, f64)>, Missing> {
    let missing = |why: &str| Missing(why.to_owned());
    let folder = tempfile::tempdir().map_err(|error| Missing(error.to_string()))?;
    let file = folder.path().join("callgrind.out");
    let program = std::env::current_exe().map_err(|error| Missing(error.to_string()))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=99"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .arg("--run")
        .output()
        .map_err(|_| missing("valgrind is not installed: make setup-test"))?;
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    if !output.status.success() || text.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = said.lines().rev().take(3).collect();
        return Err(Missing(format!("valgrind: {}", tail.join(" / "))));
    }
    let costs = inclusive(&text);
    let of = |(name, kind): &(&'static str, &str)| {
        let found = costs.iter().filter(|(function, _)| is_once(function, kind));
        let (calls, spent) = found.fold((0, 0), |sum, (_, cost)| (sum.0 + cost.0, sum.1 + cost.1));
        assert!(calls > 0, "{kind}::once was called, but callgrind does not know it");
        (*name, spent as f64 / calls as f64)
    };
    Ok(names.iter().map(of).collect())
}

/// Tells whether the symbol is `once` of the type `kind`, whatever the compiler adds.
fn is_once(function: &str, kind: &str) -> bool {
    let mut words = function.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| word == kind) && function.contains("::once")
}

/// Calls and inclusive cost of each function: callgrind notes both with every caller, as
/// `calls=COUNT …` and a line that ends in the cost. Names are written out once, then numbered.
fn inclusive(text: &str) -> BTreeMap<&str, (u64, u64)> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut costs: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut callee = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (number, written) = name.split_once(')').unwrap_or((name, ""));
            if !written.trim().is_empty() {
                names.insert(number, written.trim());
            }
            callee = names.get(number).copied().unwrap_or_default();
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split(' ').next().and_then(|count| count.parse::<u64>().ok());
            let cost = lines.next().and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            let known = costs.entry(callee).or_default();
            known.0 += count.unwrap_or_default();
            known.1 += cost.unwrap_or_default();
        }
    }
    costs
}
