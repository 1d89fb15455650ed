//! One incident from its first alert to its newest.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::Path;
use axum::extract::State as Extract;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::Shared;
use super::feed::Failed;
use super::feed::off_thread;
use super::feed::readable;
use crate::access::Viewer;
use crate::incident::IncidentId;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outbox::Sequence;
use crate::ward::Id;

/// Revisions that are told at most, the newest ones.
const REVISIONS_MAX: usize = 500;
/// Entries that one read of the log takes.
const BATCH: usize = 512;
/// So many reads go back from the newest revision: other incidents' alerts lie between.
const READS_MAX: usize = 32;

/// What has to be known of an alert here.
#[derive(Deserialize)]
struct Head {
    revision: u32,
}

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
    let khu_pho = Id::new(&khu_pho).ok().filter(|khu_pho| viewer.may_see(khu_pho));
    let (Some(khu_pho), Some(id)) = (khu_pho, IncidentId::parse(&id)) else {
        return Err(Failed::NotThere);
    };
    let subject = format!("{khu_pho}/{id}");
    let found = off_thread(&shared.state.outbox, move |outbox| revisions(outbox, &subject)).await?;
    if found.entries.is_empty() {
        return Err(Failed::NotThere);
    }
    let pictures: BTreeMap<String, String> = found
        .entries
        .iter()
        .filter(|entry| entry.snapshot)
        .map(|entry| (entry.sequence.0.to_string(), shared.picture_of(entry.sequence)))
        .collect();
    let alerts: Vec<&str> = found.entries.iter().filter_map(readable).collect();
    let (complete, alerts, pictures) = (found.complete, alerts.join(","), json!(pictures));
    let of = format!(r#""khu_pho":"{khu_pho}","id":"{id}","complete":{complete}"#);
    let body = format!(r#"{{{of},"revisions":[{alerts}],"pictures":{pictures}}}"#);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
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
            let first =
                serde_json::from_slice::<Head>(&entry.payload).is_ok_and(|head| head.revision <= 1);
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

    fn numbers(found: &Revisions) -> Vec<u32> {
        let number = |entry: &Entry| serde_json::from_slice::<Head>(&entry.payload).unwrap();
        found.entries.iter().map(|entry| number(entry).revision).collect()
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
