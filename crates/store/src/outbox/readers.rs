//! Readers that come and go with the configuration: where a new one begins, and what it leaves.

use super::Entry;
use super::Outbox;
use super::Sequence;
use super::database;
use super::database::Database;
use super::database::Result;

/// The tree of backlogs, which a new reader still has to read of before its beginning: sequences, a
/// reader a key.
const TREE: &str = "backlog";

/// The position of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderPosition {
    /// The sequence up to which it is done.
    pub cursor: Sequence,
    /// The entries before its cursor that it still has to read, oldest first: what was live at its
    /// first start. An entry of these may be gone, since a newer one of its subject has come.
    pub backlog: Vec<Sequence>,
}

impl Outbox {
    /// Returns the position of the reader `name`, and registers a new one. A new one begins at the
    /// present end of the log, and with the newest entry of each live subject; from now on nothing
    /// is pruned that it has not read.
    ///
    /// # Errors
    /// [`Error`](super::Error); it may then be tried again.
    pub fn register_reader(&self, name: &str) -> Result<ReaderPosition> {
        let key = database::cursor_key(name);
        let mut writer = self.writer()?;
        let known = self.read(|database, _| match database.place(&key)? {
            Some(cursor) => Ok(Some(ReaderPosition { cursor, backlog: backlog(database, name)? })),
            None => Ok(None),
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        let mut new = ReaderPosition { cursor: self.last(), backlog: Vec::new() };
        self.write(&mut writer, |database| {
            new.backlog = database.live()?;
            new.backlog.retain(|live| *live <= new.cursor);
            let tree = database.tree(TREE)?;
            // First, and on disk: with a cursor there is no second beginning.
            database.inserted(&tree, name.as_bytes(), bytes(&new.backlog))?;
            database.sync()?;
            let mut batch = ::sled::Batch::default();
            batch.insert(key, &new.cursor.0.to_be_bytes());
            database.commit(batch)
        })?;
        Ok(new)
    }

    /// Says that the reader `name` is done with what lies before its cursor, but for `left`.
    ///
    /// # Errors
    /// [`Error`](super::Error); more may then be read again after a restart.
    pub fn set_backlog(&self, name: &str, left: &[Sequence]) -> Result<()> {
        let mut writer = self.writer()?;
        self.write(&mut writer, |database| {
            database.inserted(&database.tree(TREE)?, name.as_bytes(), bytes(left))?;
            database.flush()
        })
    }

    /// Lets the reader `name` read `again` too before what lies behind its cursor; on the disk when
    /// this returns.
    pub(super) fn requeue(&self, name: &str, again: &[Sequence]) -> Result<()> {
        let mut writer = self.writer()?;
        self.write(&mut writer, |database| {
            let mut left = backlog(database, name)?;
            left.extend(again);
            left.sort_unstable();
            left.dedup();
            database.inserted(&database.tree(TREE)?, name.as_bytes(), bytes(&left))?;
            database.sync()
        })
    }

    /// Forgets each reader whose name begins with `prefix` and that `wanted` does not name, and
    /// what it has set aside; returns their names. Nothing is kept for them any more.
    ///
    /// # Errors
    /// [`Error`](super::Error); some may then be forgotten and others not.
    pub fn remove_reader(
        &self,
        prefix: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>> {
        let names = self.read(|database, _| database.cursor_names())?;
        let gone = names.into_iter().filter(|name| name.starts_with(prefix) && !wanted(name));
        let gone: Vec<String> = gone.collect();
        for name in &gone {
            let mut writer = self.writer()?;
            self.write(&mut writer, |database| {
                database.removed(&database.tree(TREE)?, name.as_bytes())?;
                let mut batch = ::sled::Batch::default();
                batch.remove(database::cursor_key(name));
                database.commit(batch)
            })?;
        }
        self.forget_letters(|letter| gone.contains(&letter.reader))?;
        Ok(gone)
    }

    /// The entries of `subject` among the `look` entries before `before`, oldest first.
    ///
    /// # Errors
    /// [`Error`](super::Error), as every call that reads the disk.
    pub fn history(&self, subject: &str, before: Sequence, look: usize) -> Result<Vec<Entry>> {
        let to = Sequence(before.0.saturating_sub(1));
        let mut found: Vec<Entry> = self.read(|database, last| {
            let newest_first = database.entries(Sequence(1), to.min(last)).rev().take(look);
            let of_it = newest_first.filter(|entry| match entry {
                Ok(entry) => *entry.subject == *subject,
                Err(_) => true,
            });
            of_it.collect::<Result<_>>()
        })?;
        found.reverse();
        Ok(found)
    }
}

fn backlog(database: &Database, name: &str) -> Result<Vec<Sequence>> {
    let found =
        database.tree(TREE)?.get(name.as_bytes()).map_err(|error| database.failed(error))?;
    let bytes = found.unwrap_or_default();
    Ok(bytes.chunks_exact(8).map(database::sequence).collect())
}

fn bytes(sequences: &[Sequence]) -> Vec<u8> {
    sequences.iter().flat_map(|sequence| sequence.0.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Append;
    use super::*;
    use crate::time::Wall;

    fn add(outbox: &Outbox, subject: &str, live: bool) -> Sequence {
        let append = Append { subject: subject.into(), live, wall: Wall(1), snapshot: None };
        outbox.append(append, |at| at.0.to_string().into_bytes()).unwrap()
    }

    #[test]
    fn new_reader_begins_at_the_end_with_live_subjects() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        for (subject, live) in [("a", true), ("b", true), ("a", true), ("b", false), ("c", true)] {
            add(&outbox, subject, live);
        }
        let new = outbox.register_reader("webhook/x").unwrap();
        assert_eq!(
            new,
            ReaderPosition { cursor: Sequence(5), backlog: vec![Sequence(3), Sequence(5)] }
        );
        add(&outbox, "d", true);
        outbox.set_backlog("webhook/x", &[Sequence(5)]).unwrap();
        outbox.advance("webhook/x", Sequence(6)).unwrap();
        drop(outbox);
        let outbox = Outbox::open(folder.path()).unwrap();
        let again = outbox.register_reader("webhook/x").unwrap();
        assert_eq!(again, ReaderPosition { cursor: Sequence(6), backlog: vec![Sequence(5)] });
    }

    #[test]
    fn removed_reader_does_not_hold_retention_back() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        outbox.advance("mqtt", Sequence(0)).unwrap();
        for reader in ["webhook/a", "webhook/b"] {
            outbox.register_reader(reader).unwrap();
            outbox.set_aside(reader, Sequence(1), "x", Wall(1)).unwrap();
        }
        add(&outbox, "s", false);
        add(&outbox, "s", false);
        assert_eq!(
            outbox.remove_reader("webhook/", |name| name == "webhook/b").unwrap(),
            ["webhook/a"]
        );
        assert_eq!(outbox.set_aside_count().unwrap(), 1);
        outbox.advance("mqtt", Sequence(2)).unwrap();
        assert_eq!(outbox.prune(Wall(9)).unwrap(), 0, "b has read nothing");
        outbox.remove_reader("webhook/", |_| false).unwrap();
        assert_eq!(outbox.prune(Wall(9)).unwrap(), 1);
        assert_eq!(outbox.cursor("mqtt").unwrap(), Sequence(2));
    }

    #[test]
    fn history_lists_one_subjects_entries() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        for subject in ["a", "b", "a", "b", "a"] {
            add(&outbox, subject, true);
        }
        let places = |before, look| -> Vec<u64> {
            let found = outbox.history("a", Sequence(before), look).unwrap();
            found.iter().map(|entry| entry.sequence.0).collect()
        };
        assert_eq!(places(5, 99), [1, 3]);
        assert_eq!(places(5, 2), [3]);
        assert_eq!(places(1, 99), [] as [u64; 0]);
        assert_eq!(places(99, 99), [1, 3, 5]);
    }
}
