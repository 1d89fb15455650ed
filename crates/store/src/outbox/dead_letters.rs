//! Dead letters: entries that a reader has set aside, since it can never pass them on.
//!
//! A tree of its own in the same database. The entry itself stays in the log for as long as any
//! other; kept here is who gave up on it, when and why. A reader has 256 letters at most; its
//! oldest is then forgotten, and `keng_set_aside_total` has counted it.

use super::Outbox;
use super::Sequence;
use super::database;
use super::database::Database;
use super::database::Result;
use crate::time::Wall;

/// Letters kept of one reader.
pub const DEAD_LETTERS_MAX: usize = 256;
/// Longer reasons are cut, characters.
const REASON_MAX: usize = 300;

const TREE: &str = "dead";

/// An entry that a reader has given up on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The reader: its cursor's name.
    pub reader: String,
    /// The sequence of the entry.
    pub sequence: Sequence,
    /// The time at which it was set aside.
    pub at: Wall,
    /// The reason in words for people.
    pub reason: String,
}

impl Outbox {
    /// Sets the entry at `sequence` aside for `reader`, durably; the same one twice counts once.
    /// The caller moves its cursor past it afterwards. Returns how many letters there are now, of
    /// all readers.
    ///
    /// # Errors
    /// [`Error`](super::Error); it then counts as not set aside.
    pub fn set_aside(
        &self,
        reader: &str,
        sequence: Sequence,
        reason: &str,
        at: Wall,
    ) -> Result<usize> {
        let key = key(reader, sequence);
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
        let value = [&at.0.to_be_bytes()[..], reason.as_bytes()].concat();
        let mut count = 0;
        let mut writer = self.writer()?;
        self.write(&mut writer, |database| {
            let tree = database.tree(TREE)?;
            database.inserted(&tree, &key, value)?;
            let prefix = &key[..key.len() - 8];
            let mut own = Vec::new();
            for found in tree.scan_prefix(prefix).keys() {
                own.push(found.map_err(|error| database.failed(error))?);
            }
            for oldest in own.iter().take(own.len().saturating_sub(DEAD_LETTERS_MAX)) {
                database.removed(&tree, oldest)?;
            }
            database.sync()?;
            count = tree.len();
            Ok(())
        })?;
        Ok(count)
    }

    /// Everything that was set aside, by reader and then by sequence.
    ///
    /// # Errors
    /// [`Error`](super::Error), as every call that reads the disk.
    pub fn set_aside_list(&self) -> Result<Vec<DeadLetter>> {
        self.read(|database, _| letters(database))
    }

    /// Returns the number of entries that were set aside and are still kept.
    ///
    /// # Errors
    /// [`Error`](super::Error), as every call that reads the disk.
    pub fn set_aside_count(&self) -> Result<usize> {
        self.read(|database, _| Ok(database.tree(TREE)?.len()))
    }

    /// Gives what `reader` has set aside to it once more: it reads that first at its next start,
    /// whatever it has read since. Returns how many.
    ///
    /// # Errors
    /// [`Error`](super::Error); some may then be read once more and stand here all the same.
    pub fn retry_set_aside(&self, reader: &str) -> Result<usize> {
        let letters = self.set_aside_list()?.into_iter().filter(|l| l.reader == reader);
        let again: Vec<Sequence> = letters.map(|letter| letter.sequence).collect();
        if !again.is_empty() {
            self.requeue(reader, &again)?;
        }
        self.forget_set_aside(reader)
    }

    /// Forgets what `reader` has set aside. Returns how many.
    ///
    /// # Errors
    /// [`Error`](super::Error), as every call that writes to the disk.
    pub fn forget_set_aside(&self, reader: &str) -> Result<usize> {
        self.forget_letters(|letter| letter.reader == reader)
    }

    /// Forgets the letters that `unwanted` names; returns how many.
    pub(super) fn forget_letters(&self, unwanted: impl Fn(&DeadLetter) -> bool) -> Result<usize> {
        let old: Vec<DeadLetter> = self.set_aside_list()?.into_iter().filter(unwanted).collect();
        if old.is_empty() {
            return Ok(0);
        }
        let mut writer = self.writer()?;
        self.write(&mut writer, |database| {
            let tree = database.tree(TREE)?;
            for letter in &old {
                database.removed(&tree, &key(&letter.reader, letter.sequence))?;
            }
            database.sync()
        })?;
        Ok(old.len())
    }
}

pub(super) fn letters(database: &Database) -> Result<Vec<DeadLetter>> {
    let mut found = Vec::new();
    for item in database.tree(TREE)?.iter() {
        let (key, value) = item.map_err(|error| database.failed(error))?;
        // What is no letter was not written here.
        found.extend(letter(&key, &value));
    }
    Ok(found)
}

/// The reader's name, which has no zero byte, a zero byte, and the sequence.
fn key(reader: &str, sequence: Sequence) -> Vec<u8> {
    [reader.as_bytes(), &[0], &sequence.0.to_be_bytes()].concat()
}

fn letter(key: &[u8], value: &[u8]) -> Option<DeadLetter> {
    let (head, sequence) = key.split_at_checked(key.len().checked_sub(8)?)?;
    let (at, reason) = value.split_at_checked(8)?;
    Some(DeadLetter {
        reader: String::from_utf8_lossy(head.strip_suffix(&[0])?).into_owned(),
        sequence: database::sequence(sequence),
        at: Wall(i64::from_be_bytes(at.try_into().ok()?)),
        reason: String::from_utf8_lossy(reason).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Outbox {
        Outbox::open(folder.path()).unwrap()
    }

    #[test]
    fn dead_letters_survive_a_restart_and_count_once() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = open(&folder);
        for reader in ["mqtt", "webhook/chat"] {
            for _ in 0..2 {
                outbox.set_aside(reader, Sequence(7), "HTTP 400\u{7}", Wall(5)).unwrap();
            }
        }
        drop(outbox);
        let outbox = open(&folder);
        assert_eq!(outbox.set_aside_count().unwrap(), 2);
        let first = DeadLetter {
            reader: "mqtt".to_owned(),
            sequence: Sequence(7),
            at: Wall(5),
            reason: "HTTP 400".to_owned(),
        };
        assert_eq!(outbox.set_aside_list().unwrap()[0], first);
    }

    #[test]
    fn dead_letters_are_read_again_on_retry() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = open(&folder);
        let backlog = |outbox: &Outbox, reader| outbox.register_reader(reader).unwrap().backlog;
        for reader in ["webhook/a", "webhook/b"] {
            outbox.register_reader(reader).unwrap();
            for at in [9, 7] {
                outbox.set_aside(reader, Sequence(at), "HTTP 400", Wall(1)).unwrap();
            }
        }
        outbox.set_backlog("webhook/a", &[Sequence(7), Sequence(8)]).unwrap();
        assert_eq!(outbox.retry_set_aside("webhook/a").unwrap(), 2);
        assert_eq!(outbox.retry_set_aside("webhook/a").unwrap(), 0);
        assert_eq!(outbox.forget_set_aside("webhook/b").unwrap(), 2);
        drop(outbox);
        let outbox = open(&folder);
        assert_eq!(backlog(&outbox, "webhook/a"), [Sequence(7), Sequence(8), Sequence(9)]);
        assert_eq!(backlog(&outbox, "webhook/b"), []);
        assert_eq!(outbox.set_aside_count().unwrap(), 0);
    }

    #[test]
    fn each_reader_keeps_its_newest_dead_letters() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = open(&folder);
        outbox.set_aside("b", Sequence(1), "x", Wall(1)).unwrap();
        for sequence in 1..=DEAD_LETTERS_MAX as u64 + 3 {
            outbox.set_aside("a", Sequence(sequence), "x", Wall(1)).unwrap();
        }
        let list = outbox.set_aside_list().unwrap();
        assert_eq!(list.len(), DEAD_LETTERS_MAX + 1);
        assert_eq!(list[0].sequence, Sequence(4));
        assert_eq!(list.last().unwrap().reader, "b");
    }

    #[test]
    fn dead_letters_are_pruned_with_their_alerts() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = open(&folder);
        outbox.set_aside("a", Sequence(1), "x", Wall(1)).unwrap();
        outbox.set_aside("a", Sequence(2), "x", Wall(9)).unwrap();
        outbox.prune(Wall(5)).unwrap();
        assert_eq!(outbox.set_aside_list().unwrap()[0].sequence, Sequence(2));
    }

    #[test]
    fn invalid_bytes_are_no_dead_letter() {
        for (key, value) in [(&b""[..], &b""[..]), (b"a12345678", b"12345678"), (b"a", b"")] {
            assert_eq!(letter(key, value), None);
        }
    }
}
