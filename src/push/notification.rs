//! The text of notifications, and the choice of alerts that have one.

use serde_json::Value;
use serde_json::json;

use crate::alert::Head;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::incident::Severity;
use crate::ward::Language;

/// A browser shows a few lines; the rest would only fill the record.
const BODY_CHARS_MAX: usize = 400;

/// Tells whether `alert` is worth waking somebody: what is new, what nobody has answered, what
/// somebody did. A camera's health is none, as on the page. `before`: its incident's alert before
/// it.
pub(super) fn is_news(alert: &Head<'_>, before: Option<&Head<'_>>) -> bool {
    let calls = alert.kind().is_none_or(|kind| !kind.facts().is_technical);
    let Some(before) = before else { return calls && alert.closed_at.is_none() };
    let escalated = alert.escalated_at.is_some() && before.escalated_at.is_none();
    calls && (escalated || alert.state() != before.state())
}

/// Tells whether it is to be shown until somebody looks, and sent though the phone saves its
/// battery.
pub(super) fn is_urgent(alert: &Head<'_>) -> bool {
    let burns = alert.kind().is_some_and(|kind| kind.facts().burns);
    alert.state() == Some(IncidentState::Open)
        && (burns || alert.severity() == Some(Severity::Critical))
}

/// The notification, as the page's service worker takes it.
pub(super) fn notification(alert: &Head<'_>, language: Language) -> Value {
    let vi = language == Language::Vi;
    let kind = alert.kind().unwrap_or(Kind::Other).facts().name.of(language);
    let exercise = match (alert.exercise, vi) {
        (true, true) => "DIỄN TẬP · ",
        (true, false) => "EXERCISE · ",
        (false, _) => "",
    };
    let body: String = alert.message.chars().take(BODY_CHARS_MAX).collect();
    json!({
        "title": format!("{exercise}{kind} · Kẻng"),
        "body": body,
        "id": alert.id,
        "khu_pho": alert.khu_pho,
        "revision": alert.revision,
        "at": alert.updated_at,
        "urgent": is_urgent(alert),
        "lang": if vi { "vi" } else { "en" },
    })
}

#[cfg(test)]
mod tests {
    use super::{Head, Language, Value, json};

    /// An alert with these changes.
    fn alert(changes: Value) -> String {
        let mut alert = json!({
            "id": "a-1", "khu_pho": "kp3", "revision": 1, "kind": "fire", "state": "open",
            "severity": "critical", "closed_at": null, "escalated_at": null, "exercise": false,
            "message": "CHÁY tại Hẻm 42", "updated_at": "2026-11-21T22:14:03.120+07:00",
        });
        for (key, value) in changes.as_object().unwrap() {
            alert[key] = value.clone();
        }
        alert.to_string()
    }

    fn head(alert: &str) -> Head<'_> {
        Head::read(alert.as_bytes()).unwrap()
    }

    fn is_news(alert: &str, before: Option<&str>) -> bool {
        super::is_news(&head(alert), before.map(head).as_ref())
    }

    fn notification(alert: &str, language: Language) -> Value {
        super::notification(&head(alert), language)
    }

    #[test]
    fn people_are_told_of_what_is_new_and_of_what_was_done() {
        let first = alert(json!({}));
        assert!(is_news(&first, None));
        assert!(!is_news(&alert(json!({"revision": 2})), Some(&first)), "it goes on");
        assert!(is_news(&alert(json!({"escalated_at": "x"})), Some(&first)));
        let called = alert(json!({"escalated_at": "x"}));
        assert!(!is_news(&called, Some(&called)), "once");
        for state in ["acknowledged", "on_scene", "resolved", "false_alarm", "expired"] {
            assert!(is_news(&alert(json!({"state": state})), Some(&first)), "{state}");
        }
        assert!(!is_news(&alert(json!({"kind": "camera"})), None));
        assert!(!is_news(&alert(json!({"closed_at": "x"})), None), "nobody was told of it");
    }

    #[test]
    fn a_notification_says_what_and_whether_it_is_a_drill() {
        let told = notification(&alert(json!({"exercise": true})), Language::Vi);
        assert_eq!(told["title"], "DIỄN TẬP · Cháy · Kẻng");
        assert_eq!((&told["body"], &told["urgent"]), (&json!("CHÁY tại Hẻm 42"), &json!(true)));
        let taken = alert(json!({"state": "acknowledged", "kind": "loitering"}));
        let told = notification(&taken, Language::En);
        assert_eq!((&told["title"], &told["urgent"]), (&json!("Loitering · Kẻng"), &json!(false)));
        let long = alert(json!({"message": "ạ".repeat(5_000)}));
        assert!(notification(&long, Language::Vi).to_string().len() < 2_000);
    }
}
