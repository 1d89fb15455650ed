//! Other ways to confirm a fire, to hold ours against: on the same detections.

use keng_core::detection::{Class, Detection};
use keng_core::geometry::BoundingBox;

use crate::sequences::Frame;

/// Surest boxes first; those that overlap a surer one by more than half go.
fn suppressed(mut pool: Vec<(BoundingBox, f32)>) -> Vec<BoundingBox> {
    pool.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut kept: Vec<BoundingBox> = Vec::new();
    for (bbox, _) in pool {
        if kept.iter().all(|other| other.iou(&bbox) <= 0.5) {
            kept.push(bbox);
        }
    }
    kept
}

/// Pyronear's window, as its engine has it (`pyro_predictor/predictor.py`): boxes wider than 0.4
/// of the picture are dropped; the boxes of the last 6 frames are one pool; where one of its
/// candidates is met by at least 3 of them, whose confidences divided by 6 come to more than
/// 0.25, it burns. `pace_s`: a frame is taken no sooner after the one before; theirs is 30 s.
pub fn pyronear(frames: &[Frame], class: Class, pace_s: f64) -> Option<f64> {
    const WINDOW: usize = 6;
    let mut window: Vec<Vec<(BoundingBox, f32)>> = Vec::new();
    let mut taken: Option<f64> = None;
    for (at, detections) in frames {
        if taken.is_some_and(|last| at - last < pace_s) {
            continue;
        }
        taken = Some(*at);
        let boxes = of(detections, class).filter(|(bbox, _)| bbox.width() <= 0.4).collect();
        window.push(boxes);
        let surplus = window.len().saturating_sub(WINDOW);
        window.drain(..surplus);
        let pool: Vec<(BoundingBox, f32)> = window.iter().flatten().copied().collect();
        let burns = suppressed(pool.clone()).iter().any(|candidate| {
            let met = pool.iter().filter(|(bbox, _)| bbox.iou(candidate) > 0.0);
            let (count, sum) = met.fold((0, 0.0), |(n, sum), (_, c)| (n + 1, sum + c));
            count >= WINDOW.div_ceil(2) && sum / WINDOW as f32 > 0.25
        });
        if burns {
            return Some(*at);
        }
    }
    None
}

/// The gain of a frame at a place in a second: nothing speaks against it but absence.
pub type Gain = fn(confidence: f32, least: f32) -> f64;

/// Each second counts as one where the detector is sure, or nearly.
pub fn seconds(confidence: f32, least: f32) -> f64 {
    if confidence >= least * 0.6 { 1.0 } else { -0.3 }
}

/// The logarithm of the odds, against those of a detection that says nothing.
pub fn log_odds(confidence: f32, least: f32) -> f64 {
    let log = |p: f32| f64::from((p.clamp(0.01, 0.99) / (1.0 - p.clamp(0.01, 0.99))).ln());
    (log(confidence) - log(least * 0.6)).max(-0.3)
}

/// Evidence summed up at places that drift with what is seen, and nothing else: the rule as it was
/// before it knew lamps. Alarms at `confirm_s`.
pub fn summed(
    frames: &[Frame],
    class: Class,
    (least, confirm_s): (f32, f64),
    gain: Gain,
) -> Option<f64> {
    let mut places: Vec<(BoundingBox, f64)> = Vec::new();
    let mut last: Option<f64> = None;
    for (at, detections) in frames {
        let credit_s = last.map_or(0.0, |last| (at - last).min(1.5));
        last = Some(*at);
        let boxes: Vec<_> = of(detections, class).filter(|(_, c)| *c >= least * 0.6).collect();
        for (place, sum) in &mut places {
            let near = |bbox: &BoundingBox| bbox.intersection(&place.grown(0.5)) > 0.0;
            let best = boxes.iter().filter(|(bbox, _)| near(bbox));
            let best = best.max_by(|a, b| a.1.total_cmp(&b.1)).copied();
            let rate = best.map_or(-0.3, |(_, confidence)| gain(confidence, least));
            *sum = (*sum + rate * credit_s).clamp(0.0, confirm_s * 1.5);
            if let Some((bbox, _)) = best {
                let step = |a: f32, b: f32| a + (b - a) * 0.3;
                *place = BoundingBox::new(
                    step(place.x0, bbox.x0),
                    step(place.y0, bbox.y0),
                    step(place.x1, bbox.x1),
                    step(place.y1, bbox.y1),
                );
            }
        }
        if places.iter().any(|(_, sum)| *sum >= confirm_s) {
            return Some(*at);
        }
        for (bbox, confidence) in boxes {
            let known =
                |(place, _): &(BoundingBox, f64)| bbox.intersection(&place.grown(0.5)) > 0.0;
            if confidence >= least && !places.iter().any(known) && places.len() < 32 {
                places.push((bbox, 0.0));
            }
        }
    }
    None
}

fn of(detections: &[Detection], class: Class) -> impl Iterator<Item = (BoundingBox, f32)> + '_ {
    let of_class = detections.iter().filter(move |detection| detection.class == class);
    of_class.map(|detection| (detection.bbox, detection.confidence))
}
