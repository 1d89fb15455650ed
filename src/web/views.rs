//! The audit of views and sign-ins. Actions are written down by the core task, as those over MQTT
//! are.
//!
//! | | |
//! | --- | --- |
//! | bound | `KEPT_MAX` looks are remembered |
//! | overflow | the oldest is forgotten, and told again |

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::access::Viewer;
use crate::audit::Actor;
use crate::audit::ActorKind;
use crate::audit::AuditRecord;
use crate::audit::Via;
use crate::time::Mono;

const KEPT_MAX: usize = 4_096;
/// Whoever looks on and on at the same thing is told of as often.
const TOLD_EVERY: Duration = Duration::from_secs(600);

/// The views that were written down lately: by whom, of what, and when.
#[derive(Debug, Default)]
pub(super) struct Views {
    told: Mutex<BTreeMap<(String, String), Mono>>,
}

impl Views {
    /// Tells whether this look is worth telling.
    pub(super) fn is_news(&self, viewer: &Viewer, what: &str, now: Mono) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (viewer.login.clone(), what.to_owned());
        if told.get(&key).is_some_and(|at| now.since(*at) < TOLD_EVERY) {
            return false;
        }
        if told.len() >= KEPT_MAX {
            told.retain(|_, at| now.since(*at) < TOLD_EVERY);
        }
        if told.len() >= KEPT_MAX {
            let oldest = told.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| told.remove(&oldest));
        }
        told.insert(key, now);
        true
    }
}

/// As the audit log knows them.
pub(super) fn actor(viewer: &Viewer) -> Actor {
    match viewer.local {
        true => Actor::new(ActorKind::System, &viewer.name),
        false => Actor::new(ActorKind::User, &viewer.login),
    }
}

/// Makes the record that somebody at the page has looked at something.
pub(super) fn looked(viewer: &Viewer, action: &'static str, subject: &str) -> AuditRecord {
    AuditRecord::new(actor(viewer), Via::Page, action, subject)
}

/// Writes down that a person signs in or out, or tries to.
pub(super) fn signing(name: &str, action: &'static str, address: IpAddr) -> AuditRecord {
    let who = Actor::new(ActorKind::User, name);
    AuditRecord::new(who, Via::Page, action, name).detail(&format!("from {address}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    #[test]
    fn a_look_is_told_once_in_a_while_and_memory_is_bounded() {
        let views = Views::default();
        let viewer = |login: &str| Viewer {
            name: login.to_owned(),
            login: login.to_owned(),
            role: Role::Police,
            local: false,
        };
        assert!(views.is_news(&viewer("ba"), "hem-42", Mono(0)));
        assert!(!views.is_news(&viewer("ba"), "hem-42", Mono(1)));
        assert!(views.is_news(&viewer("nam"), "hem-42", Mono(1)));
        assert!(views.is_news(&viewer("ba"), "hem-42", Mono(0) + TOLD_EVERY));
        for n in 0..10_000_u32 {
            assert!(views.is_news(&viewer("ba"), &n.to_string(), Mono(u64::from(n))));
        }
        assert!(views.told.lock().unwrap().len() <= KEPT_MAX);
    }
}
