//! The members of an alert that its readers go by, borrowed from its bytes.
//!
//! Topics, filters, sensors and notifications need a few members of an alert, and not the incident
//! that [`parse`](super::parse) makes of it. They read a [`Head`], which copies nothing that has no
//! escapes and asks for no member: whoever can't do without one checks for it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::incident::Severity;

/// The members of an alert that its readers go by. A member that is missing is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Head<'a> {
    /// The incident's id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The khu phố whose team is told.
    #[serde(borrow)]
    pub khu_pho: Cow<'a, str>,
    /// Counts up from 1; 0 where it is missing.
    pub revision: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    severity: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    /// The time at which this revision was made, RFC 3339.
    #[serde(borrow)]
    pub updated_at: Cow<'a, str>,
    /// The time at which the incident was escalated, RFC 3339.
    pub escalated_at: Option<Text<'a>>,
    /// The time at which the incident was closed, RFC 3339; see [`is_closed`](Self::is_closed).
    pub closed_at: Option<Text<'a>>,
    /// The line for people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// The cameras that see it.
    #[serde(borrow)]
    pub cameras: Vec<CameraHead<'a>>,
    /// Other khu phố whose cameras see it.
    #[serde(borrow)]
    pub also_khu_pho: Vec<Text<'a>>,
    /// The newest order to the siren.
    #[serde(borrow)]
    pub siren: Option<SirenHead<'a>>,
    /// It is a drill.
    pub exercise: bool,
}

/// A camera of an alert.
#[derive(Clone, Debug, Deserialize)]
pub struct CameraHead<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The place where it hangs.
    #[serde(borrow, default)]
    pub address: Cow<'a, str>,
    /// Degrees north.
    #[serde(default)]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(default)]
    pub longitude: Option<f64>,
}

/// An alert's order to the siren.
#[derive(Clone, Debug, Deserialize)]
pub struct SirenHead<'a> {
    #[serde(borrow)]
    state: Cow<'a, str>,
    /// The time at which it was ordered, RFC 3339.
    #[serde(borrow)]
    pub at: Cow<'a, str>,
    /// It sounds no longer.
    pub seconds_max: u32,
    /// The revision that ordered it; later ones only remember it.
    pub revision: u64,
}

/// A text that is borrowed where it has no escapes, also within a list or where it may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> Head<'a> {
    /// Reads the head of an alert's bytes.
    ///
    /// # Errors
    /// [`serde_json::Error`] where they are no JSON, or a member has another type than in an alert.
    pub fn read(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The incident's kind; none where it is missing or no kind of ours.
    pub fn kind(&self) -> Option<Kind> {
        Kind::parse(&self.kind)
    }

    /// The incident's severity; none where it is missing or no severity of ours.
    pub fn severity(&self) -> Option<Severity> {
        Severity::parse(&self.severity)
    }

    /// The incident's state; none where it is missing or no state of ours.
    pub fn state(&self) -> Option<IncidentState> {
        IncidentState::parse(&self.state)
    }

    /// Tells a missing kind from one that is not known here.
    pub fn has_kind(&self) -> bool {
        !self.kind.is_empty()
    }

    /// Tells a missing state from one that is not known here.
    pub fn has_state(&self) -> bool {
        !self.state.is_empty()
    }

    /// Nothing comes after it: it has a time of its end, or a state that is one.
    pub fn is_closed(&self) -> bool {
        self.closed_at.is_some() || self.state().is_some_and(IncidentState::is_closed)
    }

    /// Its pictures show faces to everybody who may see the incident.
    pub fn shows_faces(&self) -> bool {
        self.kind().is_some_and(|kind| kind.facts().shows_faces)
    }
}

impl SirenHead<'_> {
    /// It orders the siren to sound, and not to stop.
    pub fn is_on(&self) -> bool {
        self.state == "on"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = r#"{"schema":"keng.alert/1","sequence":7,"id":"i-1","revision":2,
        "khu_pho":"kp3","kind":"smoke","severity":"warning","state":"on_scene",
        "updated_at":"2026-11-21T22:14:03.120+07:00","closed_at":null,"escalated_at":"x",
        "message":"KH\u00d3I","cameras":[{"id":"hem-42","address":"Hẻm 42","latitude":10.5,
        "longitude":106.5,"box":[0,0,1,1],"since":"x"}],"also_khu_pho":["kp4"],"exercise":true,
        "siren":{"state":"on","at":"y","seconds_max":60,"revision":2,"by":null}}"#;

    #[test]
    fn what_readers_go_by_is_read_without_copying_it() {
        let head = Head::read(ALERT.as_bytes()).unwrap();
        assert_eq!((&*head.id, &*head.khu_pho, head.revision), ("i-1", "kp3", 2));
        assert_eq!(head.kind(), Some(Kind::Smoke));
        assert_eq!(head.severity(), Some(Severity::Warning));
        assert_eq!(head.state(), Some(IncidentState::OnScene));
        assert_eq!((head.escalated_at.as_deref(), &*head.message), (Some("x"), "KHÓI"));
        assert!(head.exercise && head.shows_faces() && !head.is_closed());
        let camera = &head.cameras[0];
        assert_eq!((&*camera.id, &*camera.address), ("hem-42", "Hẻm 42"));
        assert_eq!((camera.latitude, camera.longitude), (Some(10.5), Some(106.5)));
        let siren = head.siren.as_ref().unwrap();
        assert!(siren.is_on() && siren.seconds_max == 60 && siren.revision == 2);
        let borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
        assert!(borrowed(&head.id) && borrowed(&head.cameras[0].address) && borrowed(&siren.at));
        assert!(borrowed(&head.also_khu_pho[0].0) && borrowed(&head.escalated_at.unwrap().0));
        assert!(!borrowed(&head.message), "it has escapes");
    }

    #[test]
    fn a_missing_member_is_empty_and_an_unknown_word_is_none() {
        let head = Head::read(b"{}").unwrap();
        assert_eq!((head.kind(), head.state(), head.severity()), (None, None, None));
        assert!(!head.has_kind() && !head.has_state() && !head.is_closed() && !head.shows_faces());
        let head = Head::read(br#"{"kind":"flood","state":"drained"}"#).unwrap();
        assert_eq!((head.kind(), head.state()), (None, None));
        assert!(head.has_kind() && head.has_state());
        for bad in ["", "gong", "[1]", r#"{"id":7}"#, r#"{"cameras":[{}]}"#, r#"{"siren":{}}"#] {
            assert!(Head::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_alert_is_closed_by_its_state_or_by_its_time() {
        for state in IncidentState::ALL {
            let alert = format!(r#"{{"state":"{}"}}"#, state.as_str());
            assert_eq!(Head::read(alert.as_bytes()).unwrap().is_closed(), state.is_closed());
        }
        let alert = br#"{"state":"open","closed_at":"2026-11-21T22:14:03.120+07:00"}"#;
        assert!(Head::read(alert).unwrap().is_closed());
    }
}
