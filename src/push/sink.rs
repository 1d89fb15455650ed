//! One push service as a reader of the log: each alert to each browser whose user may see it.
//!
//! | what a service answers | what becomes of that browser's message |
//! | --- | --- |
//! | 2xx | it is on its way |
//! | 404, 410 | the browser is gone, and forgotten |
//! | 429, 5xx, nothing | tried again; given up after `ROUNDS` where the service takes others' |
//! | anything else | given up, with a warning |
//!
//! Where a service takes nothing at all it is waited for, as every outlet does. What is older than
//! `FRESH` by then wakes nobody any more and is set aside.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header;
use hyper::header::HeaderValue;
use prometheus_client::metrics::counter::Counter;
use sha2::Digest as _;
use sha2::Sha256;

use super::notification;
use super::seal;
use super::service::Endpoint;
use super::service::Service;
use super::shared::Shared;
use super::subscriptions::Subscription;
use crate::alert::Head;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outlet::DeliveryOutcome;
use crate::outlet::Prepared;
use crate::outlet::Sink;
use crate::outlet::http::HttpClient;
use crate::outlet::http::HttpReply;
use crate::outlet::http::Post;
use crate::outlet::webhook::LOOK_BACK;
use crate::time::Wall;

/// Beginning of the cursors' names.
pub const PREFIX: &str = "push/";
/// One message to one browser takes no longer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that are under way at the same time.
const AT_ONCE: usize = 8;
/// So often a browser's message is tried while its service takes others'.
const ROUNDS: u32 = 3;
/// For as long an alert is worth waking somebody, and a service keeps it for a phone that is off.
const FRESH: Duration = Duration::from_secs(3_600);
/// Push services take 32 letters of base64url (RFC 8030, section 5.4).
const TOPIC_CHARS: usize = 32;

/// A push service at work.
pub struct Pusher {
    reader: String,
    service: Service,
    shared: Arc<Shared>,
    client: HttpClient,
    /// Counts what a browser is never sent.
    dropped: Counter,
}

/// A notification, and who has it already.
pub struct Delivery {
    subject: Arc<str>,
    text: Vec<u8>,
    topic: String,
    urgent: bool,
    /// The time after which no browser is woken.
    until: Wall,
    told: Mutex<Notified>,
}

#[derive(Default)]
struct Notified {
    /// The browsers that need nothing more of this alert.
    done: BTreeSet<Endpoint>,
    rounds: u32,
    /// The service has taken somebody's.
    taken: bool,
    /// The reason why a browser's message was given up.
    given_up: Option<String>,
}

/// The outcome of one browser's message.
enum Sent {
    Taken,
    Gone,
    GivenUp(String),
    Later(String, Option<Duration>),
}

impl Pusher {
    pub(super) fn new(shared: Arc<Shared>, service: Service, dropped: Counter) -> Self {
        let client =
            HttpClient::new(shared.config.ca_file.clone(), TIMEOUT).within(service.reach());
        Self { reader: format!("{PREFIX}{service}"), service, shared, client, dropped }
    }

    /// Those who may see what happens under `subject` just now. Whoever was removed, or has another
    /// password, is forgotten.
    async fn recipients(&self, subject: &str) -> Vec<Arc<Subscription>> {
        let mut theirs = Vec::new();
        for one in self.shared.subscriptions.of(&self.service) {
            match self.shared.access.recipient(&one.user, &one.generation) {
                Some(viewer) if viewer.may_see_subject(subject) => theirs.push(one),
                Some(_) => {}
                None => self.forget(one.endpoint.clone()).await,
            }
        }
        theirs
    }

    async fn forget(&self, endpoint: Endpoint) {
        let (shared, of) = (self.shared.clone(), endpoint.origin());
        let removed =
            tokio::task::spawn_blocking(move || shared.subscriptions.remove(&endpoint, None));
        match removed.await {
            Ok(Ok(_)) => tracing::info!(service = of, "a browser is told nothing any more"),
            Ok(Err(error)) => tracing::warn!(%error, "push subscriptions can't be written"),
            Err(error) => tracing::error!(%error, "push subscriptions can't be written"),
        }
    }

    async fn send(&self, parcel: &Delivery, to: &Subscription) -> Sent {
        let Some(post) = self.post(parcel, to) else {
            return Sent::GivenUp("the message can't be made".to_owned());
        };
        match self.client.post(post).await {
            Ok(reply) => judge(&reply),
            Err(error) => Sent::Later(error.to_string(), None),
        }
    }

    fn post<'a>(&self, parcel: &Delivery, to: &'a Subscription) -> Option<Post<'a>> {
        let now = self.shared.clock.now().wall;
        let body = seal::seal(&parcel.text, &to.keys).ok()?;
        let who = self.shared.vapid.authorization(&to.endpoint.origin(), now)?;
        let left = parcel.until.as_millis().saturating_sub(now.as_millis()).max(0) / 1_000;
        let value = |text: &str| HeaderValue::try_from(text).ok();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value(&who)?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert("ttl", HeaderValue::from(left));
        headers.insert("topic", value(&parcel.topic)?);
        headers.insert("urgency", value(if parcel.urgent { "high" } else { "normal" })?);
        Some(Post { url: to.endpoint.url(), headers, body: Bytes::from(body) })
    }

    /// Returns what is to be said of a round.
    fn answer(
        &self,
        parcel: &Delivery,
        waiting: Vec<(String, Option<Duration>)>,
    ) -> DeliveryOutcome {
        let mut told = parcel.lock();
        told.rounds += 1;
        let Some((reason, _)) = waiting.first().cloned() else {
            return match told.given_up.take() {
                Some(reason) if !told.taken => DeliveryOutcome::Refused(reason),
                _ => DeliveryOutcome::Taken,
            };
        };
        if told.taken && told.rounds >= ROUNDS {
            let (service, given_up) = (&self.service, waiting.len());
            tracing::warn!(%service, given_up, reason, "browsers were not told of an alert");
            self.dropped.inc_by(given_up as u64);
            return DeliveryOutcome::Taken;
        }
        if parcel.until <= self.shared.clock.now().wall {
            return DeliveryOutcome::Refused(format!("{reason}; it is too old to wake anybody"));
        }
        // What one browser is asked to wait for, the others do not.
        let asked = waiting.into_iter().filter_map(|(_, wait)| wait).max();
        let retry_after = asked.filter(|_| !told.taken);
        DeliveryOutcome::Away { reason, retry_after }
    }
}

impl Delivery {
    fn lock(&self) -> std::sync::MutexGuard<'_, Notified> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Pusher {
    type Delivery = Delivery;

    fn reader(&self) -> &str {
        &self.reader
    }

    fn prepare(&self, outbox: &Outbox, entry: &Entry) -> Result<Prepared<Delivery>, outbox::Error> {
        if self.shared.subscriptions.of(&self.service).is_empty() {
            return Ok(Prepared::Skipped);
        }
        let alert = match Head::read(&entry.payload) {
            Ok(alert) => alert,
            Err(error) => return Ok(Prepared::Poison(format!("it is no alert: {error}"))),
        };
        let before = match alert.revision {
            1 => None,
            _ => outbox.history(&entry.subject, entry.sequence, LOOK_BACK)?.pop(),
        };
        let before = before.as_ref().and_then(|before| Head::read(&before.payload).ok());
        if !notification::is_news(&alert, before.as_ref()) {
            return Ok(Prepared::Skipped);
        }
        let now = self.shared.clock.now().wall;
        let goes_on = outbox.latest_of(&entry.subject)?.is_some_and(|newest| newest.live);
        if !goes_on && entry.wall + FRESH <= now {
            return Ok(Prepared::Poison("it is over, and too old to wake anybody".to_owned()));
        }
        let topic = URL_SAFE_NO_PAD.encode(Sha256::digest(entry.subject.as_bytes()));
        let text =
            notification::notification(&alert, self.shared.language).to_string().into_bytes();
        Ok(Prepared::Delivery(Delivery {
            subject: entry.subject.clone(),
            text,
            topic: topic[..TOPIC_CHARS].to_owned(),
            urgent: notification::is_urgent(&alert),
            until: now + FRESH,
            told: Mutex::default(),
        }))
    }

    async fn deliver(&self, parcel: &Delivery) -> DeliveryOutcome {
        let mut recipients = self.recipients(&parcel.subject).await;
        recipients.retain(|one| !parcel.lock().done.contains(&one.endpoint));
        let sent = futures::stream::iter(recipients).map(|one| async move {
            let sent = self.send(parcel, &one).await;
            (one.endpoint.clone(), sent)
        });
        // In a box: each future names its borrows anew, which a stream of them can't.
        let mut sent = Box::pin(sent.buffer_unordered(AT_ONCE));
        let mut waiting = Vec::new();
        while let Some((endpoint, sent)) = sent.next().await {
            match sent {
                Sent::Taken => parcel.lock().taken = true,
                Sent::Gone => self.forget(endpoint.clone()).await,
                Sent::GivenUp(reason) => {
                    tracing::warn!(service = endpoint.origin(), reason, "a browser is not told");
                    parcel.lock().given_up = Some(reason);
                    self.dropped.inc();
                }
                Sent::Later(reason, wait) => {
                    waiting.push((reason, wait));
                    continue;
                }
            }
            parcel.lock().done.insert(endpoint);
        }
        self.answer(parcel, waiting)
    }
}

fn judge(reply: &HttpReply) -> Sent {
    let code = reply.status.as_u16();
    match code {
        200..=299 => Sent::Taken,
        404 | 410 => Sent::Gone,
        408 | 425 | 429 | 500..=599 => Sent::Later(format!("HTTP {code}"), reply.retry_after),
        _ => Sent::GivenUp(format!("HTTP {code}")),
    }
}
