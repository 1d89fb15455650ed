//! Preprocessing and inference: our detector beside a session of ONNX Runtime run directly.

use std::sync::Arc;

use keng::detector::Detector;
use keng::detector::layout::Layout;
use keng::detector::library;
use keng::detector::onnx::OnnxDetector;
use keng::detector::preprocess;
use keng::detector::preprocess::Scale;
use keng::frame::Frame;
use keng::frame::decode::DecodeMode;
use keng::frame::decode::Decoder;
use keng::time::ManualClock;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::bench::Bench;
use super::bench::Plan;
use super::decode;
use crate::support::clips;
use crate::support::measure::ClockId;
use crate::support::model;

/// A session of ONNX Runtime, set as the detector's is.
pub(crate) struct Bare {
    session: Session,
    shape: [usize; 4],
}

impl Bare {
    pub(crate) fn new(layout: &Layout) -> Self {
        let config = model::config(1);
        let environment = library::environment(config.runtime.as_deref()).expect("it is there");
        let bytes = std::fs::read(&config.model).expect("the detector has read it");
        let size = layout.input.size;
        let shape = [1, 3, size.height as usize, size.width as usize];
        Self { session: session(&environment, &bytes).expect("it loads"), shape }
    }

    /// Runs the network; the sum of a few of its outputs, so that they are looked at.
    pub(crate) fn run(&mut self, tensor: &[f32]) -> f32 {
        let input = TensorRef::from_array_view((self.shape, tensor)).expect("it fits");
        let outputs = self.session.run(ort::inputs![input]).expect("it runs");
        let (_, values) = outputs[0].try_extract_tensor::<f32>().expect("it gives floats");
        values.iter().step_by(997).sum()
    }
}

fn session(
    environment: &ort::environment::Environment,
    bytes: &[u8],
) -> Result<Session, ort::Error> {
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .commit_from_memory(bytes)
}

/// The detector of the model to measure.
pub(crate) fn detector() -> OnnxDetector {
    OnnxDetector::load(&model::config(1), &[]).expect("model and ONNX Runtime (`make setup`)")
}

/// The plainest way from bytes to a tensor.
pub(crate) fn convert(tensor: &mut [f32], pixels: &[u8], scale: Scale) {
    let factor = match scale {
        Scale::Unit => 1.0 / 255.0,
        Scale::Byte => 1.0,
    };
    for (value, byte) in tensor.iter_mut().zip(pixels) {
        *value = f32::from(*byte) * factor;
    }
}

/// Adds `preprocess` and `infer`.
pub(crate) fn measure(bench: &mut Bench) {
    let mut detector = detector();
    let layout = detector.layout().clone();
    let frames = frames(&detector);
    let mut tensor = vec![0.0; frames[0].pixels.len()];
    let mut other = tensor.clone();
    let clock = ClockId::ThreadCPUTime;
    let plan =
        Plan { title: "preprocess (bytes to floats)", key: Some("preprocess"), clock, turns: 80 };
    bench.compare(
        plan,
        || {
            let (color, scale) = (layout.color, layout.scale);
            for frame in &frames {
                assert!(preprocess::fill(&mut tensor, &frame.pixels, color, scale));
            }
            std::hint::black_box(&tensor);
            frames.len()
        },
        || {
            for frame in &frames {
                convert(&mut other, &frame.pixels, layout.scale);
            }
            std::hint::black_box(&other);
            frames.len()
        },
    );
    let mut bare = Bare::new(&layout);
    assert!(preprocess::fill(&mut tensor, &frames[0].pixels, layout.color, layout.scale));
    let mut next = frames.iter().cycle();
    let title = "infer (with pre- and postprocessing)";
    let plan = Plan { title, key: Some("infer"), clock, turns: 150 };
    bench.compare(
        plan,
        || {
            let frame = next.next().expect("it is endless");
            let found = detector.detect(&[frame]).expect("it runs");
            assert_eq!(found.len(), 1, "a list a frame");
            1
        },
        || {
            std::hint::black_box(bare.run(&tensor));
            1
        },
    );
}

/// A frame every two seconds of the clip in which a fire breaks out.
fn frames(detector: &OnnxDetector) -> Vec<Frame> {
    let config = decode::config(detector.input());
    let mut decoder = Decoder::new(config, Arc::new(ManualClock::default()));
    let keys = clips::packets("night_fire.mp4").into_iter().filter(|packet| packet.key).step_by(2);
    let frame = |packet| {
        let frame = decoder.push(&packet, DecodeMode::Picture).expect("the clip is sound");
        frame.or_else(|| decoder.drain().expect("the clip is sound")).expect("a picture a key")
    };
    keys.map(frame).collect()
}
