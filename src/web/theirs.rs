//! What of an alert and its picture is for somebody of one khu phố: an incident at the border is
//! seen by cameras of another one too, and faces are not for neighbours.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::Shared;
use super::feed::readable;
use crate::access::Role;
use crate::access::Viewer;
use crate::frame::heads::Note;
use crate::incident::Kind;
use crate::outbox::Entry;
use crate::ward::Id;

/// What has to be known of an alert here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    cameras: Vec<Seen>,
}

#[derive(Deserialize)]
struct Seen {
    id: String,
}

impl Shared {
    /// The alert's bytes as a text of one line; without the cameras that are not theirs to see,
    /// nor those that nobody knows any more.
    pub(super) fn alert_for<'a>(&self, viewer: &Viewer, entry: &'a Entry) -> Option<Cow<'a, str>> {
        let text = readable(entry)?;
        let Role::KhuPho(_) = &viewer.role else { return Some(Cow::Borrowed(text)) };
        let head: Head<'_> = serde_json::from_str(text).unwrap_or_default();
        if head.cameras.iter().all(|seen| self.may_see_camera(viewer, &seen.id)) {
            return Some(Cow::Borrowed(text));
        }
        let mut alert: Value = serde_json::from_str(text).ok()?;
        let cameras = alert.get_mut("cameras")?.as_array_mut()?;
        let theirs = |seen: &mut Value| {
            seen["id"].as_str().is_some_and(|id| self.may_see_camera(viewer, id))
        };
        let others: Vec<Value> = cameras.extract_if(.., |seen| !theirs(seen)).collect();
        // Its words name a place too, though hardly ever another khu phố's.
        let message = alert["message"].as_str().unwrap_or_default().to_owned();
        let places = others.iter().filter(|seen| self.is_known(&seen["id"]));
        let places = places.flat_map(|seen| [seen["address"].as_str(), seen["id"].as_str()]);
        let places = places.flatten().filter(|place| !place.is_empty());
        alert["message"] = places.fold(message, |words, place| words.replace(place, "…")).into();
        Some(Cow::Owned(alert.to_string()))
    }

    /// The snapshot of `entry` as they may see it; none where it is another khu phố's camera's.
    pub(super) async fn picture_for(
        &self,
        viewer: &Viewer,
        jpeg: Vec<u8>,
        entry: &Entry,
    ) -> Option<Vec<u8>> {
        if viewer.may_see_faces() {
            return Some(jpeg);
        }
        let head: Head<'_> = serde_json::from_slice(&entry.payload).unwrap_or_default();
        let theirs = match Note::read(&jpeg) {
            Some(note) => self.may_see_camera(viewer, note.camera.as_str()),
            // Without a note it may be any of its cameras'.
            None => head.cameras.iter().all(|seen| self.may_see_camera(viewer, &seen.id)),
        };
        if !theirs {
            return None;
        }
        match Kind::parse(&head.kind).is_some_and(|kind| kind.facts().shows_faces) {
            true => Some(jpeg),
            false => self.state.gallery.without_faces(jpeg).await,
        }
    }

    /// Whether it is a camera of the configuration, whose place is another khu phố's for certain.
    fn is_known(&self, camera: &Value) -> bool {
        let id = camera.as_str().and_then(|id| Id::new(id).ok());
        id.is_some_and(|id| self.state.board.camera(&id).is_some())
    }

    /// Whether it is a camera of the configuration, of a khu phố that is theirs.
    pub(super) fn may_see_camera(&self, viewer: &Viewer, camera: &str) -> bool {
        let seat = Id::new(camera).ok().and_then(|id| self.state.board.camera(&id));
        seat.is_some_and(|seat| viewer.may_see(&seat.khu_pho))
    }
}
