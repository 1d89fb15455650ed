//! Alerts: what was, as a list; what comes, as server-sent events; and their pictures.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

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
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outbox::Sequence;

use super::Shared;

/// Entries that one read of the log takes.
const BATCH: usize = 64;
/// Alerts of one list, unless asked for otherwise.
const LIST: usize = 100;
/// Alerts of one list at most.
const LIST_MAX: usize = 500;
/// A silent feed says so often that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What a list or a feed begins with.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    after: Option<u64>,
    limit: Option<usize>,
}

/// `/api/alerts?after=&limit=`: the alerts behind `after`, oldest first. Without `after`, the
/// newest ones, and the newest of each incident that goes on however old it is.
pub(super) async fn alerts(
    Extract(shared): Extract<Shared>,
    Query(from): Query<From>,
) -> Result<Response, Failed> {
    let limit = from.limit.unwrap_or(LIST).clamp(1, LIST_MAX);
    let (last, entries) = off_thread(&shared.state.outbox, move |outbox| {
        let last = outbox.last();
        if let Some(after) = from.after {
            return Ok((last, outbox.read_after(Sequence(after), limit)?));
        }
        let shown = outbox.live()?.into_iter().chain(outbox.newest(limit)?);
        let shown: BTreeMap<Sequence, Entry> = shown.map(|entry| (entry.sequence, entry)).collect();
        Ok((last, shown.into_values().collect()))
    })
    .await?;
    let mut body = format!("{{\"last\":{},\"alerts\":[", last.0);
    let alerts: Vec<&str> = entries.iter().filter_map(readable).collect();
    body.push_str(&alerts.join(","));
    body.push_str("]}");
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// `/snapshots/{sequence}.jpg`.
pub(super) async fn snapshot(
    Extract(shared): Extract<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Failed> {
    let sequence = name.strip_suffix(".jpg").and_then(|digits| digits.parse().ok());
    let Some(sequence) = sequence.map(Sequence) else { return Err(Failed::NotThere) };
    let jpeg = off_thread(&shared.state.outbox, move |outbox| outbox.snapshot(sequence)).await?;
    let jpeg = jpeg.ok_or(Failed::NotThere)?;
    let headers =
        [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=600")];
    Ok((headers, jpeg).into_response())
}

/// `/events`: a `hello`, then each alert behind `Last-Event-ID`, else behind `after`, else from
/// now on; its id is its sequence.
pub(super) async fn events(
    Extract(shared): Extract<Shared>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let place = shared.feeds.clone().try_acquire_owned().map_err(|_| Failed::Full)?;
    let updates = shared.state.outbox.subscribe();
    let last = *updates.borrow();
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = resumed.or(from.after).map_or(last, Sequence);
    let hello = Event::default().event("hello").data(format!("{{\"last\":{}}}", last.0));
    let follower = Follower {
        outbox: shared.state.outbox.clone(),
        updates,
        shutdown: shared.shutdown.clone(),
        // An id from before the store was emptied is behind the end of the log.
        after: after.min(last),
        waiting: VecDeque::from([hello]),
        _place: place,
    };
    // An event and not a comment: a page's script sees no comments, and must notice silence.
    let beat = Event::default().event("beat").data("alive");
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).event(beat);
    Ok(Sse::new(follower.events()).keep_alive(heartbeat).into_response())
}

/// One browser's place in the log.
struct Follower {
    outbox: Outbox,
    updates: watch::Receiver<Sequence>,
    shutdown: CancellationToken,
    after: Sequence,
    /// At most one batch.
    waiting: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// The next event, or none when the daemon or the log ends. A browser comes back by itself.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.shutdown.is_cancelled() {
                return None;
            }
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let after = self.after;
            let read = move |outbox: &Outbox| outbox.read_after(after, BATCH);
            let entries = match off_thread(&self.outbox, read).await {
                Ok(entries) => entries,
                Err(Failed::Outbox(error)) => {
                    tracing::error!(%error, "the feed can't read the outbox");
                    return None;
                }
                Err(_) => return None,
            };
            if let Some(newest) = entries.last() {
                self.after = newest.sequence;
                self.waiting.extend(entries.iter().filter_map(event));
                continue;
            }
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                changed = self.updates.changed() => changed.ok()?,
            }
        }
    }
}

/// An alert as an event; none where its record is damaged.
fn event(entry: &Entry) -> Option<Event> {
    let payload = readable(entry)?;
    Some(Event::default().id(entry.sequence.0.to_string()).event("alert").data(payload))
}

/// A payload that fits into a list and into an event: text of one line.
fn readable(entry: &Entry) -> Option<&str> {
    let text = std::str::from_utf8(&entry.payload).ok().filter(|text| !text.is_empty())?;
    let plain = !text.contains(['\r', '\n']);
    if !plain {
        tracing::error!(sequence = entry.sequence.0, "an alert of several lines is not shown");
    }
    plain.then_some(text)
}

/// Reads the log where blocking is allowed.
async fn off_thread<T, F>(outbox: &Outbox, read: F) -> Result<T, Failed>
where
    T: Send + 'static,
    F: FnOnce(&Outbox) -> Result<T, outbox::Error> + Send + 'static,
{
    let outbox = outbox.clone();
    let read = tokio::task::spawn_blocking(move || read(&outbox)).await;
    read.map_err(|_| Failed::Ending)?.map_err(Failed::Outbox)
}

/// Why there is no answer. What is told outside names no path.
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
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotThere => StatusCode::NOT_FOUND,
            Self::Full | Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
            Self::Outbox(error) => {
                tracing::error!(%error, "the page can't read the outbox");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}
