//! Bounds the records that anybody can bring about, so that whoever floods us fills no disk.
//!
//! It counts by whole minutes and is no [`keng_core::rate_limit`]: of the rest it writes how
//! many records a minute had no room for.
//!
//! | | |
//! | --- | --- |
//! | bound | `A_MINUTE` records a minute |
//! | overflow | of more, their number is written down, with the next that comes |

use std::time::Duration;

use super::{Actor, ActorKind, AuditRecord};
use crate::time::Mono;

/// Records of which each is written down, a minute.
const A_MINUTE: u64 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// Counts what is refused to strangers.
#[derive(Debug, Default)]
pub struct Quota {
    begun: Option<Mono>,
    count: u64,
}

impl Quota {
    /// Returns what is to be written instead of `record`: it, where this minute has room for it;
    /// before it, how many the minute before had no room for.
    pub fn take(
        &mut self,
        record: AuditRecord,
        now: Mono,
    ) -> impl Iterator<Item = AuditRecord> + use<> {
        let via = record.via;
        let mut more = 0;
        if self.begun.is_none_or(|begun| now.since(begun) >= MINUTE) {
            more = self.count.saturating_sub(A_MINUTE);
            (self.begun, self.count) = (Some(now), 0);
        }
        self.count += 1;
        let record = (self.count <= A_MINUTE).then_some(record);
        let told = (more > 0).then(|| {
            let who = Actor::new(ActorKind::System, "keng");
            let detail = format!("{more} more were refused in a minute");
            AuditRecord::new(who, via, "refused", "more").detail(&detail)
        });
        told.into_iter().chain(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Via;

    fn refused(quota: &mut Quota, at: Mono) -> Vec<AuditRecord> {
        let who = Actor::new(ActorKind::User, "?");
        quota.take(AuditRecord::new(who, Via::Page, "sign_in_failed", "?"), at).collect()
    }

    #[test]
    fn excess_records_of_a_minute_become_one_count() {
        let mut quota = Quota::default();
        let start = Mono(5_000_000_000);
        let written: usize = (0..1_000).map(|_| refused(&mut quota, start).len()).sum();
        assert_eq!(written, 60);
        let next = refused(&mut quota, start + MINUTE);
        let told: Vec<_> = next.iter().map(|record| (record.action, &*record.detail)).collect();
        let more = "940 more were refused in a minute";
        assert_eq!(told, [("refused", more), ("sign_in_failed", "")]);
        assert_eq!(refused(&mut quota, start + MINUTE + MINUTE).len(), 1, "nothing was kept out");
    }
}
