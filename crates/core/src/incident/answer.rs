//! The input of people: commands, reports, patrols. All of it comes from outside, and none of it is
//! trusted.

use std::time::Duration;

use crate::incident::{IncidentState, Kind, Witness};
use crate::time::Wall;

/// An incident carries as many reports, the newest.
pub const REPORTS_MAX: usize = 20;
/// Names and places are cut after as many characters.
const NAME_CHARS_MAX: usize = 80;
/// Notes are cut after as many characters.
const NOTE_CHARS_MAX: usize = 500;
/// A patrol that stays longer announces itself again.
const PATROL_MINUTES_MAX: u32 = 240;

/// A person's action upon an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The state that it shall be in.
    pub state: IncidentState,
    /// The name of the sender, as they give it.
    pub by: String,
    /// Their remark.
    pub note: Option<String>,
}

impl Answer {
    /// From a command's words.
    ///
    /// # Errors
    /// [`AnswerError`] where the action is unknown or nobody signed.
    pub fn new(action: &str, by: &str, note: Option<&str>) -> Result<Self, AnswerError> {
        let state = match action {
            "acknowledge" => IncidentState::Acknowledged,
            "on_scene" => IncidentState::OnScene,
            "resolve" => IncidentState::Resolved,
            "false_alarm" => IncidentState::FalseAlarm,
            other => return Err(AnswerError::UnknownAction(cut(other, NAME_CHARS_MAX))),
        };
        Ok(Self { state, by: signature(by)?, note: said(note, NOTE_CHARS_MAX) })
    }
}

/// A person's order to switch the siren off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The name of the sender, as they give it.
    pub by: String,
}

impl Silence {
    /// The command's action.
    pub const ACTION: &str = "siren_off";

    /// Signed by `by`.
    ///
    /// # Errors
    /// [`AnswerError::Unsigned`] where nobody signed.
    pub fn new(by: &str) -> Result<Self, AnswerError> {
        Ok(Self { by: signature(by)? })
    }
}

/// A person saw something, or begins a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The kind of it.
    pub kind: Kind,
    /// The person's account; `at` is set when it is taken in.
    pub witness: Witness,
    /// Tells whether it is a drill.
    pub exercise: bool,
    /// Tells whether the drill shall sound the siren too, where the ward allows that.
    pub siren: bool,
}

impl Report {
    /// From a report's words, taken in at `at`.
    ///
    /// # Errors
    /// [`AnswerError`] where the kind is unknown or nobody signed.
    pub fn new(
        kind: &str,
        by: &str,
        place: Option<&str>,
        note: Option<&str>,
        at: Wall,
    ) -> Result<Self, AnswerError> {
        let unknown = || AnswerError::UnknownKind(cut(kind, NAME_CHARS_MAX));
        let reportable = Kind::parse(kind).filter(|kind| kind.facts().is_reportable);
        let kind = reportable.ok_or_else(unknown)?;
        let witness = Witness {
            at,
            by: signature(by)?,
            place: said(place, NAME_CHARS_MAX),
            note: said(note, NOTE_CHARS_MAX),
        };
        Ok(Self { kind, witness, exercise: false, siren: false })
    }

    /// The same as a drill; `siren`: it shall sound too, where the ward allows that.
    #[must_use]
    pub fn as_exercise(self, siren: bool) -> Self {
        Self { exercise: true, siren, ..self }
    }
}

/// A patrol is there: nobody is alarmed at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patrol {
    /// The name of the sender, as they give it.
    pub team: String,
    /// For how long from now.
    pub lasts: Duration,
    /// In this zone alone; none: in the whole khu phố.
    pub zone: Option<String>,
}

impl Patrol {
    /// From a notice's words.
    ///
    /// # Errors
    /// [`AnswerError`] where nobody signed or the time makes no sense.
    pub fn new(team: &str, minutes: u32, zone: Option<&str>) -> Result<Self, AnswerError> {
        if !(1..=PATROL_MINUTES_MAX).contains(&minutes) {
            return Err(AnswerError::PatrolMinutes(minutes));
        }
        let lasts = Duration::from_secs(u64::from(minutes) * 60);
        Ok(Self { team: signature(team)?, lasts, zone: said(zone, NAME_CHARS_MAX) })
    }
}

/// The reason why what somebody said can't be taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not one of the five actions.
    #[error("action {0:?} is none of acknowledge, on_scene, resolve, false_alarm, siren_off")]
    UnknownAction(String),
    /// Not a kind that people may report.
    #[error("kind {0:?} is none of {words}", words = Kind::reportable_words())]
    UnknownKind(String),
    /// Empty.
    #[error("nobody signed: \"by\" (or \"team\") is empty")]
    Unsigned,
    /// Zero or too long.
    #[error("a patrol lasts 1 to {PATROL_MINUTES_MAX} minutes, not {0}")]
    PatrolMinutes(u32),
    /// Never seen, or closed long ago.
    #[error("no incident {0:?} is open in this khu phố")]
    UnknownIncident(String),
    /// It can't go back: somebody was sooner.
    #[error(
        "the incident is {now}{by} and can't become {wanted}",
        now = .now.as_str(), by = signed(.by.as_deref()), wanted = .wanted.as_str()
    )]
    WrongOrder {
        /// Its present state.
        now: IncidentState,
        /// The person who brought it there.
        by: Option<String>,
        /// The state that was asked for.
        wanted: IncidentState,
    },
    /// It is over: somebody was sooner.
    #[error(
        "the incident is closed as {state}{by}",
        state = .state.as_str(), by = signed(.by.as_deref())
    )]
    Closed {
        /// The way in which it ended.
        state: IncidentState,
        /// The person who ended it; none where it ended by itself.
        by: Option<String>,
    },
}

fn signed(by: Option<&str>) -> String {
    by.map(|by| format!(" by {by:?}")).unwrap_or_default()
}

fn signature(text: &str) -> Result<String, AnswerError> {
    said(Some(text), NAME_CHARS_MAX).ok_or(AnswerError::Unsigned)
}

fn said(text: Option<&str>, chars_max: usize) -> Option<String> {
    text.map(|text| cut(text, chars_max)).filter(|text| !text.is_empty())
}

/// Without control characters, trimmed, cut.
fn cut(text: &str, chars_max: usize) -> String {
    let printable: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(chars_max).collect();
    printable.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_signed_and_bounded() {
        let long = "á".repeat(10_000);
        let answer = Answer::new("resolve", " Tổ\u{7} 3 ", Some(&long)).unwrap();
        assert_eq!(answer.by, "Tổ  3");
        assert_eq!(answer.note.unwrap().chars().count(), NOTE_CHARS_MAX);
        assert_eq!(Answer::new("resolve", " \n", None), Err(AnswerError::Unsigned));
        assert!(matches!(Answer::new("explode", "x", None), Err(AnswerError::UnknownAction(_))));
    }

    #[test]
    fn a_patrol_has_an_end() {
        assert!(Patrol::new("Tổ 3", 30, None).is_ok());
        assert_eq!(Patrol::new("Tổ 3", 0, None), Err(AnswerError::PatrolMinutes(0)));
        assert_eq!(Patrol::new("Tổ 3", 999, None), Err(AnswerError::PatrolMinutes(999)));
    }
}
