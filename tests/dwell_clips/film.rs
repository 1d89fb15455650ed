//! A real clip through the real decoder and a detector.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keng::camera::Packet;
use keng::detection::{Class, Detection};
use keng::detector::Detector;
use keng::detector::onnx::{OnnxConfig, OnnxDetector};
use keng::frame::clip::ClipReader;
use keng::frame::decode::{self, Decoder};
use keng::frame::decode_rate::DecodeSchedule;
use keng::frame::{Masks, worker};
use keng::time::{Clock, ManualClock};
use keng::ward::Id;

use crate::street::stamp;

/// ONNX Runtime as `make setup` leaves it.
fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".runtime/onnxruntime/libonnxruntime.so")
}

/// What `model` finds in the clip at 10 frames a second, with the seconds since its beginning.
pub(crate) fn seen(clip: &Path, model: &Path) -> Vec<(f64, Vec<Detection>)> {
    let config = OnnxConfig {
        model: model.to_owned(),
        runtime: std::env::var_os("ORT_DYLIB_PATH").is_none().then(bundled),
        intra_threads: 1,
        confidence_min: 0.25,
    };
    let mut detector = OnnxDetector::load(&config, &[Class::Person]).unwrap();
    let clock = Arc::new(ManualClock::new(stamp(0.0)));
    let config = decode::Config {
        camera: Id::new("clip").unwrap(),
        input: detector.input(),
        masks: Arc::new(Masks::default()),
    };
    let mut decoder = Decoder::new(config, Arc::clone(&clock) as Arc<dyn Clock>);
    let mut schedule = DecodeSchedule::default();
    let reader = ClipReader::open(clip).unwrap();
    let codec = reader.codec();
    let mut frames = Vec::new();
    for unit in reader {
        let unit = unit.unwrap();
        let received = stamp(unit.dts_us as f64 / 1e6);
        clock.set(received);
        let packet = Packet {
            codec,
            data: unit.data,
            key: unit.key,
            media_time_us: unit.pts_us,
            received,
            lost: 0,
        };
        let choice = schedule.choose(received.mono, packet.key, Duration::from_millis(100));
        if let Some(frame) = worker::decode(&mut decoder, &packet, choice).unwrap() {
            let found = detector.detect(&[&frame]).unwrap().remove(0);
            frames.push((frame.at.mono.0 as f64 / 1e6, found));
        }
    }
    frames
}
