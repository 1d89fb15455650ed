//! The Common Alerting Protocol, version 1.2 (OASIS Standard, 1 July 2010): an alert of a fire or
//! of smoke (of a kind with [`CapFacts`]) as the XML that civil-protection systems take. Pure.
//!
//! | alert | `msgType` |
//! | --- | --- |
//! | the first of an incident that is a fire or smoke | Alert |
//! | somebody has acknowledged it | Ack |
//! | a false alarm | Cancel |
//! | any other | Update; a closed one with the response type AllClear |
//!
//! Each one refers to all earlier ones of its incident. A drill has the status Exercise.

use std::fmt::Write as _;
use std::time::Duration;

use crate::alert;
use crate::alert::Head;
use crate::alert::ParseError;
use crate::incident::Incident;
use crate::incident::IncidentState;
use crate::incident::Severity;
use crate::incident::kind::CapFacts;
use crate::time::Wall;
use crate::ward::Coordinates;
use crate::ward::KhuPho;
use crate::ward::Language;
use crate::ward::Ward;

use super::template::escape_markup;

/// The XML namespace.
pub const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// The media type of a document.
pub const CONTENT_TYPE: &str = "application/cap+xml";
/// Around a camera that sees it, kilometres: what is seen burns near it.
const RADIUS_KM: f64 = 0.1;
/// A message that is not renewed is over after so long.
const EXPIRES_AFTER: Duration = Duration::from_secs(3_600);
/// Earlier messages referred to: the first one and the newest.
const REFERENCES_MAX: usize = 20;

/// The sender of CAP messages, and their scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    /// `[cap] sender`: globally unique, without spaces, commas, `<` and `&`.
    pub sender: String,
    /// The audience that it is meant for.
    pub scope: Scope,
    /// The ward.
    pub ward: Ward,
    /// Its neighbourhoods, for their names.
    pub khu_pho: Vec<KhuPho>,
}

/// `scope`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// For everybody.
    Public,
    /// For those whom the rule in these words names.
    Restricted(String),
}

/// Tells whether `text` can be a sender: no space, no comma, no `<` and no `&`.
pub fn is_sender(text: &str) -> bool {
    !text.is_empty() && !text.contains([' ', ',', '<', '&'])
}

/// The document of the alert `payload`; none where it is neither fire nor smoke. `earlier`: the
/// alerts of before, oldest first; those of other incidents don't matter.
///
/// # Errors
/// [`ParseError`] where `payload` is no alert.
pub fn document(
    payload: &[u8],
    earlier: &[&[u8]],
    issuer: &Issuer,
) -> Result<Option<String>, ParseError> {
    let incident = alert::parse(payload)?;
    let Some(facts) = incident.kind.facts().cap else { return Ok(None) };
    let known: Vec<Incident> = earlier
        .iter()
        .filter_map(|payload| alert::parse(payload).ok())
        .filter(|known| known.id == incident.id && known.revision < incident.revision)
        .filter(|known| known.kind.facts().cap.is_some())
        .collect();
    let places = places(&Head::read(payload)?, &incident, issuer);
    let message = CapMessage { places, incident, facts, known, issuer };
    Ok(Some(message.write()))
}

/// Somewhere that it burns.
struct AlertArea {
    name: String,
    coordinates: Option<Coordinates>,
}

/// Returns where the alert says that it is: configurations change, alerts don't.
fn places(alert: &Head<'_>, incident: &Incident, issuer: &Issuer) -> Vec<AlertArea> {
    let mut places: Vec<AlertArea> = alert
        .cameras
        .iter()
        .map(|camera| {
            let coordinates = camera.latitude.zip(camera.longitude);
            AlertArea {
                name: camera.address.clone().into_owned(),
                coordinates: coordinates
                    .map(|(latitude, longitude)| Coordinates { latitude, longitude }),
            }
        })
        .filter(|place| !place.name.is_empty())
        .collect();
    if places.is_empty() {
        let told = incident.reports.last().and_then(|report| report.place.clone());
        let name = told.unwrap_or_else(|| issuer.khu_pho_name(incident).to_owned());
        places.push(AlertArea { name, coordinates: None });
    }
    places
}

impl Issuer {
    fn khu_pho_name<'a>(&'a self, incident: &'a Incident) -> &'a str {
        let known = self.khu_pho.iter().find(|khu_pho| khu_pho.id == incident.khu_pho);
        known.map_or(incident.khu_pho.as_str(), |khu_pho| &khu_pho.name)
    }

    fn identifier(&self, incident: &Incident) -> String {
        format!("{}.{}.{}", self.ward.id, incident.id, incident.revision)
    }

    /// Seconds and an offset; UTC is `-00:00` there.
    fn time(&self, wall: Wall) -> String {
        let zoned = wall.to_jiff().to_zoned(self.ward.timezone.clone());
        let text = zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        match text.strip_suffix("+00:00") {
            Some(utc) => format!("{utc}-00:00"),
            None => text,
        }
    }
}

/// An XML text that grows.
#[derive(Default)]
struct Xml(String);

impl Xml {
    fn element(&mut self, name: &str, text: &str) {
        self.open(name);
        escape_markup(text, &mut self.0);
        self.close(name);
    }

    fn open(&mut self, name: &str) {
        write!(self.0, "<{name}>").expect("a string takes all");
    }

    fn close(&mut self, name: &str) {
        writeln!(self.0, "</{name}>").expect("a string takes all");
    }
}

struct CapMessage<'a> {
    incident: Incident,
    facts: CapFacts,
    /// Earlier ones of the incident, oldest first.
    known: Vec<Incident>,
    places: Vec<AlertArea>,
    issuer: &'a Issuer,
}

impl CapMessage<'_> {
    fn write(&self) -> String {
        let (incident, issuer) = (&self.incident, self.issuer);
        let kind = self.kind();
        let mut xml = Xml::default();
        xml.0.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        writeln!(xml.0, "<alert xmlns=\"{NAMESPACE}\">").expect("a string takes all");
        xml.element("identifier", &issuer.identifier(incident));
        xml.element("sender", &issuer.sender);
        xml.element("sent", &issuer.time(incident.updated_at));
        xml.element("status", if incident.exercise { "Exercise" } else { "Actual" });
        xml.element("msgType", kind);
        xml.element("source", &format!("Kẻng, {}", issuer.ward.name));
        match &issuer.scope {
            Scope::Public => xml.element("scope", "Public"),
            Scope::Restricted(rule) => {
                xml.element("scope", "Restricted");
                xml.element("restriction", rule);
            }
        }
        if let Some(note) = self.note(kind) {
            xml.element("note", &note);
        }
        if !self.known.is_empty() {
            xml.element("references", &self.references());
        }
        let merged = incident.merged_into.as_ref().map(|into| format!(" {into}"));
        xml.element("incidents", &format!("{}{}", incident.id, merged.unwrap_or_default()));
        if kind != "Ack" {
            self.info(&mut xml, Language::Vi);
            self.info(&mut xml, Language::En);
        }
        xml.close("alert");
        xml.0
    }

    fn kind(&self) -> &'static str {
        let state = self.incident.state;
        match self.known.last() {
            None => "Alert",
            Some(_) if state == IncidentState::FalseAlarm => "Cancel",
            Some(before)
                if state == IncidentState::Acknowledged && before.state == IncidentState::Open =>
            {
                "Ack"
            }
            Some(_) => "Update",
        }
    }

    fn note(&self, kind: &str) -> Option<String> {
        let mut notes = Vec::new();
        if self.incident.exercise {
            notes.push("Diễn tập. / Exercise.".to_owned());
        }
        if kind == "Cancel" {
            notes.push("Báo nhầm. / False alarm.".to_owned());
        }
        if let Some(taken) = self.incident.acknowledged.as_ref().filter(|_| kind == "Ack") {
            let at = self.issuer.time(taken.at);
            notes.push(format!("Đã tiếp nhận / Acknowledged: {}, {at}", taken.by));
            notes.extend(taken.note.clone());
        }
        (!notes.is_empty()).then(|| notes.join(" "))
    }

    fn references(&self) -> String {
        let skipped = self.known.len().saturating_sub(REFERENCES_MAX);
        let kept = self.known.iter().enumerate();
        let kept = kept.filter(|(index, _)| *index == 0 || *index > skipped || skipped == 0);
        let reference = |(_, known): (usize, &Incident)| {
            let (id, sent) = (self.issuer.identifier(known), self.issuer.time(known.updated_at));
            format!("{},{id},{sent}", self.issuer.sender)
        };
        kept.map(reference).collect::<Vec<_>>().join(" ")
    }

    fn info(&self, xml: &mut Xml, language: Language) {
        let incident = &self.incident;
        let over = incident.state.is_closed();
        let words = CapWords { vi: language == Language::Vi };
        let event = incident.kind.facts().name.of(language);
        xml.open("info");
        xml.element("language", words.choose("vi-VN", "en-US"));
        xml.element("category", self.facts.category);
        xml.element("event", event);
        xml.element("responseType", if over { "AllClear" } else { self.facts.response });
        xml.element("urgency", if over { "Past" } else { "Immediate" });
        xml.element("severity", severity(incident.severity));
        xml.element("certainty", certainty(incident));
        xml.element("onset", &self.issuer.time(incident.opened_at));
        xml.element("expires", &self.issuer.time(incident.updated_at + EXPIRES_AFTER));
        xml.element("senderName", &self.issuer.ward.name);
        let place = self.places.first().map_or("", |place| place.name.as_str());
        let khu_pho = self.issuer.khu_pho_name(incident);
        let exercise =
            if incident.exercise { words.choose("DIỄN TẬP. ", "EXERCISE. ") } else { "" };
        let headline = if place == khu_pho {
            format!("{exercise}{event}: {khu_pho}")
        } else {
            format!("{exercise}{event}: {place}, {khu_pho}")
        };
        xml.element("headline", &headline);
        xml.element("description", &words.description(incident));
        if !over {
            xml.element("instruction", self.facts.instruction.of(language));
        }
        self.parameter(xml, "keng:incident", incident.id.as_str());
        self.parameter(xml, "keng:state", incident.state.as_str());
        for place in &self.places {
            xml.open("area");
            xml.element("areaDesc", &format!("{}, {khu_pho}", place.name));
            if let Some(at) = place.coordinates {
                let circle = format!("{},{} {RADIUS_KM}", at.latitude, at.longitude);
                xml.element("circle", &circle);
            }
            xml.close("area");
        }
        xml.close("info");
    }

    fn parameter(&self, xml: &mut Xml, name: &str, value: &str) {
        xml.open("parameter");
        xml.element("valueName", name);
        xml.element("value", value);
        xml.close("parameter");
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Severe",
        Severity::Warning => "Moderate",
        Severity::Info => "Minor",
    }
}

/// One camera may be wrong; two, or a person, have observed it.
fn certainty(incident: &Incident) -> &'static str {
    match incident.state {
        IncidentState::FalseAlarm => "Unlikely",
        _ if incident.cameras.len() > 1 || !incident.reports.is_empty() => "Observed",
        IncidentState::OnScene | IncidentState::Resolved => "Observed",
        _ => "Likely",
    }
}

/// The words that people read, in one of two languages.
struct CapWords {
    vi: bool,
}

impl CapWords {
    fn choose(&self, vi: &'static str, en: &'static str) -> &'static str {
        if self.vi { vi } else { en }
    }

    fn description(&self, incident: &Incident) -> String {
        let (cameras, people) = (incident.cameras.len(), incident.reports.len());
        let seen = if self.vi {
            format!("{cameras} camera thấy, {people} người dân báo.")
        } else {
            format!("Cameras that see it: {cameras}. Reports by residents: {people}.")
        };
        let how = match incident.state {
            IncidentState::Open => self.choose("Chưa ai tiếp nhận.", "Nobody has answered yet."),
            IncidentState::Acknowledged => self.choose("Đã tiếp nhận.", "Acknowledged."),
            IncidentState::OnScene => {
                self.choose("Lực lượng đã có mặt.", "Responders are on the scene.")
            }
            IncidentState::Resolved => self.choose("Đã xử lý xong.", "Resolved."),
            IncidentState::FalseAlarm => self.choose("Báo nhầm.", "False alarm."),
            IncidentState::Expired if incident.merged_into.is_some() => {
                self.choose("Nhập vào sự việc khác.", "Goes on in another incident.")
            }
            IncidentState::Expired => self.choose("Không còn thấy nữa.", "No longer seen."),
        };
        format!("{seen} {how}")
    }
}

#[cfg(test)]
#[path = "cap_tests.rs"]
mod tests;
