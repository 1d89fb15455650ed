//! The detection log: what was detected, kept for days without a picture, for `keng tune`, which
//! asks what other thresholds would have told.
//!
//! Beside frames stands what else the core was told and can't be replayed without: people's
//! verdicts and patrols. Of a person there is the box alone: what somebody wears is never stored.
//! Ticks are not kept; they come once a second.
//!
//! Belongs here: the records ([`LoggedInput`]), their bytes, the files, the thread that writes
//! them. Does not belong here: what to make of them (that is `tune`'s).
//!
//! **Invariant:** keeping never slows the core down: what the thread can't take is dropped and
//! counted.

mod bytes;
mod codec;
mod folder;
mod writer;

use std::time::Duration;

use crate::detection::Detection;
use crate::geometry::BoundingBox;
use crate::incident::Incident;
use crate::incident::IncidentId;
use crate::incident::IncidentState;
use crate::incident::Kind;
use crate::pipeline::FrameResult;
use crate::time::Stamp;
use crate::time::Wall;
use crate::ward::Id;

pub use codec::Damage;
pub use folder::Folder;
pub use folder::TimeRange;
pub use writer::Config;
pub use writer::DetectionLogWriter;
pub use writer::spawn;

/// Confidences are kept in steps of 1 / this: thresholds with up to four decimals lie on a step.
const CONFIDENCE_STEPS: f32 = 10_000.0;
/// Corners of boxes are kept in steps of 1 / this share of the picture: a twentieth of a pixel.
const BOX_STEPS: f32 = 50_000.0;
/// Of one frame; as many as a tracker takes.
const DETECTIONS_MAX: usize = 64;

/// The start of the daemon that a record belongs to: monotonic time begins anew with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DaemonRun(pub u64);

/// An input of the core, as it is logged.
#[derive(Clone, Debug, PartialEq)]
pub enum LoggedInput {
    /// The detections of a frame, also where there are none.
    Frame(FrameResult),
    /// The state that an incident has come to.
    Verdict(StoredVerdict),
    /// A patrol that was announced.
    Patrol(PatrolNotice),
}

impl LoggedInput {
    /// Returns the time at which it came in. Wall time is kept to the millisecond.
    pub fn at(&self) -> Stamp {
        match self {
            Self::Frame(frame) => frame.at,
            Self::Verdict(verdict) => verdict.at,
            Self::Patrol(patrol) => patrol.at,
        }
    }
}

/// The state that an incident has come to so far.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVerdict {
    /// The time since which it is so.
    pub at: Stamp,
    /// The incident's id.
    pub incident: IncidentId,
    /// The khu phố whose team answers.
    pub khu_pho: Id,
    /// The kind of incident that it was taken for.
    pub kind: Kind,
    /// Never [`IncidentState::Open`].
    pub state: IncidentState,
    /// True if somebody has been there.
    pub on_scene: bool,
    /// True if it was a drill.
    pub exercise: bool,
    /// The time at which its first event began to count.
    pub opened_at: Wall,
    /// The cameras that saw it.
    pub cameras: Vec<Id>,
}

impl StoredVerdict {
    /// Of a revision; `None` where nothing has become of it yet, or it goes on as another.
    pub fn of(incident: &Incident, at: Stamp) -> Option<Self> {
        if incident.state == IncidentState::Open || incident.merged_into.is_some() {
            return None;
        }
        Some(Self {
            at,
            incident: incident.id.clone(),
            khu_pho: incident.khu_pho.clone(),
            kind: incident.kind,
            state: incident.state,
            on_scene: incident.on_scene_at.is_some(),
            exercise: incident.exercise,
            opened_at: incident.opened_at,
            cameras: incident.cameras.iter().map(|seen| seen.camera.clone()).collect(),
        })
    }

    /// Returns people's judgement: it was real (somebody was there, or settled it), or it was not.
    /// `None` where nobody has said, or it was a drill.
    pub fn truth(&self) -> Option<bool> {
        match self.state {
            _ if self.exercise => None,
            IncidentState::FalseAlarm => Some(false),
            IncidentState::Resolved | IncidentState::OnScene => Some(true),
            IncidentState::Expired | IncidentState::Acknowledged if self.on_scene => Some(true),
            IncidentState::Open | IncidentState::Expired | IncidentState::Acknowledged => None,
        }
    }
}

/// The notice of a patrol, at which nobody is alarmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatrolNotice {
    /// The time at which it was announced.
    pub at: Stamp,
    /// The khu phố in which it is.
    pub khu_pho: Id,
    /// For how long, to the millisecond.
    pub lasts: Duration,
    /// In this zone alone; none: in the whole khu phố.
    pub zone: Option<String>,
}

/// Rounds what a frame shows to the steps in which it is kept, and leaves the best of too many.
///
/// To be done before the core sees it, so that a replay sees the very same. Clothes stay: they are
/// the core's to see and nobody's to keep.
pub fn round(detections: &mut Vec<Detection>) {
    if detections.len() > DETECTIONS_MAX {
        detections.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        detections.truncate(DETECTIONS_MAX);
    }
    for detection in detections {
        detection.confidence =
            share(steps(detection.confidence, CONFIDENCE_STEPS), CONFIDENCE_STEPS);
        let b = &detection.bbox;
        let [x0, y0, x1, y1] =
            [b.x0, b.y0, b.x1, b.y1].map(|side| share(steps(side, BOX_STEPS), BOX_STEPS));
        detection.bbox = BoundingBox { x0, y0, x1, y1 };
    }
}

/// A share of 0..1 in steps; what is none counts as 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 50 000")]
fn steps(share: f32, steps_a_unit: f32) -> u16 {
    (share.clamp(0.0, 1.0) * steps_a_unit).round() as u16
}

fn share(steps: u16, steps_a_unit: f32) -> f32 {
    f32::from(steps) / steps_a_unit
}

#[cfg(test)]
mod tests;
