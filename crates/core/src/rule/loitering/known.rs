//! Re-identification: who of those that vanished has come again under another track's name.
//!
//! The tracker loses people behind vans and in the dark. A new track is taken for a person known
//! before in two cases: it began near where that person vanished a moment ago and does not look
//! otherwise; or it comes within the time of returns, from anywhere, and looks the same. Never
//! where both were in view at one time: those are two people.

use std::time::Duration;

use crate::geometry::BoundingBox;
use crate::rule::loitering::stay::{EDGE, GRACE, PersonSighting, SAME_PLACE, Stay, way};
use crate::track::assignment::{FORBIDDEN, assign};

/// A person that vanished may have walked on unseen, in body heights a second.
const SPEED: f32 = 0.5;
/// But not further than this, in body heights.
const REACH_MAX: f32 = 4.0;
/// Looks further apart contradict that it is the same person. Of [`Appearance::distance`].
///
/// [`Appearance::distance`]: crate::detection::Appearance::distance
const LOOK_OTHER: f32 = 0.14;
/// Looks nearer to each other speak for it by themselves.
const LOOK_SAME: f32 = 0.1;
/// Bodies of other heights in the view, as a ratio, are no returns: grown-ups and children.
const RATIO_MAX: f32 = 3.0;

/// For each of `new`, whose tracks have no stay, the index of the stay that is theirs.
pub(super) fn known(
    stays: &[Stay],
    new: &[PersonSighting<'_>],
    again_within: Duration,
) -> Vec<Option<usize>> {
    let mut costs = Vec::with_capacity(stays.len() * new.len());
    for sight in new {
        costs.extend(stays.iter().map(|stay| cost(stay, sight, again_within)));
    }
    assign(&costs, new.len(), stays.len())
}

/// Tells whether it is somebody who comes or goes.
fn at_edge(bbox: &BoundingBox) -> bool {
    bbox.x0 <= EDGE || bbox.x1 >= 1.0 - EDGE
}

/// 0..1 near where the person vanished, 1..2 for a return.
fn cost(stay: &Stay, sight: &PersonSighting<'_>, again_within: Duration) -> f32 {
    let (track, at) = (sight.track, sight.at);
    if stay.last_alive == at || track.confirmed <= stay.last_alive {
        return FORBIDDEN;
    }
    let away = track.first_seen.mono.since(stay.last_alive.mono);
    let looks = stay.appearance.zip(track.appearance).map(|(a, b)| a.distance(&b));
    let reach = (SAME_PLACE + SPEED * away.as_secs_f32()).min(REACH_MAX);
    let way = way(&stay.bbox, &track.origin).min(way(&stay.before, &track.origin));
    // Who walked out of the view did not vanish.
    let left = at_edge(&stay.bbox);
    if away <= GRACE && !left && way <= reach && looks.is_none_or(|looks| looks <= LOOK_OTHER) {
        return (way / reach + looks.unwrap_or(0.0) / LOOK_OTHER) / 2.0;
    }
    let ratio = stay.bbox.height().max(1e-3) / track.bbox.height().max(1e-3);
    let fits = (1.0 / RATIO_MAX..=RATIO_MAX).contains(&ratio);
    let in_time = at.mono.since(stay.last_seen.mono) <= again_within;
    match looks {
        Some(looks) if in_time && fits && looks <= LOOK_SAME && stay.is_worth_remembering() => {
            1.0 + looks / LOOK_SAME
        }
        _ => FORBIDDEN,
    }
}
