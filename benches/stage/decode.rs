//! Decoding and scaling: our decoder beside FFmpeg's decoder and scaler used directly.

use std::sync::Arc;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling;
use keng::camera::Codec;
use keng::camera::Packet;
use keng::frame::InputFormat;
use keng::frame::Letterbox;
use keng::frame::Placement;
use keng::frame::Size;
use keng::frame::decode::Config;
use keng::frame::decode::DecodeMode;
use keng::frame::decode::Decoder;
use keng::time::ManualClock;
use keng::ward::Id;

use super::bench::Bench;
use super::bench::Plan;
use crate::support::clips;
use crate::support::measure::ClockId;
use crate::support::measure::seconds;

/// Frames from key frame to key frame in the demo's clips.
pub(crate) const GROUP: usize = 15;

/// FFmpeg's decoder and scaler as one would write them down: set as ours are, nothing else.
pub(crate) struct Bare {
    decoder: codec::decoder::Video,
    scaler: Option<scaling::Context>,
    input: InputFormat,
    pub(crate) video: Video,
    pub(crate) scaled: Video,
}

impl Bare {
    pub(crate) fn new(codec: Codec, input: InputFormat) -> Self {
        let id = match codec {
            Codec::H264 => codec::Id::H264,
            Codec::H265 => codec::Id::HEVC,
        };
        let found = codec::decoder::find(id).expect("FFmpeg has it");
        let mut context = codec::Context::new_with_codec(found);
        context.set_threading(codec::threading::Config::count(1));
        let mut options = ffmpeg::Dictionary::new();
        options.set("flags", "+low_delay");
        let opened = context.decoder().open_as_with(found, options).expect("it opens");
        let decoder = opened.video().expect("it is for video");
        let (video, scaled) = (Video::empty(), Video::empty());
        Self { decoder, scaler: None, input, video, scaled }
    }

    /// Decodes a packet; whether a picture came of it.
    pub(crate) fn decode(&mut self, packet: &Packet) -> bool {
        let data = ffmpeg::Packet::copy(&packet.data);
        self.decoder.send_packet(&data).expect("the clip is sound");
        self.decoder.receive_frame(&mut self.video).is_ok()
    }

    /// Scales the picture that was decoded last.
    pub(crate) fn scale(&mut self) {
        let (width, height) = (self.video.width(), self.video.height());
        let Self { input, video, scaled, .. } = self;
        let scaler = self.scaler.get_or_insert_with(|| {
            let size = Letterbox::fit(Size { width, height }, input).content;
            let (format, flags) = (Pixel::GBRP, scaling::Flags::AREA);
            let (from, size) = (video.format(), (size.width, size.height));
            scaling::Context::get(from, width, height, format, size.0, size.1, flags)
                .expect("swscale does it")
        });
        scaler.run(video, scaled).expect("swscale does it");
    }
}

/// A decoder of ours for `input`, without masks.
pub(crate) fn config(input: InputFormat) -> Config {
    let camera = Id::new("bench").expect("letters make an id");
    Config { camera, input, masks: Arc::default() }
}

/// One group of pictures after another, for ever.
pub(crate) struct Groups {
    packets: Vec<Packet>,
    at: usize,
}

impl Groups {
    pub(crate) fn new() -> Self {
        let names = ["night_fire.mp4", "night_loiterer.mp4", "night_control.mp4"];
        let packets: Vec<Packet> = names.iter().flat_map(|name| clips::packets(name)).collect();
        assert!(packets.iter().step_by(GROUP).all(|packet| packet.key), "groups of {GROUP}");
        Self { packets, at: 0 }
    }

    /// The codec of all.
    pub(crate) fn codec(&self) -> Codec {
        self.packets[0].codec
    }

    /// The next group. It lies a few seconds after the one before, so that few show all kinds.
    pub(crate) fn next(&mut self) -> &[Packet] {
        let from = self.at;
        self.at = (self.at + 7 * GROUP) % self.packets.len();
        &self.packets[from..from + GROUP]
    }
}

/// Adds `decode and scale`, `scale`.
pub(crate) fn measure(bench: &mut Bench) {
    let size = Size { width: 512, height: 288 };
    let input = InputFormat { size, placement: Placement::Center, pad: 114 };
    let mut groups = Groups::new();
    let mut ours = Decoder::new(config(input), Arc::new(ManualClock::default()));
    let mut references = Decoder::new(config(input), Arc::new(ManualClock::default()));
    let mut bare = Bare::new(groups.codec(), input);
    let clock = ClockId::ThreadCPUTime;
    let timed = |work: &mut dyn FnMut()| {
        let start = seconds(clock);
        work();
        (seconds(clock) - start) * 1e6 / GROUP as f64
    };
    let mut scaling = Vec::new();
    let mut odd = false;
    let plan = Plan { title: "decode and scale", key: Some("decode"), clock, turns: 120 };
    bench.pairs(plan, || {
        let group = groups.next();
        odd = !odd;
        let (mut decoding, mut all) = (0.0, (0.0, 0.0));
        for arm in if odd { [0, 1, 2] } else { [1, 2, 0] } {
            match arm {
                0 => all.0 = timed(&mut || push(&mut ours, group, DecodeMode::Picture)),
                1 => all.1 = timed(&mut || bare_group(&mut bare, group)),
                _ => decoding = timed(&mut || push(&mut references, group, DecodeMode::Reference)),
            }
        }
        let bare_scaling = timed(&mut || (0..GROUP).for_each(|_| bare.scale()));
        scaling.push((all.0 - decoding, bare_scaling));
        all
    });
    // The difference of two large figures is too rough to be judged; the row above holds it.
    let mut taken = scaling.into_iter().cycle();
    let title = "  of which scale (picture less reference)";
    bench.pairs(Plan { title, key: None, clock, turns: 120 }, || {
        taken.next().expect("there was a turn at least")
    });
}

fn push(decoder: &mut Decoder, group: &[Packet], want: DecodeMode) {
    for packet in group {
        let frame = decoder.push(packet, want).expect("the clip is sound");
        assert_eq!(frame.is_some(), want == DecodeMode::Picture, "each packet is a picture");
    }
}

fn bare_group(bare: &mut Bare, group: &[Packet]) {
    for packet in group {
        assert!(bare.decode(packet), "each packet is a picture");
        bare.scale();
    }
}
