//! The board: what each retained status topic shall say.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::watch;

use super::message::Message;

/// The retained statuses, newest value a topic. Clones share it. Its bound is the number of
/// topics: an older value is overwritten, since only the newest one matters.
#[derive(Clone, Debug)]
pub struct RetainedTopics {
    /// By topic. Held for a look-up only.
    values: Arc<Mutex<BTreeMap<String, Value>>>,
    version: watch::Sender<u64>,
    ears: Arc<Mutex<Option<BirthListener>>>,
    claim: Arc<Mutex<Option<Claim>>>,
}

/// Retained topics that are ours alone.
#[derive(Debug)]
struct Claim {
    /// All that may be.
    filter: String,
    /// Those that there are.
    topics: BTreeSet<String>,
}

/// The subscriptions beside those of commands: to the births of those who want everything said
/// again, and to what was left under our name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BirthListener {
    /// The topic that says `online` when somebody comes who wants all topics that begin with
    /// `refreshed`.
    pub birth: String,
    /// The beginning of those topics.
    pub refreshed: String,
    /// The beginning and the end of retained topics of ours, one level between them: what the
    /// board does not say there is left over and is cleared.
    pub own: (String, String),
}

/// The effect of a message that was meant for the retained topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// Nothing more is to be done.
    Noted,
    /// It is left over from an earlier run: to be cleared.
    Leftover(Message),
}

#[derive(Debug)]
struct Value {
    /// The board's version when it was set.
    version: u64,
    payload: Arc<[u8]>,
}

impl RetainedTopics {
    /// An empty board.
    pub fn new() -> Self {
        let version = watch::Sender::new(0);
        Self { values: Arc::default(), version, ears: Arc::default(), claim: Arc::default() }
    }

    /// Sets the retained bytes of `topic` from now on; empty: the broker forgets it. Setting the
    /// same again sends nothing.
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

    /// Hears `ears` from the next session on.
    pub fn listen(&self, ears: BirthListener) {
        *self.ears.lock().unwrap_or_else(PoisonError::into_inner) = Some(ears);
    }

    /// Of all that `filter` stands for there are only `topics`: what else is retained there was
    /// left by an earlier run, and is cleared from the next session on.
    pub fn claim(&self, filter: String, topics: BTreeSet<String>) {
        let claim = Some(Claim { filter, topics });
        *self.claim.lock().unwrap_or_else(PoisonError::into_inner) = claim;
    }

    /// The filter of that.
    pub(super) fn claimed(&self) -> Option<String> {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        claim.as_ref().map(|claim| claim.filter.clone())
    }

    fn hear_claimed(&self, topic: &str, payload: &[u8]) -> Option<Echo> {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = claim.as_ref().filter(|claim| fits(&claim.filter, topic))?;
        let known = payload.is_empty() || claim.topics.contains(topic);
        Some(if known { Echo::Noted } else { leftover(topic) })
    }

    /// Returns what to subscribe to for it.
    pub(super) fn filters(&self) -> Vec<String> {
        let ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        let filters = |ears: &BirthListener| {
            let (before, after) = &ears.own;
            vec![ears.birth.clone(), format!("{before}+{after}")]
        };
        ears.as_ref().map(filters).unwrap_or_default()
    }

    /// Takes in what came on `topic`, where it is the board's matter.
    pub(super) fn take_in(&self, topic: &str, payload: &[u8]) -> Option<Echo> {
        if let Some(echo) = self.hear_claimed(topic, payload) {
            return Some(echo);
        }
        let ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        if topic == ears.birth {
            if payload == b"online" {
                self.refresh(&ears.refreshed);
            }
            return Some(Echo::Noted);
        }
        let level = topic.strip_prefix(&ears.own.0)?.strip_suffix(&ears.own.1)?;
        if level.contains('/') || payload.is_empty() || self.get(topic).is_some() {
            return Some(Echo::Noted);
        }
        Some(leftover(topic))
    }

    /// Says everything whose topic begins with `beginning` once more.
    fn refresh(&self, beginning: &str) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        self.version.send_modify(|version| {
            *version += 1;
            for (_, value) in values.iter_mut().filter(|(topic, _)| topic.starts_with(beginning)) {
                value.version = *version;
            }
        });
    }

    /// Wakes at each change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Returns what was set behind `version`, and the version now.
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

    /// Returns what `topic` says.
    pub(crate) fn get(&self, topic: &str) -> Option<Arc<[u8]>> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(topic).map(|value| value.payload.clone())
    }
}

fn leftover(topic: &str) -> Echo {
    Echo::Leftover(Message { topic: topic.to_owned(), retain: true, payload: Arc::from([]) })
}

/// Tells whether a filter whose levels may be `+` stands for the topic.
fn fits(filter: &str, topic: &str) -> bool {
    let (wanted, is) = (filter.split('/'), topic.split('/'));
    wanted.clone().count() == is.clone().count()
        && wanted.zip(is).all(|(wanted, is)| wanted == "+" || wanted == is)
}

impl Default for RetainedTopics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_is_told_again_and_what_is_left_over_is_cleared() {
        let retained = RetainedTopics::new();
        assert_eq!((retained.take_in("ha/status", b"online"), retained.filters().len()), (None, 0));
        retained.listen(BirthListener {
            birth: "ha/status".to_owned(),
            refreshed: "ha/".to_owned(),
            own: ("ha/device/us/".to_owned(), "/config".to_owned()),
        });
        assert_eq!(retained.filters(), ["ha/status", "ha/device/us/+/config"]);
        retained.set("ha/device/us/a/config", b"1");
        retained.set("keng/status", b"1");
        let (_, version) = retained.since(0);
        assert_eq!(retained.take_in("ha/status", b"offline"), Some(Echo::Noted));
        assert!(retained.since(version).0.is_empty());
        retained.take_in("ha/status", b"online");
        let again = retained.since(version).0;
        assert!(again.len() == 1 && again[0].topic == "ha/device/us/a/config");
        let take_in = |topic: &str, payload: &[u8]| retained.take_in(topic, payload);
        assert_eq!(take_in("ha/device/us/a/config", b"1"), Some(Echo::Noted));
        assert_eq!(take_in("ha/device/us/b/config", b""), Some(Echo::Noted));
        assert_eq!(take_in("ha/device/them/b/config", b"1"), None);
        let left = take_in("ha/device/us/b/config", b"1");
        assert!(matches!(left, Some(Echo::Leftover(m)) if m.retain && m.payload.is_empty()));
    }

    #[test]
    fn of_what_is_ours_alone_all_else_is_cleared() {
        let retained = RetainedTopics::new();
        assert_eq!(retained.take_in("keng/p14/kp3/gone/status", b"{}"), None);
        let there = "keng/p14/kp3/hem-42/status";
        retained.claim("keng/p14/+/+/status".to_owned(), [there.to_owned()].into());
        assert_eq!(retained.take_in(there, b"{}"), Some(Echo::Noted));
        assert_eq!(retained.take_in("keng/p14/kp3/gone/status", b""), Some(Echo::Noted));
        let left = retained.take_in("keng/p14/kp3/gone/status", b"{}");
        assert!(matches!(left, Some(Echo::Leftover(m)) if m.retain && m.payload.is_empty()));
        for other in ["keng/p14/kp3/status", "keng/p14/kp3/a/b/status", "keng/p15/kp3/a/status"] {
            assert_eq!(retained.take_in(other, b"{}"), None, "{other}");
        }
    }

    #[test]
    fn only_what_is_new_is_told() {
        let retained = RetainedTopics::new();
        retained.set("a", b"1");
        retained.set("b", b"1");
        let (all, version) = retained.since(0);
        assert_eq!(all.len(), 2);
        retained.set("a", b"1");
        assert!(retained.since(version).0.is_empty());
        retained.set("a", b"2");
        let newer = retained.since(version).0;
        assert!(newer.len() == 1 && newer[0].topic == "a" && *newer[0].payload == *b"2");
    }
}
