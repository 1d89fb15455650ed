//! `keng check --store`: whether the alerts on the disk are whole, and what is lost where not.

use std::io;
use std::io::Write;
use std::path::Path;

use super::check::Outcome;
use crate::outbox;
use crate::outbox::Error;
use crate::outbox::Fault;
use crate::outbox::Verdict;

/// Verifies the store in the folder `path`. What holds goes to `out`, faults go to `err`.
pub(super) fn run(
    path: &Path,
    repair: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Outcome> {
    match outbox::verify(path, repair) {
        Ok(verdict) => report(&verdict, repair, out, err),
        Err(Error::Locked { path }) => {
            let path = path.display();
            writeln!(err, "a daemon is at work on {path}; stop it first: this works offline only")?;
            Ok(Outcome::Damaged)
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            Ok(Outcome::Damaged)
        }
    }
}

fn report(
    verdict: &Verdict,
    repair: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Outcome> {
    let Verdict { entries, last, pruned, lost_before, .. } = verdict;
    writeln!(out, "alerts   {entries} whole, the last one is {}", last.0)?;
    writeln!(out, "deleted  {pruned} by retention")?;
    if *lost_before > 0 {
        writeln!(out, "lost     {lost_before}, noted by an earlier repair")?;
    }
    for (name, at) in &verdict.cursors {
        writeln!(out, "reader   {name} is done up to {}", at.0)?;
    }
    for fault in &verdict.faults {
        writeln!(err, "{fault}")?;
        if repair {
            writeln!(err, "  {}", mended(fault))?;
        }
    }
    if let Some(aside) = &verdict.aside {
        writeln!(err, "the damaged store is now in {}", aside.display())?;
    }
    match (verdict.faults.is_empty(), repair) {
        (true, _) => {
            writeln!(out, "the store is whole")?;
            Ok(Outcome::Good)
        }
        (false, true) => {
            writeln!(out, "the store is consistent again")?;
            Ok(Outcome::Good)
        }
        (false, false) => {
            writeln!(err, "--repair mends what can be mended")?;
            Ok(Outcome::Damaged)
        }
    }
}

/// What a repair has done about it.
fn mended(fault: &Fault) -> &'static str {
    match fault {
        Fault::Unreadable(_) => "set aside; a new log begins behind the last known sequence",
        Fault::Lost(..) => "noted; they can't be brought back, and their numbers stay unused",
        Fault::Damaged(_) => "noted as lost; readers pass them",
        Fault::CursorBeyond(..) => "set back to the end of the log",
        Fault::Index(_) => "built anew from the alerts",
        Fault::SnapshotsMissing(_) => "noted; the alerts stay without them",
        Fault::SnapshotsOrphaned(_) => "deleted",
    }
}
