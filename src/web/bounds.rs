//! The bounds on how many feeds are open, and on how often somebody may say something.
//!
//! | | |
//! | --- | --- |
//! | bound | `FEEDS_MAX` feeds, `A_USER_MAX` of one user; `REPORTS_A_MINUTE` of one user |
//! | overflow | one more feed ends the user's oldest, or must come back; a report is refused |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::Pace;
use crate::access::Role;
use crate::access::Viewer;
use crate::audit::AuditLog;
use crate::audit::AuditRecord;
use crate::audit::Quota;
use crate::time::Mono;

/// Feeds that are open at the same time; one more is told to come back.
const FEEDS_MAX: usize = 64;
/// So many of them are for police and admins alone.
const RESERVE: usize = 16;
/// Of one user; one more ends the oldest, which nobody may be looking at any more.
const A_USER_MAX: usize = 8;
/// Reports and patrols of one user.
const REPORTS_A_MINUTE: u32 = 30;

/// The open feeds. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Feeds(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    /// By their number, which counts up: who has it, and how it is ended.
    feeds: BTreeMap<u64, (String, CancellationToken)>,
    next: u64,
}

/// One open feed; given back when it is dropped.
pub(super) struct FeedPermit {
    feeds: Feeds,
    number: u64,
    /// Cancelled: the user has opened others since.
    pub(super) over: CancellationToken,
}

impl Feeds {
    /// A place for one more; none: no more are open at the same time.
    pub(super) fn take(&self, viewer: &Viewer) -> Option<FeedPermit> {
        let mut open = self.lock();
        if !viewer.local {
            let theirs = open.feeds.iter().filter(|(_, (login, _))| *login == viewer.login);
            let theirs: Vec<u64> = theirs.map(|(number, _)| *number).collect();
            let oldest = theirs.first().filter(|_| theirs.len() >= A_USER_MAX);
            if let Some((_, over)) = oldest.and_then(|oldest| open.feeds.remove(oldest)) {
                over.cancel();
            }
        }
        let most = match viewer.role {
            Role::Police | Role::Admin => FEEDS_MAX,
            Role::KhuPho(_) => FEEDS_MAX - RESERVE,
        };
        if open.feeds.len() >= most {
            return None;
        }
        let (number, over) = (open.next, CancellationToken::new());
        open.next += 1;
        open.feeds.insert(number, (viewer.login.clone(), over.clone()));
        Some(FeedPermit { feeds: self.clone(), number, over })
    }

    /// Held for a look-up or a change only, never over an await.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FeedPermit {
    fn drop(&mut self) {
        self.feeds.lock().feeds.remove(&self.number);
    }
}

/// Counters of requests by the minute. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Minutes {
    reports: Arc<Mutex<Pace<String>>>,
    refused: Arc<Mutex<Quota>>,
}

impl Minutes {
    /// Counts a report of theirs; an error: how long to wait.
    pub(super) fn report(&self, viewer: &Viewer, now: Mono) -> Result<(), Duration> {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.take(&viewer.login, REPORTS_A_MINUTE, now)
    }

    /// Writes down what a stranger was refused, as far as a minute has room for it.
    pub(super) fn refused(&self, record: AuditRecord, now: Mono, audit: &AuditLog) {
        let mut quota = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        quota.take(record, now).for_each(|record| audit.note(record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ward::Id;

    fn viewer(login: &str, role: Role) -> Viewer {
        Viewer { name: login.to_owned(), login: login.to_owned(), role, local: false }
    }

    fn khu_pho(login: &str) -> Viewer {
        viewer(login, Role::KhuPho([Id::new("kp3").unwrap()].into()))
    }

    #[test]
    fn one_more_of_a_user_ends_the_oldest_and_nobody_else_s() {
        let feeds = Feeds::default();
        let other = feeds.take(&khu_pho("nam")).unwrap();
        let mut held: Vec<FeedPermit> = (0..8).filter_map(|_| feeds.take(&khu_pho("ba"))).collect();
        assert!(held.iter().all(|place| !place.over.is_cancelled()));
        held.push(feeds.take(&khu_pho("ba")).unwrap());
        let ended: Vec<bool> = held.iter().map(|place| place.over.is_cancelled()).collect();
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
        assert!(ended[0] && !other.over.is_cancelled());
        // The one that ended gives back nothing that is another's.
        held.remove(0);
        held.pop();
        held.push(feeds.take(&khu_pho("ba")).unwrap());
        assert!(held.iter().all(|place| !place.over.is_cancelled()));
        drop((held, other));
        assert!(feeds.lock().feeds.is_empty());
    }

    #[test]
    fn the_last_places_are_for_the_police() {
        let feeds = Feeds::default();
        let open = |who: &dyn Fn(usize) -> Viewer| -> Vec<FeedPermit> {
            (0..200).map_while(|n| feeds.take(&who(n))).collect()
        };
        let many = open(&|n| khu_pho(&n.to_string()));
        assert_eq!(many.len(), 48);
        let police = open(&|n| viewer(&format!("p{n}"), Role::Police));
        assert_eq!(police.len(), 16);
    }
}
