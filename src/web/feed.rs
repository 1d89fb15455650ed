//! Alerts: what was, as a list; what comes, as server-sent events; and their pictures.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State as Extract;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::response::sse::Event;
use axum::response::sse::KeepAlive;
use axum::response::sse::Sse;
use futures::Stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::access::Viewer;
use crate::audit;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outbox::Sequence;

use super::bounds::FeedPermit;
use super::session::Session;
use super::shared::Shared;
use super::views;

/// Entries that one read of the log takes.
const BATCH: usize = 64;
/// Alerts of one list, unless asked for otherwise.
const LIST: usize = 100;
/// Alerts of one list at most.
const LIST_MAX: usize = 500;
/// Of the log's newest entries, so many times [`LIST_MAX`] are looked at for somebody who may see
/// only some of them.
const READS_MAX: usize = 16;
/// A silent feed says so often that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The start of a list or a feed.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    after: Option<u64>,
    limit: Option<usize>,
}

/// `/api/alerts?after=&limit=`: the alerts behind `after`, oldest first. Without `after`, the
/// newest ones, and the newest of each incident that goes on however old it is. `pictures` tells
/// where their pictures are, by sequence.
pub(super) async fn alerts(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Query(from): Query<From>,
) -> Result<Response, Failed> {
    let limit = from.limit.unwrap_or(LIST).clamp(1, LIST_MAX);
    let asks = viewer.clone();
    let (last, entries) = off_thread(&shared.state.outbox, move |outbox| {
        let viewer = asks;
        let last = outbox.last();
        if let Some(after) = from.after {
            return Ok((last, behind(outbox, &viewer, Sequence(after), limit)?));
        }
        let live = outbox.live()?.into_iter();
        let live = live.filter(|entry| viewer.may_see_entry(entry));
        let shown = live.chain(newest(outbox, &viewer, limit)?);
        let shown: BTreeMap<Sequence, Entry> = shown.map(|entry| (entry.sequence, entry)).collect();
        Ok((last, shown.into_values().collect()))
    })
    .await?;
    let pictures: BTreeMap<String, String> = entries
        .iter()
        .filter(|entry| entry.snapshot)
        .map(|entry| (entry.sequence.0.to_string(), shared.picture_of(entry.sequence)))
        .collect();
    let alerts: Vec<_> =
        entries.iter().filter_map(|entry| shared.alert_for(&viewer, entry)).collect();
    let (last, alerts, pictures) = (last.0, alerts.join(","), json!(pictures));
    let body = format!(r#"{{"last":{last},"alerts":[{alerts}],"pictures":{pictures}}}"#);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Up to `limit` entries behind `after` that are theirs to see, oldest first.
fn behind(
    outbox: &Outbox,
    viewer: &Viewer,
    mut after: Sequence,
    limit: usize,
) -> Result<Vec<Entry>, outbox::Error> {
    let mut found = Vec::new();
    for _ in 0..READS_MAX {
        let entries = outbox.read_after(after, LIST_MAX)?;
        let Some(read_to) = entries.last() else { break };
        after = read_to.sequence;
        found.extend(entries.into_iter().filter(|entry| viewer.may_see_entry(entry)));
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// The `limit` newest entries that are theirs to see, in any order.
fn newest(outbox: &Outbox, viewer: &Viewer, limit: usize) -> Result<Vec<Entry>, outbox::Error> {
    let mut found = Vec::new();
    let mut until = outbox.last().0;
    for _ in 0..READS_MAX {
        let from = until.saturating_sub(LIST_MAX as u64);
        let entries = outbox.read_after(Sequence(from), LIST_MAX)?;
        let theirs = entries
            .into_iter()
            .rev()
            .filter(|entry| entry.sequence.0 <= until && viewer.may_see_entry(entry));
        found.extend(theirs.take(limit - found.len()));
        if found.len() >= limit || from == 0 {
            break;
        }
        until = from;
    }
    Ok(found)
}

/// `/snapshots/{name}`, as a list or a feed names it.
pub(super) async fn snapshot(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Path(name): Path<String>,
) -> Result<Response, Failed> {
    let sealed = name.strip_suffix(".jpg").and_then(|name| shared.state.access.unsealed(name));
    let sequence = sealed.and_then(|digits| digits.parse().ok()).map(Sequence);
    let sequence = sequence.ok_or(Failed::NotThere)?;
    let asks = viewer.clone();
    let read = move |outbox: &Outbox| {
        let entry = outbox.get(sequence)?.filter(|entry| asks.may_see_entry(entry));
        let Some(entry) = entry else { return Ok(None) };
        Ok(outbox.snapshot(sequence)?.map(|jpeg| (jpeg, entry)))
    };
    let (jpeg, entry) = off_thread(&shared.state.outbox, read).await?.ok_or(Failed::NotThere)?;
    let jpeg = shared.picture_for(&viewer, jpeg, &entry).await.ok_or(Failed::NotThere)?;
    let subject = entry.subject;
    let now = shared.state.clock.now().mono;
    if shared.views.is_news(&viewer, &format!("{subject} {}", sequence.0), now) {
        let record = views::looked(&viewer, "view_snapshot", &subject);
        shared.state.audit.note(record.detail(&format!("sequence {}", sequence.0)));
    }
    let headers =
        [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=600")];
    Ok((headers, jpeg).into_response())
}

/// `/events`: a `hello`, then each alert behind `Last-Event-ID`, else behind `after`, else from
/// now on; its id is its sequence. Where it has a picture, a `picture` before it tells the address.
pub(super) async fn events(
    Extract(shared): Extract<Shared>,
    Extension(viewer): Extension<Viewer>,
    Extension(session): Extension<Session>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let place = shared.feeds.take(&viewer).ok_or(Failed::Full)?;
    let updates = shared.state.outbox.subscribe();
    let last = *updates.borrow();
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = resumed.or(from.after).map_or(last, Sequence);
    let hello = Event::default().event("hello").data(format!("{{\"last\":{}}}", last.0));
    let follower = Follower {
        shared,
        viewer,
        session: session.0,
        updates,
        // An id from before the store was emptied is behind the end of the log.
        after: after.min(last),
        waiting: VecDeque::from([hello]),
        place,
    };
    // An event and not a comment: a page's script sees no comments, and must notice silence.
    let beat = Event::default().event("beat").data("alive");
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).event(beat);
    Ok(Sse::new(follower.events()).keep_alive(heartbeat).into_response())
}

/// One browser's place in the log.
struct Follower {
    shared: Shared,
    viewer: Viewer,
    session: Option<String>,
    updates: watch::Receiver<Sequence>,
    after: Sequence,
    /// At most one batch, and as many pictures.
    waiting: VecDeque<Event>,
    place: FeedPermit,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// Whoever has signed out, was removed or has another role now begins anew, or not at all.
    fn may_go_on(&self) -> bool {
        match &self.session {
            Some(id) => self.shared.state.access.viewer(id).as_ref() == Some(&self.viewer),
            None => !self.shared.state.access.has_users(),
        }
    }

    /// The next event, or none when the daemon or the log ends. A browser comes back by itself.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let over = self.shared.shutdown.is_cancelled() || self.place.over.is_cancelled();
            if over || !self.may_go_on() {
                return None;
            }
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let after = self.after;
            let read = move |outbox: &Outbox| outbox.read_after(after, BATCH);
            let entries = match off_thread(&self.shared.state.outbox, read).await {
                Ok(entries) => entries,
                Err(Failed::Outbox(error)) => {
                    tracing::error!(%error, "the feed can't read the outbox");
                    return None;
                }
                Err(_) => return None,
            };
            if let Some(newest) = entries.last() {
                self.after = newest.sequence;
                let (shared, viewer) = (&self.shared, &self.viewer);
                let theirs = entries.iter().filter(|entry| viewer.may_see_entry(entry));
                self.waiting.extend(theirs.flat_map(|entry| shared.events_of(viewer, entry)));
                continue;
            }
            tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => return None,
                () = self.place.over.cancelled() => return None,
                changed = self.updates.changed() => changed.ok()?,
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
    }
}

impl Shared {
    /// Returns where the picture of an entry is.
    pub(super) fn picture_of(&self, sequence: Sequence) -> String {
        format!("/snapshots/{}.jpg", self.state.access.sealed(&sequence.0.to_string()))
    }

    /// An alert as events; none where its record is damaged.
    fn events_of(&self, viewer: &Viewer, entry: &Entry) -> Vec<Event> {
        let Some(payload) = self.alert_for(viewer, entry) else { return Vec::new() };
        let sequence = entry.sequence;
        let picture = entry.snapshot.then(|| {
            let picture = json!({ "sequence": sequence.0, "url": self.picture_of(sequence) });
            Event::default().event("picture").data(picture.to_string())
        });
        let alert = Event::default().id(sequence.0.to_string()).event("alert").data(payload);
        picture.into_iter().chain([alert]).collect()
    }
}

/// A payload that fits into a list and into an event: text of one line.
pub(super) fn readable(entry: &Entry) -> Option<&str> {
    let text = std::str::from_utf8(&entry.payload).ok().filter(|text| !text.is_empty())?;
    let plain = !text.contains(['\r', '\n']);
    if !plain {
        tracing::error!(sequence = entry.sequence.0, "an alert of several lines is not shown");
    }
    plain.then_some(text)
}

/// Reads the log where blocking is allowed.
pub(super) async fn off_thread<T, F>(outbox: &Outbox, read: F) -> Result<T, Failed>
where
    T: Send + 'static,
    F: FnOnce(&Outbox) -> Result<T, outbox::Error> + Send + 'static,
{
    let outbox = outbox.clone();
    let read = tokio::task::spawn_blocking(move || read(&outbox)).await;
    read.map_err(|_| Failed::Ending)?.map_err(Failed::Outbox)
}

/// The reason why there is no answer. What is told outside names no path.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("not found")]
    NotThere,
    #[error("too many feeds are open")]
    Full,
    #[error("the daemon is ending")]
    Ending,
    #[error("the alerts can't be read")]
    Outbox(#[source] outbox::Error),
    #[error("the audit log can't be read")]
    Audit(#[source] audit::Error),
    #[error("the ledger can't be read")]
    Ledger(#[source] std::io::Error),
    /// The request makes no sense; the reason in words.
    #[error("{0}")]
    Wrong(String),
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotThere => StatusCode::NOT_FOUND,
            Self::Full => StatusCode::TOO_MANY_REQUESTS,
            Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
            Self::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Ledger(error) => {
                tracing::error!(%error, "the page can't read the ledger");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Audit(error) => {
                tracing::error!(%error, "the page can't read the audit log");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Outbox(error) => {
                tracing::error!(%error, "the page can't read the outbox");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}
