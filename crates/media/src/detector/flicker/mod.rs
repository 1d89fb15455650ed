//! The second stage: looks again at what may be fire or smoke, over some consecutive frames.
//!
//! A detector sees one picture and can't tell a flame from what is painted like one. Time tells:
//! flames seethe, smoke drifts, and a lamp, a red roof or a cloud-coloured wall stays as it is.
//! For each place where the detector suspects something, the pixels of the last looks (up to six,
//! at most 5 s) are compared, and the detector's confidence is moved by what they did, as odds:
//!
//! - *Seething* is for fire: the pattern inside the box changes from look to look, in warm
//!   colours, and more than its surroundings do; and it whitens where it is hot, which neither a
//!   flag that waves nor a neon's light on wet ground does. A camera that shakes changes box and
//!   surroundings alike; what is grey, as by infrared light, seethes for nobody here.
//! - *Still* is against fire and smoke: the brightness inside the box hardly varies at all.
//!
//! Cues of this kind are old (Phillips, Shah and da Vitoria Lobo, "Flame recognition in video",
//! 2002; Töreyin, Dedeoğlu, Güdükbay and Çetin, "Computer vision based method for real-time fire
//! and flame detection", 2006); what is measured here is plainer, and works from one frame a
//! second on. `docs/fire.md` has what it brings.
//!
//! The only place in `detection` that remembers anything; it belongs to no thread, since any
//! detector thread may get a camera's next frame.

mod place;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use self::place::Region;
use self::place::RegionChange;
use crate::detection::Class;
use crate::detection::Detection;
use crate::frame::Frame;
use crate::frame::Letterbox;
use crate::geometry::BoundingBox;
use crate::time::Mono;
use crate::ward::Id;

/// The least confidence of the detector at which a thing counts as suspicious.
pub const SUSPICION_MIN: f32 = 0.05;
/// The least confidence after the second stage that is a detection to any rule; admins tune upwards
/// from here.
pub const CONFIDENCE_MIN: f32 = 0.1;
/// Places that are watched a camera; one more takes that of the one not seen for longest.
const REGIONS_MAX: usize = 12;
/// A place where nothing has been suspected for so long is forgotten.
const REGION_LIFETIME: Duration = Duration::from_secs(6);
/// A camera of which nothing came for so long is forgotten.
const MEMORY_LIFETIME: Duration = Duration::from_secs(60);
/// A box is at a place that it shares so much with (intersection over union).
const SAME_REGION_IOU: f32 = 0.25;
/// The amount that full flickering adds to the logarithm of the odds of fire.
const SEETHING_GAIN: f32 = 1.5;
/// The amount that full stillness takes from it.
const STILLNESS_LOSS: f32 = 1.0;
/// Stillness is known after so long, and seething.
const STILL_AFTER: Duration = Duration::from_millis(900);
const SEETHES_AFTER: Duration = Duration::from_millis(380);

/// The memory of all cameras' suspicious regions, by which confidences are corrected.
#[derive(Default)]
pub struct FlickerStage {
    cameras: Mutex<BTreeMap<Id, PlaceHistory>>,
}

impl FlickerStage {
    /// Moves the confidences of fire and smoke among `detections` by what their pixels did over
    /// the camera's last frames. Leaves what comes to [`CONFIDENCE_MIN`], best first.
    pub fn rescore(&self, frame: &Frame, detections: &mut Vec<Detection>) {
        self.remember(frame, detections);
        detections.retain(|found| found.confidence >= CONFIDENCE_MIN);
        detections.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    }

    fn remember(&self, frame: &Frame, detections: &mut [Detection]) {
        let at = frame.at.mono;
        let suspicious = detections.iter().any(|found| found.class != Class::Person);
        // Nothing in here panics while it holds the lock.
        let mut cameras = self.cameras.lock().unwrap_or_else(PoisonError::into_inner);
        if !cameras.contains_key(&frame.camera) {
            if !suspicious {
                return;
            }
            cameras.retain(|_, memory| at.since(memory.last) < MEMORY_LIFETIME);
        }
        let memory = cameras.entry(frame.camera.clone()).or_default();
        memory.rescore(&frame.pixels, &frame.letterbox, at, detections);
        if memory.regions.is_empty() {
            cameras.remove(&frame.camera);
        }
    }
}

/// One camera's.
#[derive(Default)]
struct PlaceHistory {
    regions: Vec<Region>,
    last: Mono,
}

impl PlaceHistory {
    fn rescore(
        &mut self,
        pixels: &[u8],
        letterbox: &Letterbox,
        at: Mono,
        detections: &mut [Detection],
    ) {
        self.last = at;
        self.regions.retain(|place| at.since(place.seen) <= REGION_LIFETIME);
        for place in &mut self.regions {
            place.look(pixels, letterbox, at);
        }
        for found in detections.iter_mut().filter(|found| found.class != Class::Person) {
            let Some(place) = self.region_of(&found.bbox) else {
                let mut place = Region::new(found.bbox, at);
                place.look(pixels, letterbox, at);
                self.add(place);
                continue;
            };
            place.seen = at;
            if let Some(change) = place.change() {
                found.confidence = moved(found.confidence, shift(found.class, &change));
            }
        }
    }

    fn region_of(&mut self, bbox: &BoundingBox) -> Option<&mut Region> {
        let shared = |place: &Region| place.bbox.iou(bbox);
        let best = self.regions.iter_mut().max_by(|a, b| shared(a).total_cmp(&shared(b)))?;
        (shared(best) >= SAME_REGION_IOU).then_some(best)
    }

    fn add(&mut self, place: Region) {
        if self.regions.len() == REGIONS_MAX {
            let oldest = (0..REGIONS_MAX).min_by_key(|index| self.regions[*index].seen);
            self.regions.swap_remove(oldest.unwrap_or_default());
        }
        self.regions.push(place);
    }
}

/// Returns the amount by which a region's change shifts the logarithm of the odds of `class` there.
fn shift(class: Class, change: &RegionChange) -> f32 {
    let still_up_to = match class {
        Class::Fire => (1.5, 3.0),
        Class::Smoke => (1.5, 4.0),
        Class::Person => return 0.0,
    };
    let mut shift = 0.0;
    if change.span >= STILL_AFTER {
        shift -= STILLNESS_LOSS * (1.0 - ramp(change.inside, still_up_to.0, still_up_to.1));
    }
    if class == Class::Fire && change.span >= SEETHES_AFTER {
        let own = change.inside / change.around.max(1.0);
        shift += SEETHING_GAIN
            * ramp(1.0 - change.likeness, 0.0, 0.15)
            * ramp(change.warmth, 3.0, 7.0)
            * ramp(change.whitening, 0.35, 0.5)
            * ramp(own, 1.0, 2.0);
    }
    shift
}

/// From 0 at `low` to 1 at `high`.
fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

/// A confidence whose odds are multiplied by e to the power of `shift`.
fn moved(confidence: f32, shift: f32) -> f32 {
    if shift == 0.0 {
        return confidence;
    }
    let sure = confidence.clamp(0.001, 0.999);
    let odds = sure / (1.0 - sure) * shift.exp();
    odds / (1.0 + odds)
}

#[cfg(test)]
mod tests;
