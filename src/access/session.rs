//! The sessions of those who are signed in. Only hashes of sessions' ids are kept, in memory and on
//! the disk.
//!
//! | | |
//! | --- | --- |
//! | bound | `SESSIONS_MAX`, `A_USER_MAX` of one user |
//! | overflow | the one that was used longest ago ends |

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use crate::time::Wall;

/// Unused for as long, a session is over. An open feed uses it.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(12 * 3_600);
/// However it is used, it is over after as long.
pub(super) const AGE_MAX: Duration = Duration::from_secs(7 * 86_400);
const SESSIONS_MAX: usize = 1_000;
const A_USER_MAX: usize = 20;
/// A session that was used as recently need not be written again.
const TOUCH_EVERY: Duration = Duration::from_secs(300);

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Session {
    pub(super) user: String,
    /// Of the password it was opened by.
    pub(super) generation: String,
    /// Microseconds since the Unix epoch.
    opened: i64,
    used: i64,
}

/// All of them, by their ids' hashes.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Sessions(BTreeMap<String, Session>);

impl Sessions {
    /// From the file's text; what is damaged is no session.
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| {
            tracing::warn!(%error, "sessions can't be read back: everybody signs in again");
            Self::default()
        })
    }

    /// As the file has them.
    pub(super) fn render(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    pub(super) fn open(&mut self, id: &str, user: &str, generation: String, now: Wall) {
        self.0.retain(|_, session| !session.is_over(now));
        let theirs = |sessions: &Self| {
            let theirs = sessions.0.iter().filter(|(_, session)| session.user == user);
            let count = theirs.clone().count();
            let oldest = theirs.min_by_key(|(_, session)| session.used).map(|(key, _)| key.clone());
            (count, oldest)
        };
        if let (A_USER_MAX.., Some(oldest)) = theirs(self) {
            self.0.remove(&oldest);
        }
        if self.0.len() >= SESSIONS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.0.remove(&oldest);
            }
        }
        let session = Session { user: user.to_owned(), generation, opened: now.0, used: now.0 };
        self.0.insert(key(id), session);
    }

    /// The session of this id, unless it is over.
    pub(super) fn find(&self, id: &str, now: Wall) -> Option<&Session> {
        self.0.get(&key(id)).filter(|session| !session.is_over(now))
    }

    /// It is used; whether that is worth writing down.
    pub(super) fn touch(&mut self, id: &str, now: Wall) -> bool {
        let Some(session) = self.0.get_mut(&key(id)) else { return false };
        let due = between(session.used, now) >= TOUCH_EVERY;
        if due {
            session.used = now.0;
        }
        due
    }

    /// Tells whether there was one.
    pub(super) fn close(&mut self, id: &str) -> bool {
        self.0.remove(&key(id)).is_some()
    }
}

impl Session {
    fn is_over(&self, now: Wall) -> bool {
        between(self.opened, now) >= AGE_MAX || between(self.used, now) >= IDLE_MAX
    }
}

/// Zero where the wall's clock was set back.
fn between(from: i64, now: Wall) -> Duration {
    Duration::from_micros(u64::try_from(now.0.saturating_sub(from)).unwrap_or(0))
}

fn key(id: &str) -> String {
    super::hex::hex(&Sha256::digest(id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &mut Sessions, id: &str, user: &str, now: Wall) {
        sessions.open(id, user, "g".to_owned(), now);
    }

    #[test]
    fn a_session_ends_by_idleness_and_by_age() {
        let start = Wall(1_000_000);
        let mut sessions = Sessions::default();
        open(&mut sessions, "a", "ba", start);
        assert!(sessions.find("a", start + (IDLE_MAX - Duration::from_secs(1))).is_some());
        assert!(sessions.find("a", start + IDLE_MAX).is_none());
        let mut now = start;
        while now < start + AGE_MAX {
            assert!(sessions.find("a", now).is_some());
            sessions.touch("a", now);
            now = now + Duration::from_secs(3_600);
        }
        assert!(sessions.find("a", now).is_none());
    }

    #[test]
    fn sessions_survive_their_file_and_their_ids_do_not_stand_there() {
        let mut sessions = Sessions::default();
        open(&mut sessions, "a-secret-id", "ba", Wall(7));
        let text = sessions.render();
        assert!(!text.contains("a-secret-id"));
        assert_eq!(Sessions::parse(&text), sessions);
        assert_eq!(Sessions::parse("damage"), Sessions::default());
    }

    #[test]
    fn there_are_only_so_many() {
        let mut sessions = Sessions::default();
        for n in 0..30 {
            open(&mut sessions, &n.to_string(), "ba", Wall(n));
        }
        assert_eq!(sessions.0.len(), A_USER_MAX);
        assert!(sessions.find("29", Wall(29)).is_some() && sessions.find("0", Wall(29)).is_none());
        for n in 0..2_000 {
            open(&mut sessions, &n.to_string(), &n.to_string(), Wall(n));
        }
        assert_eq!(sessions.0.len(), SESSIONS_MAX);
    }
}
