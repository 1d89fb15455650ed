//! One incident from its first alert to its newest.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::Path;
use axum::extract::State as Extract;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;

use super::feed::Failed;
use super::feed::off_thread;
use super::shared::Shared;
use crate::access::Viewer;
use crate::alert::Head;
use crate::incident::IncidentId;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outbox::Sequence;
use crate::outlet::cap;
use crate::ward::Id;

/// Revisions that are told at most, the newest ones.
const REVISIONS_MAX: usize = 500;
/// Entries that one read of the log takes.
const BATCH: usize = 512;
/// So many reads go back from the newest revision: other incidents' alerts lie between.
const READS_MAX: usize = 32;

/// The revisions of one incident.
struct Revisions {
    /// Oldest first.
    entries: Vec<Entry>,
    /// The first one is among them.
    complete: bool,
}

/// `/api/khu-pho/{khu_pho}/incidents/{id}`: every revision that can be read back, oldest first, and
/// where their pictures are. `complete` is false where the first ones are too far back, or deleted.
pub(super) async fn incident(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path((khu_pho, id)): Path<(String, String)>,
) -> Result<Response, Failed> {
    let found = shared.revisions_of(&viewer, &khu_pho, &id).await?;
    let pictures: BTreeMap<String, String> = found
        .entries
        .iter()
        .filter(|entry| entry.snapshot)
        .map(|entry| (entry.sequence.0.to_string(), shared.picture_of(entry.sequence)))
        .collect();
    let alerts: Vec<_> =
        found.entries.iter().filter_map(|entry| shared.alert_for(&viewer, entry)).collect();
    let cap =
        found.entries.split_last().and_then(|(newest, _)| shared.cap_of(&viewer, newest, &[]));
    let cap = cap.is_some();
    let moments = json!(shared.moments_of(&viewer, &khu_pho, &id).await?);
    let (complete, alerts, pictures) = (found.complete, alerts.join(","), json!(pictures));
    let (khu_pho, id) = (json!(khu_pho), json!(id));
    let of = format!(r#""khu_pho":{khu_pho},"id":{id},"complete":{complete},"cap":{cap}"#);
    let body =
        format!(r#"{{{of},"revisions":[{alerts}],"pictures":{pictures},"moments":{moments}}}"#);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// `/api/khu-pho/{khu_pho}/incidents/{id}/cap.xml`: the newest alert as civil protection takes it.
pub(super) async fn cap(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path((khu_pho, id)): Path<(String, String)>,
) -> Result<Response, Failed> {
    let found = shared.revisions_of(&viewer, &khu_pho, &id).await?;
    let (newest, earlier) = found.entries.split_last().ok_or(Failed::NotThere)?;
    let document = shared.cap_of(&viewer, newest, earlier).ok_or(Failed::NotThere)?;
    Ok(([(header::CONTENT_TYPE, cap::CONTENT_TYPE)], document).into_response())
}

impl Shared {
    /// The revisions of an incident that is theirs to see.
    async fn revisions_of(
        &self,
        viewer: &Viewer,
        khu_pho: &str,
        id: &str,
    ) -> Result<Revisions, Failed> {
        let (Ok(khu_pho), Some(id)) = (Id::new(khu_pho), IncidentId::parse(id)) else {
            return Err(Failed::NotThere);
        };
        let subject = format!("{khu_pho}/{id}");
        let found = off_thread(&self.state.outbox, move |outbox| revisions(outbox, &subject));
        let mut found = found.await?;
        // Another khu phố is told from the revision on that names it.
        found.entries.retain(|entry| viewer.may_see_entry(entry));
        if found.entries.is_empty() { Err(Failed::NotThere) } else { Ok(found) }
    }

    /// Its CAP message; none without `[cap]`, where it is neither fire nor smoke, or where its
    /// record is damaged.
    fn cap_of(&self, viewer: &Viewer, newest: &Entry, earlier: &[Entry]) -> Option<String> {
        let issuer = self.state.cap.as_deref()?;
        let newest = self.alert_for(viewer, newest)?;
        let earlier: Vec<&[u8]> = earlier.iter().map(|entry| &*entry.payload).collect();
        cap::document(newest.as_bytes(), &earlier, issuer).ok().flatten()
    }
}

/// Goes back from the subject's newest entry to its first one, as far as the bounds allow.
fn revisions(outbox: &Outbox, subject: &str) -> Result<Revisions, outbox::Error> {
    let mut found = Vec::new();
    let Some(newest) = outbox.latest_of(subject)? else {
        return Ok(Revisions { entries: found, complete: false });
    };
    let mut until = newest.sequence.0;
    for _ in 0..READS_MAX {
        let from = until.saturating_sub(BATCH as u64);
        let entries = outbox.read_after(Sequence(from), BATCH)?;
        let theirs = entries
            .into_iter()
            .rev()
            .filter(|entry| entry.sequence.0 <= until && &*entry.subject == subject);
        for entry in theirs {
            let first = Head::read(&entry.payload).is_ok_and(|head| head.revision == 1);
            found.push(entry);
            if first || found.len() == REVISIONS_MAX {
                found.reverse();
                return Ok(Revisions { entries: found, complete: first });
            }
        }
        if from == 0 {
            break;
        }
        until = from;
    }
    found.reverse();
    Ok(Revisions { entries: found, complete: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Append;
    use crate::time::Wall;

    fn add(outbox: &Outbox, subject: &str, revision: u32) {
        let append =
            Append { subject: subject.to_owned(), live: true, wall: Wall(1), snapshot: None };
        let payload = |_: Sequence| json!({ "revision": revision }).to_string().into_bytes();
        outbox.append(append, payload).unwrap();
    }

    fn numbers(found: &Revisions) -> Vec<u64> {
        let number = |entry: &Entry| Head::read(&entry.payload).unwrap().revision;
        found.entries.iter().map(number).collect()
    }

    #[test]
    fn all_revisions_are_found_among_others_alerts() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        for round in 1..=30 {
            add(&outbox, "kp3/a", round);
            for other in 1..=20 {
                add(&outbox, "kp3/b", (round - 1) * 20 + other);
            }
        }
        let a = revisions(&outbox, "kp3/a").unwrap();
        assert!(a.complete);
        assert_eq!(numbers(&a), (1..=30).collect::<Vec<_>>());
        let b = revisions(&outbox, "kp3/b").unwrap();
        assert!(!b.complete, "more than are told");
        assert_eq!(numbers(&b), (101..=600).collect::<Vec<_>>());
        assert!(revisions(&outbox, "kp3/c").unwrap().entries.is_empty());
    }

    #[test]
    fn where_the_first_ones_are_gone_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        add(&outbox, "kp3/a", 7);
        add(&outbox, "kp3/a", 8);
        let found = revisions(&outbox, "kp3/a").unwrap();
        assert_eq!((numbers(&found), found.complete), (vec![7, 8], false));
    }
}
