//! The error of the dwell that is told, against the truth, on real clips through a real
//! detector, over rates from 0.5 to 10 frames a second; skipped where `KENG_CORPUS` names none.
//! Simulated streets are in the core's own tests.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]

mod film;

use keng_testkit::street;
use keng_testkit::watch::Watch;

/// Frames a second.
const RATES: [f64; 6] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0];

/// A clip, and for how long each who comes is there, in seconds: from, until. What is known is good
/// to half a second.
struct Clip {
    file: &'static str,
    there: &'static [(f64, f64)],
    /// The error that the dwell may have from 2 frames a second on; slower, two people who
    /// look alike and come to one place seconds apart may be taken for one.
    bound_s: f64,
}

const CLIPS: [Clip; 2] = [
    Clip {
        file: "indoor_person_one_by_one.mp4",
        there: &[(3.0, 24.5), (31.0, 49.5), (54.5, 60.0)],
        bound_s: 2.0,
    },
    Clip { file: "shop_cctv_people_day.mp4", there: &[(0.0, 20.2)], bound_s: 2.0 },
];

/// Real people, found by a public detector: the shipped one is not what is measured here.
#[test]
fn dwell_of_real_people_is_right_at_any_rate() {
    let Some(corpus) = std::env::var_os("KENG_CORPUS").map(std::path::PathBuf::from) else {
        println!("skipped: KENG_CORPUS is not set");
        return;
    };
    let model = corpus.join("weights/yolox_nano_coco.onnx");
    let mut wrong = Vec::new();
    println!("dwell less presence in seconds, per person; worst of several phases");
    for clip in &CLIPS {
        let frames = film::seen(&corpus.join("clips").join(clip.file), &model);
        for fps in RATES {
            // 10 analysed frames a second are at hand: each slower rate is had by leaving out.
            let every = (10.0 / fps).round() as usize;
            let mut worst = vec![0.0f64; clip.there.len()];
            for phase in (0..every).step_by((every / 5).max(1)) {
                let mut watch = Watch::everywhere(4.0);
                let mut persons = clip.there.iter().enumerate().peekable();
                for (t, detections) in frames.iter().skip(phase).step_by(every) {
                    let over = persons.next_if(|(_, (_, until))| *t > until + 3.5);
                    if let Some((index, (from, until))) = over {
                        let error = watch.settle(*t) - (until - from);
                        worst[index] = further(worst[index], error);
                    }
                    watch.frame(*t, detections.clone());
                }
                for (index, (from, until)) in persons {
                    let error = watch.settle(until + 60.0) - (until - from);
                    worst[index] = further(worst[index], error);
                }
            }
            println!("{:<34}{fps:>5} /s  {worst:+.1?}", clip.file);
            let off = worst.iter().any(|error| error.abs() > clip.bound_s);
            if off && fps >= 2.0 {
                wrong.push(format!("{} at {fps}/s: {worst:?}", clip.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The one of larger amount.
fn further(a: f64, b: f64) -> f64 {
    if b.abs() > a.abs() { b } else { a }
}
