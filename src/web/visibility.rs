//! Visibility: the part of an alert and its picture that a user of one khu phố may see. An incident
//! at the border is seen by cameras of another one too, and faces are not for neighbours.

use std::borrow::Cow;

use super::feed::readable;
use super::shared::Shared;
use crate::access::Role;
use crate::access::Viewer;
use crate::alert;
use crate::alert::Head;
use crate::frame::redaction::PeopleNote;
use crate::outbox::Entry;
use crate::ward::Id;

impl Shared {
    /// The alert's bytes as a text of one line; without the cameras that are not theirs to see,
    /// nor those that nobody knows any more.
    pub(super) fn alert_for<'a>(&self, viewer: &Viewer, entry: &'a Entry) -> Option<Cow<'a, str>> {
        let text = readable(entry)?;
        let Role::KhuPho(_) = &viewer.role else { return Some(Cow::Borrowed(text)) };
        // What can't be read names no camera that could be looked for.
        let head = Head::read(text.as_bytes()).ok()?;
        let theirs = |id: &str| self.may_see_camera(viewer, id);
        if head.cameras.iter().all(|seen| theirs(&seen.id)) {
            return Some(Cow::Borrowed(text));
        }
        let seen = alert::without_cameras(text.as_bytes(), theirs, |id| self.is_known(id));
        seen.ok().map(Cow::Owned)
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
        let head = Head::read(&entry.payload).unwrap_or_default();
        let theirs = match PeopleNote::read(&jpeg) {
            Some(note) => self.may_see_camera(viewer, note.camera.as_str()),
            // Without a note it may be any of its cameras'.
            None => head.cameras.iter().all(|seen| self.may_see_camera(viewer, &seen.id)),
        };
        if !theirs {
            return None;
        }
        match head.shows_faces() {
            true => Some(jpeg),
            false => self.state.gallery.without_faces(jpeg).await,
        }
    }

    /// Tells whether it is a camera of the configuration, whose place is another khu phố's for
    /// certain.
    fn is_known(&self, camera: &str) -> bool {
        Id::new(camera).is_ok_and(|id| self.state.board.camera(&id).is_some())
    }

    /// Tells whether it is a camera of the configuration, of a khu phố that is theirs.
    pub(super) fn may_see_camera(&self, viewer: &Viewer, camera: &str) -> bool {
        let seat = Id::new(camera).ok().and_then(|id| self.state.board.camera(&id));
        seat.is_some_and(|seat| viewer.may_see(&seat.khu_pho))
    }
}
