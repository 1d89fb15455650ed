//! `keng check --store`: whether what is on the disk is whole, and what is lost where not; what
//! could not be delivered, and whether it is tried once more.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;
use std::path::Path;

use super::args::{Args, CheckOutcome};
use crate::audit;
use crate::config::Settings;
use crate::ledger;
use crate::mqtt;
use crate::outbox;
use crate::outbox::DeadLetter;
use crate::outbox::Error;
use crate::outbox::Outbox;
use crate::outbox::StoreFault;
use crate::outbox::StoreReport;
use crate::time::Wall;

/// Verifies the store of `settings`. What holds goes to `out`, faults go to `err`.
pub(super) fn run(
    settings: &Settings,
    args: &Args,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<CheckOutcome> {
    let path = &settings.store.path;
    let alerts = match outbox::verify(path, args.repair) {
        Ok(verdict) => {
            let outcome = report(&verdict, args.repair, out, err)?;
            set_aside(&verdict.set_aside, settings, out)?;
            outcome
        }
        Err(Error::Locked { path }) => {
            let path = path.display();
            writeln!(err, "a daemon is at work on {path}; stop it first: this works offline only")?;
            return Ok(CheckOutcome::Damaged);
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(CheckOutcome::Damaged);
        }
    };
    let log = audit_log(path, out, err)?;
    ledger(path, out, err)?;
    if alerts == CheckOutcome::Good && log == CheckOutcome::Good {
        let what = if args.repair { "consistent" } else { "whole" };
        writeln!(out, "the store is {what}")?;
    }
    if alerts != CheckOutcome::Good {
        return Ok(alerts);
    }
    let changed = change(path, args, out, err)?;
    Ok(if log == CheckOutcome::Good { changed } else { log })
}

/// Writes what each reader has given up on, with the newest reason.
fn set_aside(letters: &[DeadLetter], settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let mut readers: BTreeMap<&str, Vec<&DeadLetter>> = BTreeMap::new();
    for letter in letters {
        readers.entry(&letter.reader).or_default().push(letter);
    }
    for (reader, letters) in &readers {
        let Some(newest) = letters.last() else { continue };
        let (count, at) = (letters.len(), newest.at.to_rfc3339(&settings.ward.timezone));
        let (last, reason) = (newest.sequence.0, &newest.reason);
        writeln!(out, "undelivered  {count} by {reader}; the newest is {last}, {at}: {reason}")?;
    }
    if !readers.is_empty() {
        writeln!(out, "  --retry READER delivers them once more, --forget READER forgets them")?;
    }
    Ok(())
}

/// Retries or forgets what was set aside, as asked for.
fn change(
    path: &Path,
    args: &Args,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<CheckOutcome> {
    let changed = match (&args.retry, &args.forget) {
        (Some(reader), _) if reader == mqtt::CURSOR => {
            // A revision that comes after newer ones is no news; its state is said on connecting.
            writeln!(
                err,
                "mqtt sends none once more; with --forget mqtt it says those that go on"
            )?;
            return Ok(CheckOutcome::Damaged);
        }
        (Some(reader), _) => Outbox::open(path)
            .and_then(|outbox| outbox.retry_set_aside(reader))
            .map(|count| format!("{count} of {reader} will be delivered once more")),
        (None, Some(reader)) => Outbox::open(path)
            .and_then(|outbox| outbox.forget_set_aside(reader))
            .map(|count| format!("{count} of {reader} forgotten")),
        (None, None) => return Ok(CheckOutcome::Good),
    };
    match changed {
        Ok(words) => {
            writeln!(out, "{words}")?;
            Ok(CheckOutcome::Good)
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            Ok(CheckOutcome::Damaged)
        }
    }
}

/// As `keng audit verify`. It is never mended: it would be no evidence.
fn audit_log(path: &Path, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<CheckOutcome> {
    match audit::verify(path, None) {
        Ok(summary) => {
            match summary.head.number {
                0 => writeln!(out, "audit    empty")?,
                last => {
                    writeln!(out, "audit    {} to {last} follow from each other", summary.first)?;
                }
            }
            Ok(CheckOutcome::Good)
        }
        Err(error) => {
            writeln!(
                err,
                "the audit log does not check out: {error}; --repair leaves it as it is"
            )?;
            Ok(CheckOutcome::Damaged)
        }
    }
}

/// Writes what is damaged in the ledger, which counts as no fault: reports pass over it, nothing
/// else reads it, and it can't be brought back.
fn ledger(path: &Path, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
    match ledger::Folder::of(path).read(Wall(i64::MIN)) {
        Ok(book) => {
            writeln!(out, "ledger   {} incidents", book.cases.len())?;
            if book.damaged > 0 {
                let damaged = book.damaged;
                writeln!(err, "{damaged} lines of the ledger are damaged; reports lack them")?;
            }
            Ok(())
        }
        Err(error) => writeln!(err, "the ledger can't be read: {error}"),
    }
}

fn report(
    verdict: &StoreReport,
    repair: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<CheckOutcome> {
    let StoreReport { entries, last, pruned, lost_before, .. } = verdict;
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
        (true, _) | (false, true) => Ok(CheckOutcome::Good),
        (false, false) => {
            writeln!(err, "--repair mends what can be mended")?;
            Ok(CheckOutcome::Damaged)
        }
    }
}

/// Returns what a repair has done about it.
fn mended(fault: &StoreFault) -> &'static str {
    match fault {
        StoreFault::Unreadable(_) => "set aside; a new log begins behind the last known sequence",
        StoreFault::Lost(..) => "noted; they can't be brought back, and their numbers stay unused",
        StoreFault::Damaged(_) => "noted as lost; readers pass them",
        StoreFault::CursorBeyond(..) => "set back to the end of the log",
        StoreFault::Index(_) => "built anew from the alerts",
        StoreFault::SnapshotsMissing(_) => "noted; the alerts stay without them",
        StoreFault::SnapshotsOrphaned(_) => "deleted",
    }
}
