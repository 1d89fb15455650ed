//! Webhooks: an alert as an HTTP POST, signed, as JSON, as CAP or in a receiver's own form.

use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use serde_json::Value;
use sha2::Sha256;
use url::Url;

use super::BodyTemplate;
use super::DeliveryOutcome;
use super::Prepared;
use super::Sink;
use super::cap;
use super::http;
use super::http::HttpClient;
use super::http::HttpReply;
use super::http::Post;
use crate::alert::Head;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::incident::Severity;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::time::Clock;
use crate::ward::Id;
use crate::ward::Secret;

/// Beginning of the cursors' names.
pub const PREFIX: &str = "webhook/";
/// Entries that are looked through for earlier revisions of an incident.
pub const LOOK_BACK: usize = 4096;
/// Stands in a url for its secret.
pub const PLACEHOLDER: &str = "{secret}";
/// A receiver's own words are cut, characters.
const WORDS_MAX: usize = 160;

/// One `[[webhook]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Names its cursor.
    pub id: Id,
    /// The receiver's address.
    pub target: Target,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Signs what is sent.
    pub secret: Option<Secret>,
    /// More headers; a value may be a secret, and so counts as one.
    pub headers: Vec<(String, Secret)>,
    /// The form of the body.
    pub body: Body,
    /// Of the body.
    pub content_type: String,
    /// The alerts that are sent.
    pub filter: Filter,
    /// The text that an answer has to contain beside its status.
    pub expect: Option<Expect>,
    /// One attempt takes no longer.
    pub timeout: Duration,
}

/// The body that is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The alert's bytes.
    Alert,
    /// A text of the admin's.
    Template(BodyTemplate),
    /// CAP 1.2, for fire and smoke alone.
    Cap(Arc<cap::Issuer>),
}

/// The filter of the alerts that are sent. An empty list is no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// Of these neighbourhoods.
    pub khu_pho: Vec<Id>,
    /// In these states.
    pub states: Vec<IncidentState>,
    /// This severe or more.
    pub severity_min: Option<Severity>,
    /// Of an incident only the first alert that passes, its escalation, and its end.
    pub news_only: bool,
}

/// `field=value`: an answer is a JSON object whose `field` says `value`. For gateways that answer
/// 200 to everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// A key of the object.
    pub field: String,
    /// Its text, or its number or truth value as text.
    pub value: String,
}

/// The address of a webhook: a url that may hold a secret, and so is never printed whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    /// The secret that was filled in.
    secret: Option<Secret>,
}

/// The reason why a url is no target. No message repeats a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a url at all, or without a host.
    #[error("is no url")]
    Url,
    /// Not http or https.
    #[error("the scheme is neither https nor http")]
    Scheme,
    /// A user or password stands in it.
    #[error("credentials don't belong in a url")]
    Credentials,
    /// The placeholder stands where it could change the receiver.
    #[error("{{secret}} may stand in the path or the query alone")]
    Place,
    /// The placeholder without a secret, or the other way round.
    #[error("{{secret}} in the url and url_secret belong together")]
    Alone,
}

impl Target {
    /// `url`, its `{secret}` filled in.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn new(url: &str, secret: Option<&Secret>) -> Result<Self, TargetError> {
        if url.contains(PLACEHOLDER) != secret.is_some() {
            return Err(TargetError::Alone);
        }
        let bare = Self::parse(&url.replace(PLACEHOLDER, "x"))?;
        let filled = match secret {
            // What fits with a plain letter and not with the secret has it in the host.
            Some(secret) => Self::parse(&url.replace(PLACEHOLDER, &encoded(secret.reveal())))
                .map_err(|_| TargetError::Place)?,
            None => bare.clone(),
        };
        let same = bare.origin() == filled.origin() && bare.fragment() == filled.fragment();
        if same {
            Ok(Self { url: filled, secret: secret.cloned() })
        } else {
            Err(TargetError::Place)
        }
    }

    fn parse(text: &str) -> Result<Url, TargetError> {
        let url = Url::parse(text).map_err(|_| TargetError::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        let there = url.host_str().is_some_and(|host| !host.is_empty()) && url.port() != Some(0);
        if there { Ok(url) } else { Err(TargetError::Url) }
    }

    /// Tells whether what is sent can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Tells whether the receiver is this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}://{}/***)", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }
}

/// A secret as a part of a path or query; what tokens are usually made of stays as it is.
fn encoded(secret: &str) -> String {
    let mut out = String::new();
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all");
        }
    }
    out
}

/// A webhook at work.
pub struct Webhook {
    reader: String,
    config: Config,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

/// A body, and which alert it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    body: Bytes,
    /// `{id}/{revision}`.
    delivery: String,
}

impl Webhook {
    /// Sends as `config` says; `clock` stamps signatures.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        let reader = reader(&config.id);
        let client = HttpClient::new(config.ca_file.clone(), config.timeout);
        Self { reader, config, client, clock }
    }

    fn headers(&self, parcel: &Delivery) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::try_from(&self.config.content_type).ok()?;
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert("x-keng-delivery", HeaderValue::try_from(&parcel.delivery).ok()?);
        let timestamp = self.clock.now().wall.as_millis().div_euclid(1000).to_string();
        if let Some(secret) = &self.config.secret {
            let signature = format!("sha256={}", sign(secret, &timestamp, &parcel.body));
            headers.insert("x-keng-signature", HeaderValue::try_from(signature).ok()?);
        }
        headers.insert("x-keng-timestamp", HeaderValue::try_from(timestamp).ok()?);
        for (name, value) in &self.config.headers {
            let name = HeaderName::try_from(name).ok()?;
            let mut value = HeaderValue::try_from(value.reveal()).ok()?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Some(headers)
    }

    fn judge(&self, reply: &HttpReply) -> DeliveryOutcome {
        let status = reply.status;
        let told = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        let reason = || {
            let words = self.words(&reply.body);
            let code = status.as_u16();
            if words.is_empty() { format!("HTTP {code}") } else { format!("HTTP {code}: {words}") }
        };
        let retry_after = reply.retry_after.or_else(|| {
            // Telegram's and others' way to say it.
            let seconds = told.pointer("/parameters/retry_after")?.as_u64()?;
            Some(Duration::from_secs(seconds))
        });
        match status.as_u16() {
            200..=299 => match &self.config.expect {
                Some(expect) if !expect.holds(&told) => DeliveryOutcome::Failed(reason()),
                _ => DeliveryOutcome::Taken,
            },
            408 | 425 | 429 | 502..=504 => DeliveryOutcome::Away { reason: reason(), retry_after },
            400..=499 => DeliveryOutcome::Refused(reason()),
            // Redirects too: they are not followed, and may be an outage's.
            _ => DeliveryOutcome::Failed(reason()),
        }
    }

    /// The receiver's own words in one short line, without what we keep secret.
    fn words(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let mut text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let path = self.config.target.url[url::Position::BeforePath..].to_owned();
        let headers = self.config.headers.iter().map(|(_, value)| value.reveal().to_owned());
        let own = self.config.secret.iter().map(|secret| secret.reveal().to_owned());
        // Some repeat the token alone, as it is or as it stands in the address.
        let token = self.config.target.secret.iter();
        let token = token.flat_map(|secret| [secret.reveal().to_owned(), encoded(secret.reveal())]);
        for secret in
            own.chain(headers).chain([path]).chain(token).filter(|secret| secret.len() > 1)
        {
            text = text.replace(&secret, "***");
        }
        text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
    }
}

/// The name of a webhook's cursor.
pub fn reader(id: &Id) -> String {
    format!("{PREFIX}{id}")
}

/// Hexadecimal HMAC-SHA256 (RFC 2104) over `{timestamp}.{body}`.
fn sign(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes())
        .expect("a key of any length will do");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Expect {
    fn holds(&self, told: &Value) -> bool {
        match told.get(&self.field) {
            Some(Value::String(text)) => *text == self.value,
            Some(told) => {
                let wanted: Result<Value, _> = serde_json::from_str(&self.value);
                wanted.is_ok_and(|wanted| wanted == *told)
            }
            None => false,
        }
    }
}

impl Filter {
    fn passes(&self, alert: &Head<'_>) -> bool {
        (self.kinds.is_empty() || alert.kind().is_some_and(|kind| self.kinds.contains(&kind)))
            && (self.states.is_empty()
                || alert.state().is_some_and(|state| self.states.contains(&state)))
            && (self.khu_pho.is_empty()
                || self.khu_pho.iter().any(|wanted| wanted.as_str() == alert.khu_pho))
            && self.severity_min.is_none_or(|least| alert.severity().is_some_and(|is| is >= least))
    }

    /// Tells whether `alert` is sent to somebody who `known`: was sent an earlier one.
    fn sends(&self, alert: &Head<'_>, known: bool) -> bool {
        self.passes(alert) && (!self.news_only || Self::is_news(alert, known))
    }

    /// Tells whether `alert` is news to somebody who `known`: was sent an earlier one.
    fn is_news(alert: &Head<'_>, known: bool) -> bool {
        let now = alert.escalated_at.as_deref().is_some_and(|at| at == alert.updated_at);
        !known || now || alert.closed_at.is_some()
    }
}

impl Sink for Webhook {
    type Delivery = Delivery;

    fn reader(&self) -> &str {
        &self.reader
    }

    fn prepare(&self, outbox: &Outbox, entry: &Entry) -> Result<Prepared<Delivery>, outbox::Error> {
        let alert = match Head::read(&entry.payload) {
            Ok(alert) => alert,
            Err(error) => return Ok(Prepared::Poison(format!("it is no alert: {error}"))),
        };
        let filter = &self.config.filter;
        if !filter.passes(&alert) {
            return Ok(Prepared::Skipped);
        }
        let first = alert.revision == 1;
        let wants_history = filter.news_only || matches!(self.config.body, Body::Cap(_));
        let earlier = if first || !wants_history {
            Vec::new()
        } else {
            outbox.history(&entry.subject, entry.sequence, LOOK_BACK)?
        };
        // Those that this webhook has sent: the receiver knows of no other.
        let mut sent: Vec<&[u8]> = Vec::new();
        for entry in &earlier {
            let read = Head::read(&entry.payload);
            if read.is_ok_and(|earlier| filter.sends(&earlier, !sent.is_empty())) {
                sent.push(&entry.payload);
            }
        }
        if !filter.sends(&alert, !sent.is_empty()) {
            return Ok(Prepared::Skipped);
        }
        let body = match &self.config.body {
            Body::Alert => Bytes::copy_from_slice(&entry.payload),
            Body::Template(template) => match serde_json::from_slice(&entry.payload) {
                Ok(members) => Bytes::from(template.fill(&members)),
                Err(error) => return Ok(Prepared::Poison(format!("it is no alert: {error}"))),
            },
            Body::Cap(issuer) => match cap::document(&entry.payload, &sent, issuer) {
                Ok(Some(document)) => Bytes::from(document),
                Ok(None) => return Ok(Prepared::Skipped),
                Err(error) => return Ok(Prepared::Poison(error.to_string())),
            },
        };
        let delivery = format!("{}/{}", alert.id, alert.revision);
        Ok(Prepared::Delivery(Delivery { body, delivery }))
    }

    async fn deliver(&self, parcel: &Delivery) -> DeliveryOutcome {
        let Some(headers) = self.headers(parcel) else {
            return DeliveryOutcome::Refused("its headers can't be sent".to_owned());
        };
        let post = Post { url: &self.config.target.url, headers, body: parcel.body.clone() };
        match self.client.post(post).await {
            Ok(reply) => self.judge(&reply),
            Err(error @ http::Error::Http { .. }) => DeliveryOutcome::Failed(error.to_string()),
            Err(error) => DeliveryOutcome::Away { reason: error.to_string(), retry_after: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_an_hmac_of_timestamp_and_body() {
        let key = Secret::new("Jefe".to_owned());
        // printf '1763.what do ya want for nothing?' | openssl dgst -sha256 -hmac Jefe
        assert_eq!(sign(&key, "1763", b"what do ya want for nothing?"), SIGNED);
    }

    const SIGNED: &str = "6a1f208e19d18cd8327e3664990a55b8c4e8cbf205bd7aa092be84002a442381";

    #[test]
    fn tokens_stay_readable_and_nothing_leaves_its_place() {
        assert_eq!(encoded("123:AA-b_c.d~"), "123:AA-b_c.d~");
        assert_eq!(encoded("a/b?c#d %ạ"), "a%2Fb%3Fc%23d%20%25%E1%BA%A1");
    }
}
