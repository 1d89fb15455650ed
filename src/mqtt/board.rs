//! The board: what each retained status topic shall say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::watch;

use super::letter::Message;

/// The retained statuses, newest value a topic. Clones share it. Its bound is the number of
/// topics: an older value is overwritten, since only the newest one matters.
#[derive(Clone, Debug)]
pub struct Board {
    /// By topic. Held for a look-up only.
    values: Arc<Mutex<BTreeMap<String, Value>>>,
    version: watch::Sender<u64>,
}

#[derive(Debug)]
struct Value {
    /// The board's version when it was set.
    version: u64,
    payload: Arc<[u8]>,
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
        if values.get(topic).is_some_and(|value| *value.payload == *bytes) {
            return;
        }
        self.version.send_modify(|version| {
            *version += 1;
            values.insert(topic.to_owned(), Value { version: *version, payload: bytes.into() });
        });
    }

    /// Wakes at each change.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// What was set behind `version`, and the version now.
    pub(super) fn since(&self, version: u64) -> (Vec<Message>, u64) {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = values.iter().filter(|(_, value)| value.version > version);
        let message = |(topic, value): (&String, &Value)| Message {
            topic: topic.clone(),
            retain: true,
            payload: value.payload.clone(),
        };
        (newer.map(message).collect(), *self.version.borrow())
    }

    /// What `topic` says.
    pub(super) fn get(&self, topic: &str) -> Option<Arc<[u8]>> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(topic).map(|value| value.payload.clone())
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
        let newer = board.since(version).0;
        assert!(newer.len() == 1 && newer[0].topic == "a" && *newer[0].payload == *b"2");
    }
}
