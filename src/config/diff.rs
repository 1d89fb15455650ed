//! The changes that a reload makes. Pure.

use crate::ward::Id;

use super::settings::CameraSettings;
use super::settings::Settings;

/// The differences between two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Changes {
    /// Cameras that were not there.
    pub cameras_added: Vec<Id>,
    /// Cameras that are not there any more.
    pub cameras_removed: Vec<Id>,
    /// Cameras of which anything changed: address, place, masks, zones, rules.
    pub cameras_changed: Vec<Id>,
    /// Sections that hold from the next start only.
    pub restart_needed: Vec<&'static str>,
}

impl Changes {
    /// Tells whether both configurations mean the same for the cameras and for the rest.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Returns what changes from `old` to `new`; cameras in the order of their files.
///
/// `[rule]` shows in each camera that it changes, and a neighbourhood's new name in the cameras
/// that watch it. Fire points, teams, `[incident]` and `[siren]` are
/// read anew at each alert and need nothing.
pub fn diff(old: &Settings, new: &Settings) -> Changes {
    let mut changes = Changes::default();
    for camera in &new.cameras {
        match find(old, camera) {
            None => changes.cameras_added.push(camera.site.id.clone()),
            Some(before) if before != camera || renamed(old, new, camera) => {
                changes.cameras_changed.push(camera.site.id.clone());
            }
            Some(_) => {}
        }
    }
    for camera in &old.cameras {
        if find(new, camera).is_none() {
            changes.cameras_removed.push(camera.site.id.clone());
        }
    }
    let sections = [
        ("ward", old.ward != new.ward),
        ("mqtt", old.mqtt != new.mqtt),
        ("web", old.web != new.web),
        ("store", old.store != new.store),
        ("detector", old.detector != new.detector),
    ];
    let sections = sections.into_iter().chain(old.outlets.differences(&new.outlets));
    let differing = sections.filter(|(_, differs)| *differs);
    changes.restart_needed = differing.map(|(name, _)| name).collect();
    changes
}

fn find<'s>(settings: &'s Settings, camera: &CameraSettings) -> Option<&'s CameraSettings> {
    settings.cameras.iter().find(|other| other.site.id == camera.site.id)
}

fn renamed(old: &Settings, new: &Settings, camera: &CameraSettings) -> bool {
    let name = |settings: &Settings| {
        let mut all = settings.khu_pho.iter();
        all.find(|khu_pho| khu_pho.id == camera.site.khu_pho).map(|found| found.name.clone())
    };
    name(old) != name(new)
}
