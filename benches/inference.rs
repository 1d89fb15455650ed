//! What a picture costs in the network, by pictures a run and threads a session.
//!
//! `KENG_BENCH_MODEL=FILE cargo bench --bench inference`; without it, a test model.

#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::path::PathBuf;
use std::sync::Arc;

use keng::detection::Detector;
use keng::detection::onnx::OnnxConfig;
use keng::detection::onnx::OnnxDetector;
use keng::frame::Frame;
use keng::frame::Letterbox;
use keng::frame::Picture;
use keng::time::Clock;
use keng::time::Stamp;
use keng::time::SystemClock;
use keng::ward::Id;

const RUNS: usize = 60;

fn main() {
    let model = std::env::var_os("KENG_BENCH_MODEL").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/models/yolov8_like.onnx"),
        PathBuf::from,
    );
    println!("{}", model.display());
    for intra_threads in [1, 2] {
        for batch in [1, 4, 8] {
            let (median, least) = measure(&model, intra_threads, batch);
            println!(
                "{intra_threads} threads, {batch} a run: median {median:.2} ms a picture, \
                 least {least:.2}"
            );
        }
    }
}

fn measure(model: &std::path::Path, intra_threads: usize, batch: usize) -> (f64, f64) {
    let config =
        OnnxConfig { model: model.to_owned(), runtime: None, intra_threads, confidence_min: 0.3 };
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
        decode_us: 0,
    };
    let frames: Vec<Frame> = (0..batch).map(frame).collect();
    let frames: Vec<&Frame> = frames.iter().collect();
    let clock = Arc::new(SystemClock::new());
    let mut times: Vec<f64> = (0..RUNS.div_ceil(batch).max(8))
        .map(|_| {
            let start = clock.now().mono;
            detector.detect(&frames).expect("the model runs");
            clock.now().mono.since(start).as_secs_f64() * 1e3 / batch as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}
