//! The reader of messages over MQTT: bytes that nobody vouches for become commands to the core.

use serde::Deserialize;

use crate::incident::{Answer, AnswerError, IncidentId, Patrol, Report, Silence};
use crate::mqtt::Incoming;
use crate::pipeline::Command;
use crate::time::Wall;
use crate::ward::Id;

/// The reason why a message means nothing here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Not JSON of the topic's form.
    #[error("the payload is not of its topic's form: {0}")]
    Form(#[from] serde_json::Error),
    /// The form is right, what it says isn't.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

#[derive(Deserialize)]
struct CommandForm {
    action: String,
    by: String,
    note: Option<String>,
}

#[derive(Deserialize)]
struct ReportForm {
    kind: String,
    by: String,
    place: Option<String>,
    note: Option<String>,
    /// A drill, which may ask for the siren too.
    #[serde(default)]
    exercise: bool,
    #[serde(default)]
    siren: bool,
}

#[derive(Deserialize)]
struct PatrolForm {
    team: String,
    minutes: u32,
    zone: Option<String>,
}

/// Returns which khu phố says what. `at`: when it was taken in.
pub(super) fn read(topic: &Incoming, payload: &[u8], at: Wall) -> Result<(Id, Command), Error> {
    match topic {
        Incoming::Command { khu_pho, incident } => {
            let form: CommandForm = serde_json::from_slice(payload)?;
            let unknown = || AnswerError::UnknownIncident(incident.to_string());
            let id = IncidentId::parse(incident.as_str()).ok_or_else(unknown)?;
            if form.action == Silence::ACTION {
                let silence = Silence::new(&form.by)?;
                return Ok((khu_pho.clone(), Command::Silence(id, silence)));
            }
            let answer = Answer::new(&form.action, &form.by, form.note.as_deref())?;
            Ok((khu_pho.clone(), Command::Answer(id, answer)))
        }
        Incoming::Report { khu_pho } => {
            let form: ReportForm = serde_json::from_slice(payload)?;
            let (place, note) = (form.place.as_deref(), form.note.as_deref());
            let mut report = Report::new(&form.kind, &form.by, place, note, at)?;
            if form.exercise {
                report = report.as_exercise(form.siren);
            }
            Ok((khu_pho.clone(), Command::Report(report)))
        }
        Incoming::Patrol { khu_pho } => {
            let form: PatrolForm = serde_json::from_slice(payload)?;
            let patrol = Patrol::new(&form.team, form.minutes, form.zone.as_deref())?;
            Ok((khu_pho.clone(), Command::Patrol(patrol)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn khu_pho() -> Id {
        Id::new("kp3").unwrap()
    }

    #[test]
    fn a_report_is_read() {
        let topic = Incoming::Report { khu_pho: khu_pho() };
        let payload = br#"{"kind":"fire","place":"cho","by":"Ba Nam","note":"to","extra":1}"#;
        let (from, command) = read(&topic, payload, Wall(0)).unwrap();
        assert_eq!(from, khu_pho());
        assert!(matches!(command, Command::Report(report) if report.witness.by == "Ba Nam"));
    }

    #[test]
    fn a_drill_is_a_drill_only_where_it_says_so() {
        let topic = Incoming::Report { khu_pho: khu_pho() };
        for (more, expected) in [
            ("", (false, false)),
            (r#","siren":true"#, (false, false)),
            (r#","exercise":true"#, (true, false)),
            (r#","exercise":true,"siren":true"#, (true, true)),
        ] {
            let payload = format!(r#"{{"kind":"fire","by":"Ba Nam"{more}}}"#);
            let (_, command) = read(&topic, payload.as_bytes(), Wall(0)).unwrap();
            let Command::Report(report) = command else { panic!("{command:?}") };
            assert_eq!((report.exercise, report.siren), expected, "{payload}");
        }
        let payload = br#"{"kind":"fire","by":"Ba Nam","exercise":"yes"}"#;
        assert!(read(&topic, payload, Wall(0)).is_err(), "never taken for a real one");
    }

    #[test]
    fn the_siren_is_switched_off_by_a_signed_command() {
        let incident = Id::new("20261121t151403120z-hem-42").unwrap();
        let topic = Incoming::Command { khu_pho: khu_pho(), incident };
        let (_, command) =
            read(&topic, r#"{"action":"siren_off","by":"Tổ 3"}"#.as_bytes(), Wall(0)).unwrap();
        assert!(matches!(command, Command::Silence(_, silence) if silence.by == "Tổ 3"));
        assert!(read(&topic, br#"{"action":"siren_off","by":""}"#, Wall(0)).is_err());
    }

    #[test]
    fn hostile_payloads_are_refused_with_a_word() {
        let incident = Id::new("20261121t151403120z-hem-42").unwrap();
        let topic = Incoming::Command { khu_pho: khu_pho(), incident };
        for payload in [
            &b""[..],
            b"\xff\xfe",
            b"[]",
            b"{\"action\":\"resolve\"}",
            b"{\"action\":\"resolve\",\"by\":\"\"}",
            b"{\"action\":\"rm -rf\",\"by\":\"x\"}",
            b"{\"action\":7,\"by\":\"x\"}",
        ] {
            let error = read(&topic, payload, Wall(0)).unwrap_err();
            assert!(!error.to_string().is_empty());
        }
        let deep = "[".repeat(100_000);
        assert!(read(&topic, deep.as_bytes(), Wall(0)).is_err());
    }
}
