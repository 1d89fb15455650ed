//! Every family on tensors written by hand, and on tensors that lie.

use super::*;
use crate::detection::Class;
use crate::geometry::BoundingBox;
use keng_core::picture::Letterbox;
use proptest::prelude::*;

const INPUT: Size = Size { width: 64, height: 32 };

fn names(names: &[&str]) -> ClassMap {
    ClassMap::from_names(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

fn three() -> ClassMap {
    names(&["fire", "car", "person"])
}

fn decode(
    family: &Family,
    tensors: &[(&[usize], &[f32])],
    picture: usize,
) -> Result<Vec<Detection>, Mismatch> {
    let tensors: Vec<Tensor<'_>> =
        tensors.iter().map(|(shape, values)| Tensor { shape, values }).collect();
    let letterbox = Letterbox::none(INPUT);
    let classes = three();
    let context = DecodeContext {
        input: INPUT,
        letterbox: &letterbox,
        classes: &classes,
        confidence_min: 0.25,
    };
    family.decode(&tensors, picture, &context)
}

fn pixels(x0: f32, y0: f32, x1: f32, y1: f32) -> BoundingBox {
    BoundingBox::new(x0 / 64.0, y0 / 32.0, x1 / 64.0, y1 / 32.0)
}

fn check(found: &[Detection], expected: &[(Class, f32, BoundingBox)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, (class, confidence, bbox)) in found.iter().zip(expected) {
        assert_eq!(found.class, *class);
        assert!((found.confidence - confidence).abs() < 1e-5, "{found:?}");
        assert!(found.bbox.iou(bbox) > 0.999, "{found:?} is not at {bbox:?}");
    }
}

#[test]
fn yolox_counts_cells_over_all_strides() {
    // Stride 16: 4 x 2 cells, stride 32: 2 x 1 cells.
    let family = Family::Yolox { strides: vec![16, 32] };
    let mut values = vec![0.0; 10 * 8];
    // Cell x 2, y 1 of the fine grid: centre (2.5, 1.25) * 16, size e^0 * 16, e^-0.693 * 16.
    values[6 * 8..7 * 8].copy_from_slice(&[0.5, 0.25, 0.0, 0.5f32.ln(), 0.9, 0.1, 0.9, 0.5]);
    // Cell x 1 of the coarse grid.
    values[9 * 8..10 * 8].copy_from_slice(&[0.5, 0.5, 0.5f32.ln(), 0.0, 0.8, 1.0, 0.0, 0.0]);
    let found = decode(&family, &[(&[1, 10, 8], &values)], 0).unwrap();
    check(
        &found,
        &[
            (Class::Fire, 0.8, pixels(40.0, 0.0, 56.0, 32.0)),
            (Class::Person, 0.45, pixels(32.0, 16.0, 48.0, 24.0)),
        ],
    );
    let error = decode(&family, &[(&[1, 9, 8], &values[8..])], 0).unwrap_err();
    assert_eq!(error.to_string(), "expected 10 anchors on strides [16, 32], found 9 anchors");
}

#[test]
fn yolov5_has_objectness_and_pixels() {
    let values = [32.0, 16.0, 8.0, 8.0, 0.5, 0.2, 0.3, 0.9, 1.0, 1.0, 1.0, 1.0, 0.2, 1.0, 1.0, 1.0];
    let found = decode(&Family::Yolov5, &[(&[1, 2, 8], &values)], 0).unwrap();
    check(&found, &[(Class::Person, 0.45, pixels(28.0, 12.0, 36.0, 20.0))]);
}

#[test]
fn yolov8_is_read_in_both_orders_and_for_each_picture() {
    let row = [16.0, 16.0, 8.0, 4.0, 0.7, 0.9, 0.1];
    let other = [48.0, 16.0, 8.0, 4.0, 0.0, 0.0, 0.6];
    let nothing = [0.0; 14];
    let rows: Vec<f32> = [&nothing[..], &row, &other].concat();
    let last = Family::Yolov8 { channels_first: false };
    let expected = [
        (Class::Fire, 0.7, pixels(12.0, 14.0, 20.0, 18.0)),
        (Class::Person, 0.6, pixels(44.0, 14.0, 52.0, 18.0)),
    ];
    check(&decode(&last, &[(&[2, 2, 7], &rows)], 1).unwrap(), &expected);
    assert!(decode(&last, &[(&[2, 2, 7], &rows)], 0).unwrap().is_empty());
    let columns: Vec<f32> = row.iter().zip(&other).flat_map(|(a, b)| [*a, *b]).collect();
    let columns = [&nothing[..], &columns].concat();
    let first = Family::Yolov8 { channels_first: true };
    check(&decode(&first, &[(&[2, 7, 2], &columns)], 1).unwrap(), &expected);
}

#[test]
fn end_to_end_rows_are_taken_as_they_are() {
    let values = [
        [0.0, 0.0, 8.0, 8.0, 0.5, 2.0],
        [1.0, 0.0, 8.0, 8.0, 0.6, 2.0],
        [0.0, 0.0, 8.0, 8.0, 0.9, 1.0],
        [0.0, 0.0, 8.0, 8.0, 0.9, 7.0],
        [0.0, 0.0, 8.0, 8.0, 0.9, -1.0],
        [0.0, 0.0, 8.0, 8.0, 0.9, f32::INFINITY],
    ];
    let found = decode(&Family::EndToEnd, &[(&[1, 6, 6], values.as_flattened())], 0).unwrap();
    check(
        &found,
        &[
            (Class::Person, 0.6, pixels(1.0, 0.0, 8.0, 8.0)),
            (Class::Person, 0.5, pixels(0.0, 0.0, 8.0, 8.0)),
        ],
    );
}

#[test]
fn detr_boxes_and_logits_are_found_in_any_order() {
    let outputs = |first: &str, a: usize, second: &str, b: usize| {
        let output = |name: &str, columns| OutputShape {
            name: name.to_owned(),
            dimensions: vec![None, Some(2), Some(columns)],
        };
        [output(first, a), output(second, b)]
    };
    let shapes = outputs("logits", 3, "pred_boxes", 4);
    let (family, _) = Family::inferred(&shapes, Some(&three()), INPUT).unwrap();
    assert_eq!(family, Family::Detr { boxes: 1, logits: true });
    let scores = [-9.0, 9.0, 1.0, -9.0, -9.0, -9.0];
    let boxes = [0.5, 0.5, 0.25, 0.5, 0.1, 0.1, 0.1, 0.1];
    let found = decode(&family, &[(&[1, 2, 3], &scores), (&[1, 2, 4], &boxes)], 0).unwrap();
    check(&found, &[(Class::Person, 0.731_058_6, pixels(24.0, 8.0, 40.0, 24.0))]);

    let four = names(&["fire", "smoke", "person", "car"]);
    let shapes = outputs("dets_boxes", 4, "scores", 4);
    let (family, _) = Family::inferred(&shapes, Some(&four), INPUT).unwrap();
    assert_eq!(family, Family::Detr { boxes: 0, logits: false });
    assert!(Family::inferred(&outputs("a", 4, "b", 2), Some(&four), INPUT).is_err());
}

#[test]
fn families_are_inferred_by_their_shapes() {
    let one = |rows: Option<usize>, columns: Option<usize>| {
        vec![OutputShape { name: "out".into(), dimensions: vec![None, rows, columns] }]
    };
    let input = Size { width: 416, height: 416 };
    let infer = |outputs: &[OutputShape]| Family::inferred(outputs, None, input);
    let coco = infer(&one(Some(3549), Some(85))).unwrap();
    assert_eq!(coco.0, Family::Yolox { strides: vec![8, 16, 32] });
    assert_eq!(coco.1, ClassMap::coco());
    assert_eq!(infer(&one(Some(10_647), Some(85))).unwrap().0, Family::Yolov5);
    let first = infer(&one(Some(84), Some(3549))).unwrap().0;
    assert_eq!(first, Family::Yolov8 { channels_first: true });
    let last = infer(&one(Some(3549), Some(84))).unwrap().0;
    assert_eq!(last, Family::Yolov8 { channels_first: false });
    let open = infer(&one(Some(84), None)).unwrap().0;
    assert_eq!(open, Family::Yolov8 { channels_first: true });
    assert!(infer(&one(None, None)).is_err() && infer(&one(None, Some(85))).is_err());
    // Six columns may be 1 class with objectness too: only names make it sure.
    assert!(infer(&one(Some(300), Some(6))).is_err());
    let named = Family::inferred(&one(Some(300), Some(6)), Some(&three()), input).unwrap().0;
    assert_eq!(named, Family::EndToEnd);
    let error = Family::named("yolov8", &one(Some(300), Some(9)), &three(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected one output [N, 7, A] or [N, A, 7] for 3 classes, found 1 outputs: \
         out [?, 300, 9]"
    );
    assert!(Family::named("ssd", &one(None, None), &three(), None).is_err());
}

proptest! {
    /// Whatever a tensor holds and however long it is: no panic, and only sound boxes.
    #[test]
    fn no_tensor_breaks_a_family(
        shape in proptest::collection::vec(0usize..9, 0..5),
        bits in proptest::collection::vec(any_number(), 0..200),
        picture in 0usize..3,
    ) {
        for family in [
            Family::Yolox { strides: vec![32] },
            Family::Yolov5,
            Family::Yolov8 { channels_first: true },
            Family::Yolov8 { channels_first: false },
            Family::EndToEnd,
            Family::Detr { boxes: 0, logits: true },
            Family::Detr { boxes: 1, logits: false },
        ] {
            let tensors = [(&shape[..], &bits[..]), (&shape[..], &bits[..])];
            for found in decode(&family, &tensors, picture).unwrap_or_default() {
                prop_assert!((0.25..=1.0).contains(&found.confidence));
                prop_assert!(found.bbox.area() > 0.0 && found.bbox.area() <= 1.0);
            }
        }
    }
}

fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        -2f32..70.0,
        0f32..1.0,
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(f32::MAX),
    ]
}
