//! The cost of a stream by its size, its frames a second and its key frames' distance.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use keng::camera::Packet;
use keng::frame::InputFormat;
use keng::frame::Masks;
use keng::frame::Placement;
use keng::frame::clip::Clip;
use keng::frame::decode::Config;
use keng::frame::decode::DecodeMode;
use keng::frame::decode::Decoder;
use keng::frame::decode_rate::DecodeChoice;
use keng::frame::worker;
use keng::time::ManualClock;

use crate::Series;
use crate::support::measure::is_test;
use crate::support::scene;

/// Of each clip.
const SECONDS: u32 = 16;

/// One kind of stream.
#[derive(Clone, Copy)]
struct Kind {
    height: u32,
    rate: u32,
    key_s: u32,
}

const USUAL: Kind = Kind { height: 720, rate: 15, key_s: 2 };

/// Microseconds a second of a stream, decoded wholly and by its key frames alone.
pub(crate) fn video() -> Vec<Series> {
    let asked = Command::new("ffmpeg").arg("-version").output();
    if asked.is_err() {
        println!("skipped: video (ffmpeg is not installed: make setup-test)");
        return Vec::new();
    }
    let heights = [360, 720, 1080].map(|height| (height, Kind { height, ..USUAL }));
    let rates = [5, 10, 15, 25].map(|rate| (rate, Kind { rate, ..USUAL }));
    let keys = [1, 2, 4, 8].map(|key_s| (key_s, Kind { key_s, ..USUAL }));
    let whole = "a second of a stream, 5 pictures";
    let alone = "the same by key frames alone";
    let lines = "lines";
    vec![
        series((whole, lines), &heights, false),
        series((alone, lines), &heights, true),
        series((whole, "frames a second"), &rates, false),
        series((whole, "seconds a key frame"), &keys, false),
        series((alone, "seconds a key frame"), &keys, true),
    ]
}

fn series(
    (title, over): (&'static str, &'static str),
    kinds: &[(u32, Kind)],
    alone: bool,
) -> Series {
    let kinds = if is_test() { &kinds[..1] } else { kinds };
    let point = |(size, kind): &(u32, Kind)| {
        let us = crate::least_us(crate::ClockId::ThreadCPUTime, stream(*kind, alone));
        (f64::from(*size), us / f64::from(SECONDS))
    };
    Series { title, over, points: kinds.iter().map(point).collect() }
}

/// The whole clip through one decoder.
fn stream(kind: Kind, alone: bool) -> impl FnMut() {
    let packets = packets(kind);
    let input = InputFormat { size: scene::INPUT, placement: Placement::Center, pad: 114 };
    let config = Config { camera: scene::camera(), input, masks: Arc::new(Masks::default()) };
    let mut decoder = Decoder::new(config, Arc::new(ManualClock::new(scene::at(0))));
    // Five pictures a second, or each key frame.
    let every = (kind.rate / 5).max(1) as usize;
    move || {
        for (number, packet) in packets.iter().enumerate() {
            let want = match (alone, packet.key, number.is_multiple_of(every)) {
                (true, true, _) | (false, _, true) => DecodeMode::Picture,
                (true, false, _) => DecodeMode::Skip,
                (false, _, false) => DecodeMode::Reference,
            };
            let choice = DecodeChoice { mode: want, alone };
            std::hint::black_box(worker::decode(&mut decoder, packet, choice).expect("sound"));
        }
    }
}

fn packets(kind: Kind) -> Vec<Packet> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let Kind { height, rate, key_s } = kind;
    let file = folder.join(format!("growth_{height}_{rate}_{key_s}.mp4"));
    if !file.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/night_fire.mp4");
        let draft = file.with_extension("part.mp4");
        let done = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-ss", "8", "-i"])
            .arg(source)
            .args(["-t", &SECONDS.to_string(), "-an", "-c:v", "libx264", "-bf", "0"])
            .args(["-vf", &format!("scale=-2:{height},fps={rate}"), "-preset", "veryfast"])
            .args(["-b:v", &format!("{}k", height * height / 350), "-sc_threshold", "0"])
            .args(["-g", &(rate * key_s).to_string()])
            .arg(&draft)
            .status();
        assert!(done.is_ok_and(|done| done.success()), "ffmpeg makes {}", file.display());
        std::fs::rename(&draft, &file).expect("there is room");
    }
    let clip = Clip::open(&file).expect("FFmpeg has made it");
    let codec = clip.codec;
    let packet = |(number, unit): (usize, keng::frame::clip::ClipPacket)| Packet {
        codec,
        data: unit.data,
        key: unit.key,
        media_time_us: unit.pts_us,
        received: scene::at(number),
        lost: 0,
    };
    clip.packets.into_iter().enumerate().map(packet).collect()
}
