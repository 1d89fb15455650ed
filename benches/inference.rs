//! The cost of a picture in the network, by pictures a run and threads a session.
//!
//! `KENG_BENCH_MODEL=FILE cargo bench --bench inference`; without it, the shipped model. Prints
//! wall time and judges nothing; once each with `-- --test`.

#![expect(clippy::print_stdout, reason = "a benchmark reports")]

mod support {
    pub(crate) mod measure;
    pub(crate) mod middle;
    pub(crate) mod model;
}

use keng::detector::Detector;
use keng::detector::onnx::OnnxDetector;
use keng::frame::Frame;
use keng::frame::Letterbox;
use keng::frame::Picture;
use keng::time::Stamp;
use keng::ward::Id;

use support::measure::ClockId;
use support::measure::is_test;
use support::measure::seconds;
use support::middle::median;
use support::model;

const RUNS: usize = 60;

fn main() {
    let path = model::config(1).model;
    let note = if path.starts_with(model::TEST_MODELS) { " (does next to nothing)" } else { "" };
    println!("model: {}{note}", path.display());
    for intra_threads in [1, 2] {
        for batch in [1, 4, 8] {
            let mut times = measure(intra_threads, batch);
            let median = median(&mut times);
            println!(
                "{intra_threads} threads, {batch} a run: median {median:.2} ms a picture, \
                 least {:.2}",
                times[0]
            );
        }
    }
}

/// Milliseconds a picture, run by run.
fn measure(intra_threads: usize, batch: usize) -> Vec<f64> {
    let config = model::config(intra_threads);
    let mut detector = OnnxDetector::load(&config, &[]).expect("the model loads");
    let format = detector.input();
    let size = format.size;
    let bytes = 3 * size.width as usize * size.height as usize;
    let pixels: Vec<u8> = (0..bytes).map(|i| (i * 31 % 251).to_le_bytes()[0]).collect();
    let frame = |sequence: usize| Frame {
        camera: Id::new("bench").expect("letters make an id"),
        sequence: sequence as u64,
        at: Stamp::default(),
        pixels: pixels.clone().into(),
        letterbox: Letterbox::fit(size, &format),
        picture: Picture::empty(),
        statistics: None,
        thumbnail: None,
        decode_us: 0,
    };
    let frames: Vec<Frame> = (0..batch).map(frame).collect();
    let frames: Vec<&Frame> = frames.iter().collect();
    let runs = if is_test() { 1 } else { RUNS.div_ceil(batch).max(8) };
    let run = |_| {
        let start = seconds(ClockId::Monotonic);
        detector.detect(&frames).expect("the model runs");
        (seconds(ClockId::Monotonic) - start) * 1e3 / batch as f64
    };
    (0..runs).map(run).collect()
}
