//! The pieces that need FFmpeg and ONNX Runtime: only what we allocate beside them is counted.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use keng::camera::Packet;
use keng::detector::Detector;
use keng::detector::onnx::OnnxDetector;
use keng::frame::Frame;
use keng::frame::InputFormat;
use keng::frame::Letterbox;
use keng::frame::Masks;
use keng::frame::Picture;
use keng::frame::Placement;
use keng::frame::decode::Config;
use keng::frame::decode::DecodeMode;
use keng::frame::decode::Decoder;
use keng::time::ManualClock;
use keng::time::Stamp;

use super::work::Piece;
use crate::support::clips;
use crate::support::model;
use crate::support::scene;
use crate::support::scene::INPUT;

/// Decoding and scaling; detecting, where ONNX Runtime is there.
pub(crate) fn all() -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![("decode", Box::new(decoding()))];
    if let Some(detecting) = detecting() {
        pieces.push(("detect", Box::new(detecting)));
    }
    pieces
}

/// A clip round and round, every picture wanted.
fn decoding() -> impl FnMut() + 'static {
    let input = InputFormat { size: INPUT, placement: Placement::Center, pad: 114 };
    let config = Config { camera: scene::camera(), input, masks: Arc::new(Masks::default()) };
    let clock = Arc::new(ManualClock::new(scene::at(0)));
    let mut decoder = Decoder::new(config, clock);
    let packets: Vec<Packet> = clips::packets("night_control.mp4");
    let mut number = 0;
    move || {
        let since = Duration::from_micros(number as u64 * 1_000_000 / clips::RATE);
        let received = scene::at(0) + since;
        let packet = Packet { received, ..packets[number % packets.len()].clone() };
        number += 1;
        black_box(decoder.push(&packet, DecodeMode::Picture).expect("the clip is sound"));
    }
}

/// A picture through preprocessing, the network and postprocessing.
fn detecting() -> Option<impl FnMut() + 'static> {
    let mut detector = OnnxDetector::load(&model::config(1), &[]).ok()?;
    let format = detector.input();
    let bytes = 3 * format.size.width as usize * format.size.height as usize;
    let frame = Frame {
        camera: scene::camera(),
        sequence: 0,
        at: Stamp::default(),
        pixels: vec![114; bytes].into(),
        letterbox: Letterbox::fit(format.size, &format),
        picture: Picture::empty(),
        statistics: None,
        thumbnail: None,
        decode_us: 0,
    };
    Some(move || {
        black_box(detector.detect(&[&frame]).expect("the model runs"));
    })
}
