//! From output tensors to boxes: decoding by family, and suppression.

use keng::detector::classes::ClassMap;
use keng::detector::family::DecodeContext;
use keng::detector::family::Family;
use keng::detector::family::Tensor;
use keng::frame::InputFormat;
use keng::frame::Letterbox;
use keng::frame::Placement;
use keng::frame::Size;

use super::bench::Bench;
use super::bench::Plan;
use crate::support::measure::ClockId;
use crate::support::scene::ANCHORS;
use crate::support::scene::INPUT;
use crate::support::scene::score;
use crate::support::scene::seeing;
use crate::support::scene::shipped;

/// Adds `postprocess`: the shipped layout on a street with three things and on a crowd of 100, and
/// a YOLOX of 80 classes on the same street.
pub(crate) fn measure(bench: &mut Bench) {
    let ours = ["fire", "smoke", "person"].map(str::to_owned);
    let (ours, coco) = (ClassMap::from_names(&ours), ClassMap::coco());
    let yolov8 = Family::Yolov8 { channels_first: true };
    let yolox = Family::Yolox { strides: vec![8, 16, 32] };
    let street = shipped(3, 4);
    let crowd = shipped(100, 6);
    let foreign = foreign(3, 4);
    let cases = [
        ("postprocess, 3 things", "postprocess", &yolov8, &ours, [1, 7, ANCHORS], &street),
        ("postprocess, 100 things", "postprocess_crowded", &yolov8, &ours, [1, 7, ANCHORS], &crowd),
        ("postprocess, 3 things, YOLOX", "postprocess", &yolox, &coco, [1, ANCHORS, 85], &foreign),
    ];
    for (title, key, family, classes, shape, values) in cases {
        let format = InputFormat { size: INPUT, placement: Placement::Center, pad: 114 };
        let letterbox = Letterbox::fit(Size { width: 640, height: 360 }, &format);
        let context =
            DecodeContext { input: INPUT, letterbox: &letterbox, classes, confidence_min: 0.3 };
        let outputs = [Tensor { shape: &shape, values }];
        let plan = Plan { title, key: Some(key), clock: ClockId::ThreadCPUTime, turns: 60 };
        bench.alone(plan, || {
            let found = family.decode(&outputs, 0, &context).expect("the tensor is as promised");
            assert!(found.len() >= 3, "everything is found: {}", found.len());
            1
        });
    }
}

/// `[A, 5 + 80]`, the first class the person.
fn foreign(things: usize, each: usize) -> Vec<f32> {
    let mut values = vec![0.01; 85 * ANCHORS];
    for (anchor, _) in seeing(things, each) {
        values[anchor * 85..][..6].copy_from_slice(&[0.5, 0.5, 1.0, 1.5, 0.9, score(anchor)]);
    }
    values
}
