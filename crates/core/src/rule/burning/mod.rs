//! Fire and smoke: evidence that accumulates over real time, at one place of the view.
//!
//! Belongs here: how evidence is summed up (`evidence`), what a thing's boxes tell of its nature
//! (`signature`), what people have just closed (`dismissed`). The credit of a single frame is
//! capped, so that a camera of one frame a minute can't confirm with two of them.
//!
//! Once a place has been seen surely, weaker sights within the time of confirmation count too, and
//! while an event goes on, within the time after which it ends: hysteresis, as of Canny's edges,
//! in time.

mod config;
mod dismissed;
mod evidence;
mod signature;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::rule::contract::Observation;
use crate::rule::contract::Rule;
use crate::rule::contract::RuleContext;
use crate::rule::event::{Evidence, UnattributedEvent};
use crate::rule::found::OngoingEvent;
use crate::rule::kind::RuleKind;
use crate::rule::memory::FalseAlarmMemory;
use crate::rule::zone;
use crate::rule::zone::Zone;
use crate::time::Stamp;
use crate::track::Track;
use crate::track::TrackId;

pub use config::BurningConfig;

use dismissed::Dismissed;
use evidence::{BurningSight, Ledger, Weighing};
use signature::Signature;

/// One frame vouches for no more than this: about the longest pause between two looks at an
/// idle camera.
const CREDIT_MAX: Duration = Duration::from_millis(1_500);
/// Of `confidence_min`: weaker sights never count.
const WEAK_SHARE: f32 = 0.6;
/// An ongoing event is told again after as long.
const RETELL: Duration = Duration::from_secs(30);

/// The rule of one class on one camera.
#[derive(Clone, Debug)]
pub struct Burning {
    class: Class,
    rule: RuleKind,
    ledger: Ledger,
    /// The signature of each track's boxes; dropped with the track.
    signatures: BTreeMap<TrackId, Signature>,
    last_frame: Option<Stamp>,
    burning: Option<OngoingEvent>,
    dismissed: Dismissed,
}

/// The conditions that the rule goes by at one moment.
#[derive(Clone, Copy, Debug)]
struct Conditions<'a> {
    config: &'a BurningConfig,
    zones: &'a [Zone],
    memory: &'a FalseAlarmMemory,
}

impl Burning {
    /// For [`Class::Fire`] or [`Class::Smoke`].
    pub fn new(class: Class) -> Self {
        let rule = if class == Class::Smoke { RuleKind::Smoke } else { RuleKind::Fire };
        Self {
            class,
            rule,
            ledger: Ledger::default(),
            signatures: BTreeMap::new(),
            last_frame: None,
            burning: None,
            dismissed: Dismissed::default(),
        }
    }

    fn on_frame(
        &mut self,
        terms: Conditions<'_>,
        tracks: &[&Track],
        at: Stamp,
        events: &mut Vec<UnattributedEvent>,
    ) {
        let config = terms.config;
        if !config.enabled {
            return self.stop(at, events);
        }
        let passed = self.last_frame.map_or(Duration::ZERO, |last| at.mono.since(last.mono));
        self.last_frame = Some(at);
        let (sights, seen) = self.look(terms, tracks, at);
        let patience =
            if self.burning.is_some() { config.quiet.max(config.confirm) } else { config.confirm };
        let marks = terms.memory.marks(self.rule, config.forget, at.mono);
        let credit = passed.min(CREDIT_MAX);
        let gap = passed.saturating_sub(credit);
        let how = Weighing { at, credit, gap, confirm: config.confirm, patience, marks: &marks };
        let strongest = self.ledger.weigh(&sights, how);
        match (&mut self.burning, strongest) {
            (Some(found), Some(strongest)) => {
                events.extend(found.see(seen[strongest.sight].clone(), RETELL, at));
            }
            (None, Some(strongest)) if strongest.suffices => {
                let evidence = seen[strongest.sight].clone();
                let (found, started) = OngoingEvent::new(self.rule, strongest.since, at, evidence);
                self.burning = Some(found);
                events.push(started);
            }
            _ => self.tick(config, at, events),
        }
    }

    /// Returns what the frame of `at` shows, where the rule looks and the detector is sure enough;
    /// the signatures take in all of it, so that they don't depend on thresholds.
    fn look(
        &mut self,
        terms: Conditions<'_>,
        tracks: &[&Track],
        at: Stamp,
    ) -> (Vec<BurningSight>, Vec<Evidence>) {
        self.dismissed.forget(terms.config.quiet, at.mono);
        let mut before = std::mem::take(&mut self.signatures);
        let (mut sights, mut seen) = (Vec::new(), Vec::new());
        for track in tracks.iter().filter(|track| track.class == self.class) {
            let mut signature = before.remove(&track.id).unwrap_or_default();
            if track.seen_at(at) {
                signature.see(track.bbox, at.mono);
                let asked = !self.dismissed.covers(&track.bbox, at.mono);
                if let Some(evidence) = shown(terms, self.rule, track).filter(|_| asked) {
                    sights.push(self.sight(terms.config, track, &signature));
                    seen.push(evidence);
                }
            }
            self.signatures.insert(track.id, signature);
        }
        (sights, seen)
    }

    fn sight(&self, config: &BurningConfig, track: &Track, signature: &Signature) -> BurningSight {
        let character = signature.character(self.class);
        BurningSight {
            bbox: track.bbox,
            confidence: track.confidence,
            sure: track.confidence >= config.confidence_min,
            objection: character.objection,
            grows: character.grows,
        }
    }
}

impl Rule for Burning {
    type Config = BurningConfig;

    fn observe(
        &mut self,
        config: &BurningConfig,
        observation: Observation<'_>,
        context: &RuleContext<'_>,
        events: &mut Vec<UnattributedEvent>,
    ) {
        let Observation::Frame(tracks) = observation else { return };
        let terms = Conditions { config, zones: context.zones, memory: context.memory };
        self.on_frame(terms, tracks, context.at, events);
    }

    fn tick(&mut self, config: &BurningConfig, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        let quiet = self.burning.as_ref().is_some_and(|found| found.is_quiet(config.quiet, at));
        if !config.enabled || quiet {
            self.stop(at, events);
        }
    }

    /// Ends the event and forgets the evidence that has gathered.
    fn stop(&mut self, at: Stamp, events: &mut Vec<UnattributedEvent>) {
        events.extend(self.burning.take().map(|found| found.end(at)));
        self.ledger.clear();
        self.signatures.clear();
    }

    /// Takes in that people called the event in `bbox` a false alarm: it ends unpublished, its
    /// evidence is forgotten, and what still shows there does not count for a while.
    fn dismiss(&mut self, bbox: BoundingBox, at: Stamp) {
        self.burning = None;
        self.ledger.clear();
        self.dismissed.add(bbox, at.mono);
    }

    /// Tells whether something is confirmed.
    fn has_event(&self) -> bool {
        self.burning.is_some()
    }

    /// Tells whether nothing is confirmed, but some evidence has gathered.
    fn suspects(&self) -> bool {
        self.burning.is_none() && self.ledger.is_tense()
    }

    /// Tells whether nothing is confirmed, but the frame of `at` has shown something where the rule
    /// looks, surely enough.
    fn glimpses(&self, at: Stamp) -> bool {
        self.burning.is_none() && self.ledger.glimpses(at)
    }
}

/// Returns what `track` shows just now, where the rule looks and the detector is sure enough.
fn shown(terms: Conditions<'_>, rule: RuleKind, track: &Track) -> Option<Evidence> {
    if track.confidence < terms.config.confidence_min * WEAK_SHARE {
        return None;
    }
    let place = zone::of_burning(terms.zones, rule, &track.bbox);
    (place != zone::ZoneMatch::Outside).then(|| Evidence {
        confidence: track.confidence,
        bbox: Some(track.bbox),
        zone: place.name(),
        dwell: None,
    })
}
