//! `[[webhook]]`, `[home_assistant]` and `[cap]`: where alerts go beside the broker and the page.

use std::sync::Arc;
use std::time::Duration;

use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::incident::Severity;
use crate::outlet::BodyTemplate;
use crate::outlet::BodyTemplateError;
use crate::outlet::TEMPLATE_BYTES_MAX;
use crate::outlet::cap;
use crate::outlet::home_assistant;
use crate::outlet::webhook;
use crate::outlet::webhook::Body;
use crate::outlet::webhook::Expect;
use crate::outlet::webhook::Filter;
use crate::outlet::webhook::Target;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Secret;
use crate::ward::Ward;

use super::reader::Item;
use super::reader::Section;
use super::surroundings::Surroundings;
use super::unique_ids::UniqueIds;
use super::values;

/// More webhooks are a mistake.
const WEBHOOKS_MAX: usize = 32;
const HEADERS_MAX: usize = 16;
const JSON: &str = "application/json";
/// The headers that we send ourselves.
const OWN_HEADERS: [&str; 7] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "upgrade",
];

/// The configurations of all outlets beside the broker and the page. A new outlet is a field here:
/// the compiler then asks for its reader, its part in a reload, and how `app` starts it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlets {
    /// `[[webhook]]`, in the file's order.
    pub webhooks: Vec<webhook::Config>,
    /// `[home_assistant]`; none unless it is enabled.
    pub home_assistant: Option<home_assistant::Config>,
    /// `[cap]`; none where it is not there.
    pub cap: Option<Arc<cap::Issuer>>,
}

impl Outlets {
    /// Reads the sections of all outlets.
    pub(super) fn read(
        root: &Section<'_>,
        around: &Surroundings<'_>,
        ward: Option<&Ward>,
        khu_pho: &[KhuPho],
    ) -> Self {
        // A mistyped section's hint lists the known ones in the order in which they are read.
        let home_assistant = home_assistant(root);
        let cap = cap(root, ward, khu_pho);
        Self {
            home_assistant,
            webhooks: webhooks(root, &RestOfFile { around, khu_pho, cap: cap.as_ref() }),
            cap,
        }
    }

    /// Each section's name, and whether it differs between two configurations.
    pub(super) fn differences(&self, other: &Self) -> [(&'static str, bool); 3] {
        let Self { webhooks, home_assistant, cap } = self;
        [
            ("webhook", *webhooks != other.webhooks),
            ("home_assistant", *home_assistant != other.home_assistant),
            ("cap", *cap != other.cap),
        ]
    }
}

/// The rest of the file, as far as webhooks need it.
struct RestOfFile<'a> {
    around: &'a Surroundings<'a>,
    khu_pho: &'a [KhuPho],
    cap: Option<&'a Arc<cap::Issuer>>,
}

/// `[home_assistant]`; none unless it is enabled.
fn home_assistant(root: &Section<'_>) -> Option<home_assistant::Config> {
    let section = root.section("home_assistant")?;
    let enabled = section.item("enabled").and_then(|item| item.boolean()).unwrap_or(false);
    let mut prefix = home_assistant::PREFIX.to_owned();
    if let Some(item) = section.item("prefix")
        && let Some(text) = item.text()
    {
        if home_assistant::is_prefix(text) {
            text.clone_into(&mut prefix);
        } else {
            let remedy = "give the discovery prefix of Home Assistant, such as \"homeassistant\"";
            item.fault(format!("{text:?} is no topic of its own"), remedy);
        }
    }
    section.finish();
    enabled.then_some(home_assistant::Config { prefix })
}

/// `[cap]`; none where it is not there.
fn cap(root: &Section<'_>, ward: Option<&Ward>, khu_pho: &[KhuPho]) -> Option<Arc<cap::Issuer>> {
    let section = root.section("cap")?;
    let sender = section.required("sender", "who sends, such as \"keng@phuong-14.example\"");
    let sender = sender.and_then(|item| {
        let text = item.text()?;
        let remedy = "write it without spaces, commas, < and &, like an e-mail address";
        if !cap::is_sender(text) {
            item.fault(format!("{text:?} can't be a sender"), remedy);
            return None;
        }
        Some(text.to_owned())
    });
    let public = section.item("scope");
    let public = public.and_then(|item| item.word(&[("restricted", false), ("public", true)]));
    let restriction = section.item("restriction");
    let rule = restriction.as_ref().and_then(Item::text).unwrap_or(DEFAULT_RESTRICTION);
    let scope = match public {
        Some(true) => {
            if let Some(item) = &restriction {
                item.warning("not used: what is public has no restriction", "take it out");
            }
            cap::Scope::Public
        }
        _ => cap::Scope::Restricted(rule.to_owned()),
    };
    section.finish();
    let (sender, ward) = (sender?, ward?.clone());
    Some(Arc::new(cap::Issuer { sender, scope, ward, khu_pho: khu_pho.to_vec() }))
}

const DEFAULT_RESTRICTION: &str =
    "Chỉ dành cho lực lượng chức năng / For public safety authorities only";

/// Every `[[webhook]]` that could be read.
fn webhooks(root: &Section<'_>, rest: &RestOfFile<'_>) -> Vec<webhook::Config> {
    let mut seen = UniqueIds::default();
    let mut found = Vec::new();
    for (index, section) in root.sections("webhook").into_iter().enumerate() {
        if index == WEBHOOKS_MAX {
            section.fault("is one webhook too many", "give at most 32");
        }
        let id = section.required("id", "names its place in the log, such as \"chat\"");
        let id = id.and_then(|item| seen.unique_id(&item));
        found.extend(webhook(&section, id, rest));
        section.finish();
    }
    found
}

fn webhook(
    section: &Section<'_>,
    id: Option<Id>,
    rest: &RestOfFile<'_>,
) -> Option<webhook::Config> {
    let target = target(section, rest);
    let ca_file = section.item("ca_file").and_then(|item| values::path(&item, rest.around));
    let secret = section.item("secret").and_then(|item| values::secret(&item, rest.around));
    let headers = headers(section, rest);
    let body = body(section, rest);
    let filter = filter(section, rest);
    let expect = section.item("expect").and_then(|item| expect(&item));
    let timeout = section.item("timeout_s").and_then(|item| item.seconds(60));
    let (body, content_type) = body?;
    Some(webhook::Config {
        id: id?,
        target: target?,
        ca_file,
        secret,
        headers,
        body,
        content_type,
        filter,
        expect,
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
    })
}

fn target(section: &Section<'_>, rest: &RestOfFile<'_>) -> Option<Target> {
    let example = "https://gateway.example/keng";
    let item = section.required("url", &format!("add url = {example:?}"));
    let secret = section.item("url_secret");
    let named = secret.is_some();
    let secret = secret.and_then(|item| values::secret(&item, rest.around));
    let item = item?;
    let text = item.text()?;
    if named && secret.is_none() {
        return None;
    }
    match Target::new(text, secret.as_ref()) {
        Ok(target) => {
            if target.is_plain() && !target.is_loopback() {
                item.warning("what is sent can be read on the way", "use https");
            }
            Some(target)
        }
        Err(error) => {
            let remedy = format!(
                "write it like {example:?}, or with {{secret}} in its path and url_secret beside it"
            );
            item.fault(error.to_string(), &remedy);
            None
        }
    }
}

fn headers(section: &Section<'_>, rest: &RestOfFile<'_>) -> Vec<(String, Secret)> {
    let mut found: Vec<(String, Secret)> = Vec::new();
    for (index, header) in section.sections("header").into_iter().enumerate() {
        if index == HEADERS_MAX {
            header.fault("is one header too many", "give at most 16");
        }
        let name = header.required("name", "such as \"X-Api-Key\"").and_then(|item| name(&item));
        let value = header.required("value", "a text, or a secret: { env = \"NAME\" }");
        let value = value.and_then(|item| {
            if item.is_table() {
                return values::secret(&item, rest.around);
            }
            item.text().map(|text| Secret::new(text.to_owned()))
        });
        let ascii = |secret: &Secret| secret.reveal().chars().all(|c| (' '..='~').contains(&c));
        if value.as_ref().is_some_and(|value| !ascii(value)) {
            header.fault("a header's value is plain ASCII", "write it in a-z, 0-9 and signs");
        }
        header.finish();
        found.extend(name.zip(value));
    }
    found
}

fn name(item: &Item<'_>) -> Option<String> {
    let name = item.text()?.to_ascii_lowercase();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !plain || name.starts_with("x-keng-") || OWN_HEADERS.contains(&name.as_str()) {
        item.fault("this header can't be set", "give letters, digits and hyphens; not one of ours");
        return None;
    }
    Some(name)
}

/// Reads the form of the body, and its type.
fn body(section: &Section<'_>, rest: &RestOfFile<'_>) -> Option<(Body, String)> {
    let content_type = section.item("content_type");
    let format = section.item("format");
    let is_cap = format.as_ref().and_then(|item| item.word(&[("json", false), ("cap", true)]));
    let body = section.item("body");
    if is_cap == Some(true) {
        let unused = [&body, &content_type].into_iter().flatten();
        unused.for_each(|item| item.fault("a CAP message has its own form", "take it out"));
        let Some(issuer) = rest.cap else {
            let remedy = "add [cap] with sender = \"…\"";
            format?.absence("a CAP message needs a sender", remedy);
            return None;
        };
        return Some((Body::Cap(Arc::clone(issuer)), cap::CONTENT_TYPE.to_owned()));
    }
    let content_type = match content_type {
        Some(item) => media_type(&item)?,
        None => JSON.to_owned(),
    };
    let Some(item) = body else { return Some((Body::Alert, content_type)) };
    match BodyTemplate::new(item.long_text(TEMPLATE_BYTES_MAX)?, &content_type) {
        Ok(template) => Some((Body::Template(template), content_type)),
        Err(error) => {
            let remedy = match error {
                BodyTemplateError::Unknown(_) => {
                    format!("known: {}", BodyTemplate::names().join(", "))
                }
                _ => "write it like {\"text\":\"{message}\"}".to_owned(),
            };
            item.fault(error.to_string(), &remedy);
            None
        }
    }
}

fn media_type(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let fits = text.contains('/') && text.chars().all(|c| (' '..='~').contains(&c));
    if !fits {
        item.fault(format!("{text:?} is no media type"), "write it like \"application/json\"");
        return None;
    }
    Some(text.to_owned())
}

fn filter(section: &Section<'_>, rest: &RestOfFile<'_>) -> Filter {
    let kinds = Kind::ALL.map(|kind| (kind.as_str(), kind));
    let severity = section.item("severity_min");
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let khu_pho = list(section, "khu_pho", |item| {
        let id = values::id(item)?;
        if !rest.khu_pho.iter().any(|known| known.id == id) {
            let remedy = format!("add [[khu_pho]] with id = \"{id}\", or correct it");
            item.absence(format!("there is no khu_pho {id}"), &remedy);
        }
        Some(id)
    });
    Filter {
        kinds: list(section, "kinds", |item| item.word(&kinds)),
        khu_pho,
        states: list(section, "states", |item| {
            item.word(&IncidentState::ALL.map(|state| (state.as_str(), state)))
        }),
        severity_min: severity.and_then(|item| item.word(&severities)),
        news_only: section.item("news_only").and_then(|item| item.boolean()).unwrap_or(false),
    }
}

/// A list that is not empty; not given, it is no limit.
fn list<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&Item<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(item) = section.item(key) else { return Vec::new() };
    let items = item.items();
    if items.as_ref().is_some_and(Vec::is_empty) {
        item.fault("is empty, so that nothing would be sent", "leave the key out to send all");
    }
    items.unwrap_or_default().iter().filter_map(read).collect()
}

fn expect(item: &Item<'_>) -> Option<Expect> {
    let text = item.text()?;
    let Some((field, value)) = text.split_once('=') else {
        item.fault(format!("{text:?} is no field and its value"), "write it like \"ok=true\"");
        return None;
    };
    Some(Expect { field: field.trim().to_owned(), value: value.trim().to_owned() })
}
