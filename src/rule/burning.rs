//! Fire and smoke: evidence that accumulates over real time, at one place of the view.
//!
//! A place is a part of the view where flames were seen; it takes in whatever is seen near it,
//! since a flame's boxes split, merge and change their shape from frame to frame. A frame that
//! shows flames there adds the time since the camera's frame before; one that does not takes part
//! of it away. So a flame that the detector finds in half of the frames confirms too, only later,
//! and one that flashes, or a lamp that passes by, never does. The credit of a single frame is
//! capped, so that a camera of one frame a minute can't confirm with two of them.
//!
//! Once a place has been seen surely, weaker sights within the time of confirmation count too:
//! hysteresis, as of Canny's edges, in time.

use std::time::Duration;

use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::rule::found::Found;
use crate::rule::{BurningConfig, Draft, Evidence, RuleKind, Zone, zone};
use crate::time::Stamp;
use crate::track::Track;

/// One frame vouches for no more than this: about the longest pause between two looks at an
/// idle camera.
const CREDIT_MAX: Duration = Duration::from_millis(1_500);
/// A frame without the thing takes away this share of what one with it adds. Flames flicker and
/// the detector is no better than it is: at 0.3, found in a quarter of the frames just holds.
const DOUBT: f64 = 0.3;
/// Of `confidence_min`: weaker sights never count.
const WEAK_SHARE: f32 = 0.6;
/// A place takes in what touches its box, grown on each side by as many of its own sizes.
const REACH: f32 = 0.5;
/// How far a place's box goes towards what was seen last: it drifts with smoke and grows with
/// flames, but a headlight outruns it.
const DRIFT: f32 = 0.3;
/// More places at once are noise; new ones wait until an old one is doubted away.
const PLACES_MAX: usize = 32;
/// An ongoing event is told again after as long.
const RETELL: Duration = Duration::from_secs(30);

/// The rule of one class on one camera.
#[derive(Clone, Debug)]
pub struct Burning {
    class: Class,
    rule: RuleKind,
    places: Vec<Place>,
    last_frame: Option<Stamp>,
    burning: Option<Found>,
}

/// Where flames were seen, and what speaks for them.
#[derive(Clone, Debug)]
struct Place {
    bbox: BoundingBox,
    since: Stamp,
    last_sure: Stamp,
    evidence_s: f64,
    /// What the frame at hand shows of it.
    sight: Option<Evidence>,
}

impl Burning {
    /// For [`Class::Fire`] or [`Class::Smoke`].
    pub fn new(class: Class) -> Self {
        let rule = if class == Class::Smoke { RuleKind::Smoke } else { RuleKind::Fire };
        Self { class, rule, places: Vec::new(), last_frame: None, burning: None }
    }

    /// Whether something is confirmed, or some evidence has gathered.
    pub(crate) fn is_tense(&self) -> bool {
        self.burning.is_some() || self.places.iter().any(|place| place.evidence_s > 0.0)
    }

    pub(crate) fn on_frame(
        &mut self,
        config: &BurningConfig,
        zones: &[Zone],
        tracks: &[&Track],
        at: Stamp,
        events: &mut Vec<Draft>,
    ) {
        if !config.enabled {
            return self.end(at, events);
        }
        let passed = self.last_frame.map_or(Duration::ZERO, |last| at.mono.since(last.mono));
        self.last_frame = Some(at);
        let (known, class) = (self.places.len(), self.class);
        for track in tracks.iter().filter(|track| track.class == class) {
            if let Some(evidence) = seen(config, zones, self.rule, track, at) {
                self.place(config, &evidence, track.bbox, at);
            }
        }
        self.weigh(known, passed.min(CREDIT_MAX).as_secs_f64(), config);
        let fresh = |place: &Place| at.mono.since(place.last_sure.mono) <= config.confirm;
        self.places.retain(|place| place.evidence_s > 0.0 || fresh(place));
        self.tell(config, at, events);
    }

    pub(crate) fn on_tick(&mut self, config: &BurningConfig, at: Stamp, events: &mut Vec<Draft>) {
        let quiet = self.burning.as_ref().is_some_and(|found| found.is_quiet(config.quiet, at));
        if !config.enabled || quiet {
            self.end(at, events);
        }
    }

    /// What goes on ends, and what has gathered is forgotten.
    pub(crate) fn end(&mut self, at: Stamp, events: &mut Vec<Draft>) {
        events.extend(self.burning.take().map(|found| found.end(at)));
        self.places.clear();
    }

    /// Gives one sight to every place that it touches, or to a new one where it is sure. To every
    /// one: places that share a flame would otherwise starve each other, and a lower
    /// `confidence_min` would alarm later.
    fn place(&mut self, config: &BurningConfig, evidence: &Evidence, bbox: BoundingBox, at: Stamp) {
        let sure = evidence.confidence >= config.confidence_min;
        let near = |place: &&mut Place| bbox.intersection(&place.bbox.grown(REACH)) > 0.0;
        let mut is_new = true;
        for place in self.places.iter_mut().filter(near) {
            is_new = false;
            if sure {
                place.last_sure = at;
            } else if at.mono.since(place.last_sure.mono) > config.confirm {
                continue;
            }
            place.bbox = drifted(&place.bbox, &bbox);
            if place.sight.as_ref().is_none_or(|s| s.confidence < evidence.confidence) {
                place.sight = Some(evidence.clone());
            }
        }
        if is_new && sure && self.places.len() < PLACES_MAX {
            let sight = Some(evidence.clone());
            self.places.push(Place { bbox, since: at, last_sure: at, evidence_s: 0.0, sight });
        }
    }

    /// The first `known` places gain or lose by this frame. The first sight of a new one counts
    /// nothing: it may be a flash.
    fn weigh(&mut self, known: usize, credit_s: f64, config: &BurningConfig) {
        let cap = config.confirm.as_secs_f64() * 1.5;
        for place in &mut self.places[..known] {
            let gain = if place.sight.is_some() { credit_s } else { -credit_s * DOUBT };
            place.evidence_s = (place.evidence_s + gain).clamp(0.0, cap);
        }
    }

    fn tell(&mut self, config: &BurningConfig, at: Stamp, events: &mut Vec<Draft>) {
        let confirm_s = config.confirm.as_secs_f64();
        let seen = self.places.iter_mut().filter_map(|place| {
            let evidence = place.sight.take()?;
            Some((place.since, place.evidence_s, evidence))
        });
        let best = seen.max_by(|a, b| a.1.total_cmp(&b.1));
        match (&mut self.burning, best) {
            (Some(found), Some((_, _, evidence))) => {
                events.extend(found.see(evidence, RETELL, at));
            }
            (None, Some((since, evidence_s, evidence))) if evidence_s >= confirm_s => {
                let (found, started) = Found::new(self.rule, since, at, evidence);
                self.burning = Some(found);
                events.push(started);
            }
            _ => self.on_tick(config, at, events),
        }
    }
}

/// What `track` shows in the frame of `at`, where the rule looks and the detector is sure enough.
fn seen(
    config: &BurningConfig,
    zones: &[Zone],
    rule: RuleKind,
    track: &Track,
    at: Stamp,
) -> Option<Evidence> {
    if !track.seen_at(at) || track.confidence < config.confidence_min * WEAK_SHARE {
        return None;
    }
    let place = zone::of_burning(zones, rule, &track.bbox);
    (place != zone::Place::Outside).then(|| Evidence {
        confidence: track.confidence,
        bbox: Some(track.bbox),
        zone: place.name(),
        dwell: None,
    })
}

/// `from`, a step towards `to`.
fn drifted(from: &BoundingBox, to: &BoundingBox) -> BoundingBox {
    let step = |a: f32, b: f32| a + (b - a) * DRIFT;
    BoundingBox::new(
        step(from.x0, to.x0),
        step(from.y0, to.y0),
        step(from.x1, to.x1),
        step(from.y1, to.y1),
    )
}
