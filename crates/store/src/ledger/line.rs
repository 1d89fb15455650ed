//! One line of the ledger. Pure.

use serde::{Deserialize, Serialize};

use super::{Availability, IncidentRecord, UptimeEvent, UptimeRecord};
use crate::incident::{IncidentId, IncidentState, Kind};
use crate::rule::health::Fault;
use crate::time::Wall;
use crate::ward::Id;

/// Name and version of the form; the first line of each file.
pub(super) const SCHEMA: &str = "keng.ledger/1";

/// The content of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LedgerLine {
    Head,
    Case(IncidentRecord),
    Note(UptimeRecord),
}

/// The form itself: an object of one key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wire {
    Ledger(String),
    Started(String),
    Alive(String),
    Stopped(String),
    Camera(WireCamera),
    Incident(WireCase),
}

#[derive(Serialize, Deserialize)]
struct WireCamera {
    at: String,
    id: String,
    khu_pho: String,
    state: String,
}

#[derive(Serialize, Deserialize)]
struct WireCase {
    id: String,
    revision: u32,
    khu_pho: String,
    kind: String,
    state: String,
    opened_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_scene_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    escalated_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cameras: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merged_into: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    exercise: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Appends a line, its end included.
pub(super) fn write(line: &LedgerLine, bytes: &mut Vec<u8>) {
    let wire = match line {
        LedgerLine::Head => Wire::Ledger(SCHEMA.to_owned()),
        LedgerLine::Case(case) => Wire::Incident(WireCase::of(case)),
        LedgerLine::Note(UptimeRecord { at, what }) => match what {
            UptimeEvent::Started => Wire::Started(text(*at)),
            UptimeEvent::Alive => Wire::Alive(text(*at)),
            UptimeEvent::Stopped => Wire::Stopped(text(*at)),
            UptimeEvent::Camera { id, khu_pho, health } => Wire::Camera(WireCamera {
                at: text(*at),
                id: id.to_string(),
                khu_pho: khu_pho.to_string(),
                state: health.as_str().to_owned(),
            }),
        },
    };
    serde_json::to_writer(&mut *bytes, &wire).expect("texts and numbers always serialise");
    bytes.push(b'\n');
}

/// Reads a line; none where it is none of this form.
pub(super) fn read(bytes: &[u8]) -> Option<LedgerLine> {
    let note = |at: &str, what| Some(LedgerLine::Note(UptimeRecord { at: time(at)?, what }));
    match serde_json::from_slice(bytes).ok()? {
        Wire::Ledger(schema) => (schema == SCHEMA).then_some(LedgerLine::Head),
        Wire::Started(at) => note(&at, UptimeEvent::Started),
        Wire::Alive(at) => note(&at, UptimeEvent::Alive),
        Wire::Stopped(at) => note(&at, UptimeEvent::Stopped),
        Wire::Camera(camera) => {
            let what = UptimeEvent::Camera {
                id: Id::new(&camera.id).ok()?,
                khu_pho: Id::new(&camera.khu_pho).ok()?,
                health: named(&Availability::ALL, Availability::as_str, &camera.state)?,
            };
            note(&camera.at, what)
        }
        Wire::Incident(case) => case.read().map(LedgerLine::Case),
    }
}

impl WireCase {
    fn of(case: &IncidentRecord) -> Self {
        Self {
            id: case.id.to_string(),
            revision: case.revision,
            khu_pho: case.khu_pho.to_string(),
            kind: case.kind.as_str().to_owned(),
            state: case.state.as_str().to_owned(),
            opened_at: text(case.opened_at),
            acknowledged_at: case.acknowledged_at.map(text),
            on_scene_at: case.on_scene_at.map(text),
            escalated_at: case.escalated_at.map(text),
            closed_at: case.closed_at.map(text),
            cameras: case.cameras.iter().map(ToString::to_string).collect(),
            fault: case.fault.map(|fault| fault.as_str().to_owned()),
            merged_into: case.merged_into.as_ref().map(ToString::to_string),
            exercise: case.exercise,
        }
    }

    fn read(self) -> Option<IncidentRecord> {
        Some(IncidentRecord {
            id: IncidentId::parse(&self.id)?,
            revision: self.revision,
            khu_pho: Id::new(&self.khu_pho).ok()?,
            kind: Kind::parse(&self.kind)?,
            state: IncidentState::parse(&self.state)?,
            opened_at: time(&self.opened_at)?,
            acknowledged_at: optional(self.acknowledged_at, time)?,
            on_scene_at: optional(self.on_scene_at, time)?,
            escalated_at: optional(self.escalated_at, time)?,
            closed_at: optional(self.closed_at, time)?,
            cameras: self.cameras.iter().map(|id| Id::new(id).ok()).collect::<Option<_>>()?,
            fault: optional(self.fault, |word| named(&Fault::ALL, Fault::as_str, word))?,
            merged_into: optional(self.merged_into, IncidentId::parse)?,
            exercise: self.exercise,
        })
    }
}

/// None where there is a text that can't be read.
fn optional<T>(text: Option<String>, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => read(&text).map(Some),
    }
}

fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, wanted: &str) -> Option<T> {
    all.iter().copied().find(|value| name(*value) == wanted)
}

/// UTC, no longer than it must be.
fn text(wall: Wall) -> String {
    wall.to_jiff().to_string()
}

fn time(text: &str) -> Option<Wall> {
    Wall::parse_rfc3339(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> impl Strategy<Value = Id> {
        "[a-z][a-z0-9-]{0,20}[0-9]".prop_map(|text| Id::new(&text).unwrap())
    }

    /// Microseconds of the years 1970 to 2100.
    fn walls() -> impl Strategy<Value = Wall> {
        (0..4_102_444_800_000_000i64).prop_map(Wall)
    }

    fn cases() -> impl Strategy<Value = IncidentRecord> {
        let times = (walls(), prop::array::uniform4(prop::option::of(walls())));
        let words = (
            prop::sample::select(Kind::ALL.to_vec()),
            prop::sample::select(IncidentState::ALL.to_vec()),
            prop::option::of(prop::sample::select(Fault::ALL.to_vec())),
        );
        let names = (ids(), ids(), prop::collection::vec(ids(), 0..4), prop::option::of(ids()));
        (names, times, words, any::<(u32, bool)>()).prop_map(
            |((id, khu_pho, cameras, into), (opened_at, times), words, (revision, exercise))| {
                let [acknowledged_at, on_scene_at, escalated_at, closed_at] = times;
                let (kind, state, fault) = words;
                IncidentRecord {
                    id: IncidentId::parse(id.as_str()).unwrap(),
                    merged_into: into.and_then(|id| IncidentId::parse(id.as_str())),
                    revision,
                    khu_pho,
                    kind,
                    state,
                    opened_at,
                    acknowledged_at,
                    on_scene_at,
                    escalated_at,
                    closed_at,
                    cameras,
                    fault,
                    exercise,
                }
            },
        )
    }

    fn written(line: &LedgerLine) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(line, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn written_lines_are_read_back(case in cases()) {
            let line = LedgerLine::Case(case);
            prop_assert_eq!(read(&written(&line)), Some(line));
        }

        #[test]
        fn torn_line_is_refused(case in cases(), at in any::<prop::sample::Index>()) {
            let bytes = written(&LedgerLine::Case(case));
            let whole = bytes.len() - 1;
            prop_assert_eq!(read(&bytes[..at.index(whole)]), None);
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert_eq!(read(&bytes), None);
        }
    }

    #[test]
    fn uptime_lines_are_short_and_read_back() {
        let at = Wall::parse_rfc3339("2026-11-21T22:14:03+07:00").unwrap();
        let camera = UptimeEvent::Camera {
            id: Id::new("hem-42").unwrap(),
            khu_pho: Id::new("kp3").unwrap(),
            health: Availability::Frozen,
        };
        for (what, text) in [
            (UptimeEvent::Started, r#"{"started":"2026-11-21T15:14:03Z"}"#),
            (UptimeEvent::Alive, r#"{"alive":"2026-11-21T15:14:03Z"}"#),
            (UptimeEvent::Stopped, r#"{"stopped":"2026-11-21T15:14:03Z"}"#),
            (
                camera,
                concat!(
                    r#"{"camera":{"at":"2026-11-21T15:14:03Z","id":"hem-42","#,
                    r#""khu_pho":"kp3","state":"frozen"}}"#
                ),
            ),
        ] {
            let line = LedgerLine::Note(UptimeRecord { at, what });
            assert_eq!(written(&line), format!("{text}\n").into_bytes());
            assert_eq!(read(text.as_bytes()), Some(line));
        }
        assert_eq!(read(&written(&LedgerLine::Head)), Some(LedgerLine::Head));
        assert_eq!(read(br#"{"ledger":"keng.ledger/2"}"#), None);
    }
}
