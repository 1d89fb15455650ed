//! Bodies that an admin writes: text with `{placeholders}`, each escaped as the content asks. Pure.
//!
//! A placeholder is a brace, a word of small letters, a brace. JSON's own braces never look so: its
//! keys stand in quotes.

use std::fmt::Write as _;

use serde_json::Value;

/// Longer ones are refused, bytes.
pub const TEMPLATE_BYTES_MAX: usize = 8 * 1024;

/// Placeholders, and where an alert has what they stand for.
const FIELDS: &[(&str, &str)] = &[
    ("acknowledged_by", "/acknowledged/by"),
    ("address", "/cameras/0/address"),
    ("camera", "/cameras/0/id"),
    ("closed_at", "/closed_at"),
    ("exercise", "/exercise"),
    ("id", "/id"),
    ("khu_pho", "/khu_pho"),
    ("kind", "/kind"),
    ("latitude", "/cameras/0/latitude"),
    ("longitude", "/cameras/0/longitude"),
    ("message", "/message"),
    ("opened_at", "/opened_at"),
    ("phone", "/team/phone"),
    ("revision", "/revision"),
    ("sequence", "/sequence"),
    ("severity", "/severity"),
    ("state", "/state"),
    ("team", "/team/name"),
    ("updated_at", "/updated_at"),
    ("ward", "/ward"),
];

/// The alert itself, as JSON.
const WHOLE: &str = "alert";

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyTemplate {
    parts: Vec<Part>,
    escape: Escape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A JSON pointer.
    Field(&'static str),
    Whole,
}

/// The escaping of what is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// As within a JSON text.
    Json,
    /// As a form's value.
    Form,
    /// As within XML or HTML.
    Markup,
    /// As it is.
    Plain,
}

impl Escape {
    fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            "text/html" => Self::Markup,
            kind if kind.ends_with("json") => Self::Json,
            kind if kind.ends_with("xml") => Self::Markup,
            _ => Self::Plain,
        }
    }

    fn write(self, text: &str, out: &mut String) {
        match self {
            Self::Plain => out.push_str(text),
            Self::Markup => escape_markup(text, out),
            Self::Form => out.extend(url::form_urlencoded::byte_serialize(text.as_bytes())),
            Self::Json => {
                let quoted = Value::from(text).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
}

/// The reason why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyTemplateError {
    /// A word in braces that stands for nothing.
    #[error("there is no placeholder {{{0}}}")]
    Unknown(String),
    /// Over [`TEMPLATE_BYTES_MAX`].
    #[error("it has over 8192 bytes")]
    Length,
    /// The filled template is no JSON.
    #[error("with its placeholders filled it is no JSON: {0}")]
    Json(String),
}

impl BodyTemplate {
    /// Reads `text`, which will be sent as `content_type`; that decides how what is filled in is
    /// escaped.
    ///
    /// # Errors
    /// [`BodyTemplateError`], also where a JSON template makes no JSON.
    pub fn new(text: &str, content_type: &str) -> Result<Self, BodyTemplateError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(BodyTemplateError::Length);
        }
        let template = Self { parts: parts(text)?, escape: Escape::of(content_type) };
        if template.escape == Escape::Json {
            let alerts = [Value::Null, serde_json::json!({ "message": "\"", "revision": 1 })];
            for alert in alerts {
                let filled = template.fill(&alert);
                let read: Result<Value, _> = serde_json::from_str(&filled);
                read.map_err(|error| BodyTemplateError::Json(error.to_string()))?;
            }
        }
        Ok(template)
    }

    /// The placeholders that there are.
    pub fn names() -> Vec<&'static str> {
        let names = FIELDS.iter().map(|(name, _)| *name);
        std::iter::once(WHOLE).chain(names).collect()
    }

    /// The text with what `alert` says; what it does not say is left empty.
    pub fn fill(&self, alert: &Value) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(pointer) => match alert.pointer(pointer) {
                    None | Some(Value::Null) => {}
                    Some(Value::String(text)) => self.escape.write(text, &mut out),
                    Some(other) => self.escape.write(&other.to_string(), &mut out),
                },
                // As a value of its own and not within a text.
                Part::Whole if self.escape == Escape::Json => {
                    write!(out, "{alert}").expect("a string takes all");
                }
                Part::Whole => self.escape.write(&alert.to_string(), &mut out),
            }
        }
        out
    }
}

fn parts(text: &str) -> Result<Vec<Part>, BodyTemplateError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        plain.push_str(before);
        let word = from[1..].find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        let word = word.filter(|end| *end > 0 && from[1 + end..].starts_with('}'));
        let Some(end) = word else {
            plain.push('{');
            rest = &from[1..];
            continue;
        };
        let name = &from[1..=end];
        let field = FIELDS.iter().find(|(known, _)| *known == name);
        let part = match field {
            Some((_, pointer)) => Part::Field(pointer),
            None if name == WHOLE => Part::Whole,
            None => return Err(BodyTemplateError::Unknown(name.to_owned())),
        };
        parts.extend((!plain.is_empty()).then(|| Part::Text(std::mem::take(&mut plain))));
        parts.push(part);
        rest = &from[end + 2..];
    }
    plain.push_str(rest);
    parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
    Ok(parts)
}

/// Adds `text` as XML text or attribute value. Characters that XML 1.0 has no way to write are
/// left out.
pub(super) fn escape_markup(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c < ' ' => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filled(text: &str, content_type: &str) -> String {
        let alert = json!({
            "id": "i-1", "revision": 3, "message": "CHÁY \"to\" & <lớn>\n", "exercise": false,
            "team": { "name": "Tổ 3", "phone": null }, "cameras": [],
        });
        BodyTemplate::new(text, content_type).unwrap().fill(&alert)
    }

    #[test]
    fn what_is_filled_in_is_escaped_as_the_content_asks() {
        for (text, content_type, expected) in [
            (r#"{"text":"{message}"}"#, "application/json", r#"{"text":"CHÁY \"to\" & <lớn>\n"}"#),
            (
                r#"{"n":{revision}1,"x":{}}"#,
                "application/json; charset=utf-8",
                r#"{"n":31,"x":{}}"#,
            ),
            (
                "a={message}",
                "application/x-www-form-urlencoded",
                "a=CH%C3%81Y+%22to%22+%26+%3Cl%E1%BB%9Bn%3E%0A",
            ),
            ("<a>{message}</a>", "text/xml", "<a>CHÁY &quot;to&quot; &amp; &lt;lớn&gt;\n</a>"),
            (
                "{message}|{team}|{phone}|{address}|{exercise}",
                "text/plain",
                "CHÁY \"to\" & <lớn>\n|Tổ 3|||false",
            ),
            ("{ {} {Not} {1} }{", "text/plain", "{ {} {Not} {1} }{"),
        ] {
            assert_eq!(filled(text, content_type), expected, "{text}");
        }
        assert!(filled(r#"{"a":{alert}}"#, "application/json").contains(r#""revision":3"#));
    }

    #[test]
    fn mistakes_are_found_before_the_first_alert() {
        let error = |text: &str| BodyTemplate::new(text, "application/json").unwrap_err();
        assert_eq!(error("{mesage}"), BodyTemplateError::Unknown("mesage".to_owned()));
        assert!(matches!(error(r#"{"text":{message}}"#), BodyTemplateError::Json(_)));
        assert!(matches!(error(r#"{"text":"{message}""#), BodyTemplateError::Json(_)));
        assert_eq!(error(&"x".repeat(9_000)), BodyTemplateError::Length);
        assert!(BodyTemplate::names().contains(&"message"));
    }

    proptest! {
        #[test]
        fn whatever_an_alert_says_the_json_stays_json(message in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let template =
                BodyTemplate::new(r#"{"a":["{message}"],"b":1}"#, "application/json").unwrap();
            let filled = template.fill(&json!({ "message": message }));
            let read: Value = serde_json::from_str(&filled).unwrap();
            prop_assert_eq!(&read["a"][0], &json!(message));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}a-z_\"ạ]{0,60}") {
            drop(BodyTemplate::new(&text, "text/plain"));
        }
    }
}
