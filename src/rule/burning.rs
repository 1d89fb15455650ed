//! Fire and smoke: evidence that accumulates over real time.
//!
//! A frame that shows flames on a track adds the time since the camera's frame before; one that
//! does not takes part of it away. So a flame that the detector finds in half of the frames
//! confirms too, only later, and one that flashes never does. The credit of a single frame is
//! capped, so that a camera of one frame a minute can't confirm with two of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::detection::Class;
use crate::rule::found::Found;
use crate::rule::{BurningConfig, Draft, Evidence, RuleKind, Zone, zone};
use crate::time::Stamp;
use crate::track::{Track, TrackId};

/// One frame vouches for no more than this: about the longest pause between two looks at an
/// idle camera.
const CREDIT_MAX: Duration = Duration::from_millis(1_500);
/// A frame without the thing takes away this share of what one with it adds. Flames flicker and
/// the detector is no better than it is: at 0.5, found in a third of the frames just holds.
const DOUBT: f64 = 0.5;
/// An ongoing event is told again after as long.
const RETELL: Duration = Duration::from_secs(30);

/// The rule of one class on one camera.
#[derive(Clone, Debug)]
pub struct Burning {
    class: Class,
    rule: RuleKind,
    places: BTreeMap<TrackId, Place>,
    last_frame: Option<Stamp>,
    burning: Option<Found>,
}

/// What speaks for one track.
#[derive(Clone, Debug)]
struct Place {
    since: Stamp,
    evidence_s: f64,
}

impl Burning {
    /// For [`Class::Fire`] or [`Class::Smoke`].
    pub fn new(class: Class) -> Self {
        let rule = if class == Class::Smoke { RuleKind::Smoke } else { RuleKind::Fire };
        Self { class, rule, places: BTreeMap::new(), last_frame: None, burning: None }
    }

    /// Whether something is confirmed, or some evidence has gathered.
    pub(crate) fn is_tense(&self) -> bool {
        self.burning.is_some() || self.places.values().any(|place| place.evidence_s > 0.0)
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
        let credit_s = passed.min(CREDIT_MAX).as_secs_f64();
        let mut best: Option<(TrackId, Evidence)> = None;
        for track in tracks.iter().filter(|track| track.class == self.class) {
            let Some(evidence) = seen(config, zones, self.rule, track, at) else { continue };
            let place = self.places.entry(track.id).or_insert(Place {
                since: track.first_seen,
                // The first sight counts nothing: it may be a flash.
                evidence_s: -credit_s,
            });
            let cap = config.confirm.as_secs_f64() * 1.5;
            place.evidence_s = (place.evidence_s + credit_s * (1.0 + DOUBT)).min(cap);
            if best.as_ref().is_none_or(|(_, other)| evidence.confidence > other.confidence) {
                best = Some((track.id, evidence));
            }
        }
        self.doubt(tracks, credit_s);
        self.tell(config, best, at, events);
    }

    pub(crate) fn on_tick(&mut self, config: &BurningConfig, at: Stamp, events: &mut Vec<Draft>) {
        let quiet = self.burning.as_ref().is_some_and(|found| found.is_quiet(config.quiet, at));
        if !config.enabled || quiet {
            self.end(at, events);
        }
    }

    /// Every track loses a little with each frame; what was seen has gained more than that.
    fn doubt(&mut self, tracks: &[&Track], credit_s: f64) {
        self.places.retain(|id, place| {
            place.evidence_s -= credit_s * DOUBT;
            place.evidence_s > -f64::EPSILON || tracks.iter().any(|track| track.id == *id)
        });
        for place in self.places.values_mut() {
            place.evidence_s = place.evidence_s.max(0.0);
        }
    }

    fn tell(
        &mut self,
        config: &BurningConfig,
        best: Option<(TrackId, Evidence)>,
        at: Stamp,
        events: &mut Vec<Draft>,
    ) {
        if let (Some(found), Some((_, evidence))) = (&mut self.burning, &best) {
            events.extend(found.see(evidence.clone(), RETELL, at));
            return;
        }
        let confirmed = self
            .places
            .iter()
            .filter(|(_, place)| place.evidence_s >= config.confirm.as_secs_f64())
            .max_by(|a, b| a.1.evidence_s.total_cmp(&b.1.evidence_s));
        let (None, Some((_, place)), Some((_, evidence))) = (&self.burning, confirmed, best) else {
            return self.on_tick(config, at, events);
        };
        let (found, started) = Found::new(self.rule, place.since, at, evidence);
        self.burning = Some(found);
        events.push(started);
    }

    /// What goes on ends, and what has gathered is forgotten.
    pub(crate) fn end(&mut self, at: Stamp, events: &mut Vec<Draft>) {
        events.extend(self.burning.take().map(|found| found.end(at)));
        self.places.clear();
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
    if !track.seen_at(at) || track.confidence < config.confidence_min {
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
