//! One person's presence where loitering is looked for: visits, and the seconds of each.
//!
//! A visit is presence without a long break. Its seconds are differences of stamps between two
//! sights; what lies between them counts as the second sight vouches for it: all of a short gap of
//! the detector's at one place, little where the person was elsewhere meanwhile.

use std::time::Duration;

use crate::detection::Appearance;
use crate::geometry::BoundingBox;
use crate::rule::event::Evidence;
use crate::rule::zone::ZoneMatch;
use crate::time::Stamp;
use crate::track::{Track, TrackId};

/// Out of sight or out of the zone for longer ends a visit; somebody who vanished and is at the
/// same place again sooner was there all the time, hidden or missed by the detector.
pub(super) const GRACE: Duration = Duration::from_secs(15);
/// Two sights further apart vouch for no more presence than this where the person moved between
/// them. Whoever leaves the zone for less has not left.
const GAP_MAX: Duration = Duration::from_secs(5);
/// This near, in body heights, is the same place.
pub(super) const SAME_PLACE: f32 = 1.5;
/// A visit that made headway at this speed on average, in body heights a second, was passing
/// through: about 0.2 m/s, while a slow walk is four times as fast, and whoever waits or walks up
/// and down makes ever less.
const PASSING_SPEED: f32 = 0.13;
/// A box this near to the picture's edge ends there, as a share of the picture.
pub(super) const EDGE: f32 = 0.01;
/// A shorter visit does not count towards later ones: as long takes it to cross a narrow gate.
const VISIT_MIN: Duration = Duration::from_secs(10);
/// Earlier visits that are remembered; the oldest are forgotten.
const VISITS_MAX: usize = 32;

/// A visit that is over.
#[derive(Clone, Copy, Debug)]
struct Visit {
    since: Stamp,
    ended: Stamp,
    dwell: Duration,
}

/// One person in a zone, in one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct PersonSighting<'a> {
    /// The track that the tracker takes for this person.
    pub track: &'a Track,
    /// In which zone.
    pub place: ZoneMatch<'a>,
    /// The time and box of the person's first sight, should a visit begin: the track's first sight
    /// is as good as this one, where the rule looked then.
    pub begun: (Stamp, BoundingBox),
    /// The frame's.
    pub at: Stamp,
}

impl PersonSighting<'_> {
    /// Returns what this sight alone vouches for.
    fn dwell(&self) -> Duration {
        self.at.mono.since(self.begun.0.mono).min(GAP_MAX)
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            confidence: self.track.confidence,
            bbox: Some(self.track.bbox),
            zone: self.place.name(),
            dwell: None,
        }
    }
}

/// One person's presence.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    /// The track that the tracker takes for this person just now.
    pub track: TrackId,
    /// The last box of the person, in the zone or out of it.
    pub bbox: BoundingBox,
    /// And the sight before: a single box may have been somebody else's.
    pub before: BoundingBox,
    /// The appearance of the person.
    pub appearance: Option<Appearance>,
    /// The person's last sight, in the zone or out of it.
    pub last_alive: Stamp,
    /// The last sight in the zone.
    pub last_seen: Stamp,
    /// Of that sight, without the dwell.
    evidence: Evidence,
    /// The place where the person was seen then.
    seen_at: BoundingBox,
    /// Seen out of the zone since.
    left: bool,
    earlier: Vec<Visit>,
    since: Stamp,
    entered: BoundingBox,
    dwell: Duration,
}

impl Stay {
    /// Begins.
    pub(super) fn new(sight: &PersonSighting<'_>) -> Self {
        let (track, at, (since, entered)) = (sight.track, sight.at, sight.begun);
        Self {
            track: track.id,
            bbox: track.bbox,
            before: track.bbox,
            appearance: track.appearance,
            last_alive: at,
            last_seen: at,
            evidence: sight.evidence(),
            seen_at: track.bbox,
            left: false,
            earlier: Vec::new(),
            since,
            entered,
            dwell: sight.dwell(),
        }
    }

    /// Seen in a zone. Earlier visits count for `again_within`.
    pub(super) fn see(&mut self, sight: &PersonSighting<'_>, again_within: Duration) {
        let (track, at) = (sight.track, sight.at);
        let gap = at.mono.since(self.last_seen.mono);
        if gap > GRACE {
            self.remember();
            (self.since, self.entered) = sight.begun;
            self.dwell = sight.dwell();
        } else {
            self.dwell += self.credit(gap, &track.bbox);
        }
        self.forget(again_within, at);
        self.evidence = sight.evidence();
        (self.last_seen, self.seen_at, self.left) = (at, track.bbox, false);
        self.follow(track, at);
    }

    /// Seen out of every zone.
    pub(super) fn see_outside(&mut self, track: &Track, at: Stamp) {
        self.left = true;
        self.follow(track, at);
    }

    /// Returns how long the person has been there, over all visits that count.
    pub(super) fn dwell(&self) -> Duration {
        let earlier: Duration = self.earlier.iter().map(|visit| visit.dwell).sum();
        if self.is_passing() { earlier } else { earlier + self.dwell }
    }

    /// Returns when the first visit that counts began.
    pub(super) fn since(&self) -> Stamp {
        self.earlier.first().map_or(self.since, |visit| visit.since)
    }

    /// Of the last sight in a zone.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence { dwell: Some(self.dwell()), ..self.evidence.clone() }
    }

    /// The zone of the last sight in one.
    pub(super) fn zone(&self) -> Option<&str> {
        self.evidence.zone.as_deref()
    }

    /// Tells whether enough has gathered for a later visit to build upon.
    pub(super) fn is_worth_remembering(&self) -> bool {
        !self.earlier.is_empty() || self.dwell >= VISIT_MIN && !self.is_passing()
    }

    fn follow(&mut self, track: &Track, at: Stamp) {
        self.track = track.id;
        self.before = std::mem::replace(&mut self.bbox, track.bbox);
        self.appearance = track.appearance.or(self.appearance);
        self.last_alive = at;
    }

    /// Of `gap` seconds until the person was seen at `bbox`, those of presence.
    fn credit(&self, gap: Duration, bbox: &BoundingBox) -> Duration {
        match (self.left, way(&self.seen_at, bbox) <= SAME_PLACE) {
            (true, _) if gap > GAP_MAX => Duration::ZERO,
            (false, true) => gap,
            _ => gap.min(GAP_MAX),
        }
    }

    /// Tells whether this visit made headway all the time.
    fn is_passing(&self) -> bool {
        let lasted = self.last_seen.mono.since(self.since.mono).as_secs_f32();
        way(&self.entered, &self.seen_at) > PASSING_SPEED * lasted.max(GAP_MAX.as_secs_f32())
    }

    /// Keeps this visit for later ones.
    fn remember(&mut self) {
        if self.dwell < VISIT_MIN || self.is_passing() {
            return;
        }
        if self.earlier.len() >= VISITS_MAX {
            self.earlier.remove(0);
        }
        let (since, ended, dwell) = (self.since, self.last_seen, self.dwell);
        self.earlier.push(Visit { since, ended, dwell });
    }

    fn forget(&mut self, again_within: Duration, at: Stamp) {
        self.earlier.retain(|visit| at.mono.since(visit.ended.mono) <= again_within);
    }
}

/// The way of a person's feet from one box to another, in body heights; a body that grows or
/// shrinks went towards the camera or away, unless the picture's edge cuts it off.
pub(super) fn way(from: &BoundingBox, to: &BoundingBox) -> f32 {
    /// Twice as high is half as far: some 20 m of a street's usual view.
    const DOUBLING: f32 = 2.0;
    let (a, b) = (from.foot(), to.foot());
    let (here, there) = (from.height().max(1e-3), to.height().max(1e-3));
    let shift = (a.x - b.x).hypot(a.y - b.y);
    if is_cut_off(from) || is_cut_off(to) {
        return shift / here.max(there);
    }
    shift / f32::midpoint(here, there) + DOUBLING * (here / there).log2().abs()
}

/// Tells whether part of the body may be out of the picture.
fn is_cut_off(bbox: &BoundingBox) -> bool {
    bbox.x0 <= EDGE || bbox.y0 <= EDGE || bbox.x1 >= 1.0 - EDGE || bbox.y1 >= 1.0 - EDGE
}
