//! The board: what each retained status topic shall say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::watch;

/// The retained statuses, newest value a topic. Clones share it. Its bound is the number of
/// topics: an older value is overwritten, since only the newest one matters.
#[derive(Clone, Debug)]
pub struct Board {
    /// By topic: the version at which it was set, and its bytes. Held for a look-up only.
    values: Arc<Mutex<BTreeMap<String, (u64, Arc<[u8]>)>>>,
    version: watch::Sender<u64>,
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        Self { values: Arc::default(), version: watch::Sender::new(0) }
    }

    /// What `topic` says from now on; nothing: the broker forgets it. Saying the same again
    /// sends nothing.
    pub fn set(&self, topic: &str, bytes: &[u8]) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.get(topic).is_some_and(|(_, known)| **known == *bytes) {
            return;
        }
        self.version.send_modify(|version| {
            *version += 1;
            values.insert(topic.to_owned(), (*version, bytes.into()));
        });
    }

    /// Wakes at each change.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// What was set behind `version`, and the version now.
    pub(super) fn since(&self, version: u64) -> (Vec<(String, Arc<[u8]>)>, u64) {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = values.iter().filter(|(_, (set, _))| *set > version);
        let newer = newer.map(|(topic, (_, bytes))| (topic.clone(), bytes.clone())).collect();
        (newer, *self.version.borrow())
    }

    /// What `topic` says.
    pub(super) fn get(&self, topic: &str) -> Option<Arc<[u8]>> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(topic).map(|(_, bytes)| bytes.clone())
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_told() {
        let board = Board::new();
        board.set("a", b"1");
        board.set("b", b"1");
        let (all, version) = board.since(0);
        assert_eq!(all.len(), 2);
        board.set("a", b"1");
        assert!(board.since(version).0.is_empty());
        board.set("a", b"2");
        assert_eq!(board.since(version).0, [("a".to_owned(), Arc::from(*b"2"))]);
    }
}
