//! Non-maximum suppression: of boxes that show the same thing, the best stays. Pure.

use crate::detection::Detection;

/// Candidates that are compared with each other; comparing costs their square.
pub const CANDIDATES_MAX: usize = 512;

/// Sorts best first and, within each class, drops every box that overlaps a better one by more
/// than `iou_max`. Ties are broken by the order of `candidates`, so that the same input always
/// gives the same output. Beyond [`CANDIDATES_MAX`] the worst are dropped.
pub fn suppress(mut candidates: Vec<Detection>, iou_max: f32) -> Vec<Detection> {
    sort(&mut candidates);
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in candidates {
        let hidden = kept.iter().any(|better| {
            better.class == candidate.class && better.bbox.iou(&candidate.bbox) > iou_max
        });
        if !hidden {
            kept.push(candidate);
        }
    }
    kept
}

/// Sorts best first, ties by their order, and drops the worst beyond [`CANDIDATES_MAX`].
pub fn sort(candidates: &mut Vec<Detection>) {
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    candidates.truncate(CANDIDATES_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Class;
    use crate::geometry::BoundingBox;
    use proptest::prelude::*;

    fn seen(class: Class, confidence: f32, x: f32) -> Detection {
        let bbox = BoundingBox::new(x, 0.1, x + 0.2, 0.4);
        Detection { class, confidence, bbox, appearance: None }
    }

    #[test]
    fn best_of_overlapping_boxes_stays_within_each_class() {
        let kept = suppress(
            vec![
                seen(Class::Fire, 0.5, 0.10),
                seen(Class::Fire, 0.8, 0.11),
                seen(Class::Smoke, 0.3, 0.11),
                seen(Class::Fire, 0.4, 0.70),
            ],
            0.5,
        );
        let left: Vec<(Class, f32)> = kept.iter().map(|d| (d.class, d.confidence)).collect();
        assert_eq!(left, [(Class::Fire, 0.8), (Class::Fire, 0.4), (Class::Smoke, 0.3)]);
    }

    #[test]
    fn first_of_equal_boxes_stays() {
        let first = seen(Class::Person, 0.6, 0.30);
        let kept = suppress(vec![first, seen(Class::Person, 0.6, 0.31)], 0.5);
        assert_eq!(kept, [first]);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_sorted_does_not_overlap_and_is_enough(
            boxes in proptest::collection::vec((0f32..0.8, 0f32..1.0), 0..60),
        ) {
            let candidates: Vec<_> =
                boxes.iter().map(|(x, score)| seen(Class::Fire, *score, *x)).collect();
            let kept = suppress(candidates.clone(), 0.4);
            for (i, a) in kept.iter().enumerate() {
                for b in &kept[..i] {
                    prop_assert!(b.confidence >= a.confidence && a.bbox.iou(&b.bbox) <= 0.4);
                }
            }
            for lost in candidates.iter().filter(|c| !kept.contains(c)) {
                let hidden = kept.iter().any(|k| {
                    k.confidence >= lost.confidence && k.bbox.iou(&lost.bbox) > 0.4
                });
                prop_assert!(hidden);
            }
        }
    }
}
