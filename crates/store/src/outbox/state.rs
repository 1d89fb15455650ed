//! State of callers: small facts beside the log, durable in the very write of the entries that they
//! come with, so that none is there without the other.
//!
//! What they say is the caller's affair, and so is their number: there is no retention here.

use ::sled::Batch;

use super::database::{Database, Result};
use super::{Sequence, database};

/// A change of the state that is kept beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// `value` stands at `key` from now on.
    Put {
        /// Up to a few hundred bytes.
        key: Vec<u8>,
        /// Up to a few thousand.
        value: Vec<u8>,
    },
    /// Nothing stands at `key` any more.
    Delete {
        /// The key as it was put.
        key: Vec<u8>,
    },
}

/// Bytes of the place before a note's value: of the last entry that it came with, 0 for none.
const PLACE: usize = 8;

/// Reads the state at keys that begin with `prefix`: keys and values, by key.
pub(super) fn read(database: &Database, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for item in database.raw(&state_key(prefix)) {
        let (key, value) = item?;
        let value = value.get(PLACE..).unwrap_or_default();
        found.push((key[1..].to_vec(), value.to_vec()));
    }
    Ok(found)
}

/// Adds `notes` to `batch`, which come with the entry at `last`.
pub(super) fn insert(batch: &mut Batch, state: &[StateChange], last: Option<Sequence>) {
    let place = last.unwrap_or_default().0.to_be_bytes();
    for note in state {
        match note {
            StateChange::Put { key, value } => {
                batch.insert(state_key(key), [&place[..], value.as_slice()].concat());
            }
            StateChange::Delete { key } => batch.remove(state_key(key)),
        }
    }
}

/// Takes back in `batch` what came with entries behind `last`: they count as never written.
pub(super) fn take_back(database: &Database, batch: &mut Batch, last: Sequence) -> Result<()> {
    for item in database.raw(&state_key(b"")) {
        let (key, value) = item?;
        if value.get(..PLACE).map(database::sequence).is_some_and(|place| place > last) {
            batch.remove(key);
        }
    }
    Ok(())
}

fn state_key(key: &[u8]) -> Vec<u8> {
    [b"k", key].concat()
}

#[cfg(test)]
mod tests {
    use super::super::{Append, Outbox};
    use super::*;
    use crate::time::Wall;

    fn keep(key: &str, value: &str) -> StateChange {
        StateChange::Put { key: key.into(), value: value.into() }
    }

    fn entry(subject: &str) -> (Append, impl FnOnce(Sequence) -> Vec<u8> + Clone) {
        let append = Append { subject: subject.into(), live: true, wall: Wall(1), snapshot: None };
        (append, |_| b"{}".to_vec())
    }

    fn pair(key: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
        (key.into(), value.into())
    }

    #[test]
    fn state_is_written_with_entries_or_alone_and_survives_reopen() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let state = [keep("a/1", "x"), keep("b/1", "y")];
        assert_eq!(outbox.append_with_state(vec![entry("s")], &state).unwrap(), Sequence(1));
        let mut none = vec![entry("s")];
        none.clear();
        let state = [keep("a/2", "z"), StateChange::Delete { key: b"b/1".to_vec() }];
        assert_eq!(outbox.append_with_state(none, &state).unwrap(), Sequence(1));
        drop(outbox);
        let outbox = Outbox::open(folder.path()).unwrap();
        assert_eq!(outbox.state(b"a/").unwrap(), [pair("a/1", "x"), pair("a/2", "z")]);
        assert_eq!(outbox.state(b"b").unwrap(), []);
        assert_eq!(outbox.last(), Sequence(1));
    }

    #[test]
    fn state_of_an_unwritten_entry_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        outbox.append_with_state(vec![entry("s")], &[keep("old", "x")]).unwrap();
        outbox.append_with_state(vec![entry("s")], &[keep("new", "y")]).unwrap();
        drop(outbox);
        let database = Database::open(&folder.path().join("outbox")).unwrap();
        let mut batch = Batch::default();
        take_back(&database, &mut batch, Sequence(1)).unwrap();
        database.commit(batch).unwrap();
        drop(database);
        let outbox = Outbox::open(folder.path()).unwrap();
        assert_eq!(outbox.state(b"").unwrap(), [pair("old", "x")]);
    }
}
