//! Decoders and their threads on streams that FFmpeg's encoders make here and now.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::cast_possible_truncation, reason = "numbers of pictures are small")]
#![expect(clippy::cast_possible_wrap, reason = "numbers of pictures are small")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keng::camera::Codec;
use keng::camera::Packet;
use keng::camera::nal;
use keng::camera::queue;
use keng::detection::Class;
use keng::detector;
use keng::detector::scripted::ScriptedDetector;
use keng::frame::Frame;
use keng::frame::InputFormat;
use keng::frame::Placement;
use keng::frame::Size;
use keng::frame::backlog::BACKLOG_PACKETS_MAX;
use keng::frame::decode::Config;
use keng::frame::decode::DecodeMode;
use keng::frame::decode::Decoder;
use keng::frame::decode::HOLD_BACK_MAX;
use keng::frame::decode_rate::DecodeRate;
use keng::frame::decode_rate::DecodeSchedule;
use keng::frame::mailbox::Mailboxes;
use keng::frame::worker;
use keng::metrics::Metrics;
use keng::metrics::Stage;
use keng::time::ManualClock;
use keng::time::Mono;
use keng::time::Stamp;
use keng::time::Wall;
use keng::ward::Id;

const MS: u64 = 1000;

/// Grey pictures, each lighter than the one before: their order can be seen.
const RISING: &str = "nullsrc=s=160x96:r=25,geq=lum='16+N*3':cb=128:cr=128";

/// Black with a red patch.
const RED_PATCH: &str = "color=black:s=320x192:r=25,drawbox=x=64:y=48:w=96:h=64:color=red:t=fill";

/// A stream of `pictures` at 25 a second, as packets that arrive 40 ms apart.
fn stream(codec: Codec, source: &str, pictures: u32, options: &str) -> Vec<Packet> {
    let (encoder, flag, format) = match codec {
        Codec::H264 => ("libx264", "-x264-params", "h264"),
        Codec::H265 => ("libx265", "-x265-params", "hevc"),
    };
    let options = format!("aud=1:repeat-headers=1:scenecut=0:log-level=0:{options}");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source, "-frames:v", &pictures.to_string()])
        .args(["-pix_fmt", "yuv420p", "-c:v", encoder, "-preset", "veryfast", flag, &options])
        .args(["-f", format, "-"])
        .output()
        .expect("ffmpeg must be installed: `make setup`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    split(codec, &made.stdout)
}

/// Access units of an Annex B stream whose every unit begins with a delimiter.
fn split(codec: Codec, bytes: &[u8]) -> Vec<Packet> {
    let kind = |header: u8| match codec {
        Codec::H264 => header & 0x1f,
        Codec::H265 => header >> 1 & 0x3f,
    };
    let delimiter = if codec == Codec::H264 { 9 } else { 35 };
    let starts: Vec<usize> = (0..bytes.len().saturating_sub(4))
        .filter(|i| bytes[*i..].starts_with(&[0, 0, 0, 1]) && kind(bytes[i + 4]) == delimiter)
        .collect();
    let ends = starts.iter().copied().skip(1).chain([bytes.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| &bytes[*start..end]);
    let packets = units.enumerate().map(|(index, unit)| {
        let nals = unit.windows(4).filter(|w| w.starts_with(&[0, 0, 1])).map(|w| kind(w[3]));
        let key = nals.into_iter().any(|kind| match codec {
            Codec::H264 => kind == 5,
            Codec::H265 => (16..=23).contains(&kind),
        });
        let received = stamp(index as u64 * 40);
        let media_time_us = received.wall.0;
        Packet { codec, data: unit.into(), key, media_time_us, received, lost: 0 }
    });
    packets.collect()
}

fn stamp(ms: u64) -> Stamp {
    Stamp { mono: Mono(ms * MS), wall: Wall((ms * MS) as i64) }
}

fn config() -> Config {
    let size = Size { width: 160, height: 96 };
    let input = InputFormat { size, placement: Placement::Center, pad: 114 };
    Config { camera: Id::new("hem-42").unwrap(), input, masks: Arc::default() }
}

fn decoder() -> Decoder {
    Decoder::new(config(), Arc::new(ManualClock::default()))
}

/// Returns which of the rising pictures this is.
fn number(frame: &Frame) -> i32 {
    let sum: u32 = frame.pixels.iter().map(|byte| u32::from(*byte)).sum();
    let mean = f64::from(sum) / frame.pixels.len() as f64;
    // Full-range RGB of limited-range luma.
    (mean / 255.0 * 219.0 / 3.0).round() as i32
}

/// What comes out of pushing everything with the same wish, errors left out.
fn push_all(decoder: &mut Decoder, packets: &[Packet], want: DecodeMode) -> Vec<Frame> {
    packets.iter().filter_map(|packet| decoder.push(packet, want).ok().flatten()).collect()
}

/// As where key frames do.
fn push_sparing(decoder: &mut Decoder, packet: &Packet) -> Option<Frame> {
    if packet.key {
        decoder.push_alone(packet).unwrap()
    } else {
        decoder.push(packet, DecodeMode::Skip).unwrap()
    }
}

#[test]
fn every_packet_gives_its_picture_at_once() {
    for codec in [Codec::H264, Codec::H265] {
        let packets = stream(codec, RISING, 30, "bframes=0:keyint=10");
        let mut decoder = decoder();
        for (index, packet) in packets.iter().enumerate() {
            let frame = decoder.push(packet, DecodeMode::Picture).unwrap();
            let frame = frame.unwrap_or_else(|| panic!("{codec:?} {index}: kept back"));
            assert_eq!(number(&frame), index as i32, "{codec:?}");
            assert_eq!((frame.at, frame.sequence), (packet.received, index as u64 + 1));
        }
        assert_eq!(packets.iter().filter(|packet| packet.key).count(), 3, "{codec:?}");
    }
}

#[test]
fn a_picture_is_under_the_masks_it_was_decoded_with_and_under_no_others() {
    let packets = stream(Codec::H264, RISING, 1, "bframes=0");
    let config = config();
    let (masks, alike) = (Arc::clone(&config.masks), Arc::default());
    let mut decoder = Decoder::new(config, Arc::new(ManualClock::default()));
    let frame = decoder.push(&packets[0], DecodeMode::Picture).unwrap().unwrap();
    assert!(frame.picture.is_under(&masks));
    assert!(!frame.picture.is_under(&alike));
}

#[test]
fn reordered_pictures_come_out_in_order_with_their_own_stamps() {
    for codec in [Codec::H264, Codec::H265] {
        let packets = stream(codec, RISING, 40, "bframes=3:keyint=40:b-adapt=0");
        let mut decoder = decoder();
        let mut frames = push_all(&mut decoder, &packets, DecodeMode::Picture);
        let last = frames.len();
        frames.extend(decoder.drain().unwrap());
        let numbers: Vec<i32> = frames[..last].iter().map(number).collect();
        assert_eq!(numbers, (0..last as i32).collect::<Vec<_>>(), "{codec:?}");
        assert!(last >= 34, "{codec:?}: {last} of 40");
        assert!(frames.is_sorted_by_key(|frame| frame.at), "{codec:?}");
        for frame in &frames[..last] {
            // A picture's packet comes at most the reordering depth away from its place.
            let behind = frame.at.mono.0 as i64 / 40_000 - i64::from(number(frame));
            assert!((0..=4).contains(&behind), "{codec:?}: {behind}");
        }
    }
}

#[test]
fn nothing_is_decoded_before_the_first_key_frame() {
    let packets = stream(Codec::H264, RISING, 30, "bframes=0:keyint=10");
    let frames = push_all(&mut decoder(), &packets[3..], DecodeMode::Picture);
    assert_eq!(frames.iter().map(number).collect::<Vec<_>>(), (10..30).collect::<Vec<_>>());
}

#[test]
fn after_a_broken_packet_pictures_are_held_back_until_the_next_key_frame() {
    for codec in [Codec::H264, Codec::H265] {
        let mut packets = stream(codec, RISING, 30, "bframes=0:keyint=10");
        let broken: Vec<u8> = packets[14].data.iter().map(|byte| byte ^ 0x5a).collect();
        packets[14].data = broken.into();
        let numbers: Vec<i32> =
            push_all(&mut decoder(), &packets, DecodeMode::Picture).iter().map(number).collect();
        let expected: Vec<i32> = (0..14).chain(20..30).collect();
        assert_eq!(numbers, expected, "{codec:?}");
    }
}

#[test]
fn after_a_loss_pictures_are_held_back_but_not_for_ever() {
    let mut packets = stream(Codec::H264, RISING, 80, "bframes=0:keyint=1000");
    packets.extend(packets.clone().split_off(1));
    for (index, packet) in packets.iter_mut().enumerate() {
        packet.received = stamp(index as u64 * 40);
    }
    packets[5].lost = 2;
    packets.remove(4);
    let mut decoder = decoder();
    let frames = push_all(&mut decoder, &packets, DecodeMode::Picture);
    let stamps: Vec<u64> = frames.iter().map(|frame| frame.at.mono.0 / 40_000).collect();
    let until = 3 + HOLD_BACK_MAX.as_millis() as u64 / 40;
    assert_eq!(stamps[..6], [0, 1, 2, 3, until, until + 1]);
    // The fourth never came; all between are counted.
    assert_eq!(decoder.take_held_back(), until - 5);
}

#[test]
fn rubbish_never_stops_a_decoder() {
    for codec in [Codec::H264, Codec::H265] {
        let good = stream(codec, RISING, 20, "bframes=2:keyint=5");
        let mut decoder = decoder();
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize
        };
        for _ in 0..30 {
            for packet in &good {
                let mut bytes = packet.data.to_vec();
                for _ in 0..random() % 6 {
                    let place = random() % bytes.len();
                    bytes[place] = random() as u8;
                }
                bytes.truncate(bytes.len() - random() % 3 * bytes.len() / 4);
                let bad = Packet { data: bytes.into(), key: random() % 3 == 0, ..packet.clone() };
                // Errors are expected; what matters is what comes after.
                drop(decoder.push(&bad, DecodeMode::Picture));
            }
        }
        let empty = Packet { data: Vec::new().into(), ..good[0].clone() };
        assert!(decoder.push(&empty, DecodeMode::Picture).unwrap().is_none());
        decoder.reset();
        assert!(push_all(&mut decoder, &good, DecodeMode::Picture).len() >= 15, "{codec:?}");
    }
}

#[test]
fn size_and_codec_may_change_in_the_stream() {
    let wide = stream(Codec::H264, "testsrc2=s=320x192:r=25", 5, "bframes=0");
    let tall = stream(Codec::H264, "testsrc2=s=192x320:r=25", 5, "bframes=0");
    let other = stream(Codec::H265, "testsrc2=s=192x320:r=25", 5, "bframes=0");
    let mut decoder = decoder();
    let packets: Vec<Packet> = [wide, tall, other].concat();
    let frames = push_all(&mut decoder, &packets, DecodeMode::Picture);
    let widths: Vec<u32> = frames.iter().map(|frame| frame.letterbox.content.width).collect();
    assert_eq!(widths, [[160; 5], [58; 5], [58; 5]].concat());
    assert_eq!(frames[7].picture.size(), Some(Size { width: 192, height: 320 }));
}

#[test]
fn who_sends_huge_pictures_is_refused_and_heard_again_when_they_are_smaller() {
    let [most, huge, small] = ["4096x4096", "4160x4096", "320x192"].map(|size| {
        stream(Codec::H264, &format!("color=gray:s={size}:r=25"), 1, "bframes=0").remove(0)
    });
    let mut decoder = decoder();
    let width = |frame: Option<Frame>| frame?.picture.size().map(|size| size.width);
    assert_eq!(width(decoder.push(&most, DecodeMode::Picture).unwrap()), Some(4096));
    let refused = decoder.push(&huge, DecodeMode::Picture).unwrap_err().to_string();
    assert!(refused.contains("hem-42"), "{refused}");
    assert_eq!(width(decoder.push(&small, DecodeMode::Picture).unwrap()), Some(320));
}

#[test]
fn key_frames_alone_give_pictures_and_decoding_can_go_on_from_there() {
    for (codec, options) in [
        (Codec::H264, "bframes=0:keyint=10"),
        (Codec::H264, "bframes=2:keyint=10:open-gop=0"),
        (Codec::H265, "bframes=0:keyint=10"),
        (Codec::H265, "bframes=2:keyint=10:open-gop=0"),
    ] {
        let packets = stream(codec, RISING, 30, options);
        let mut decoder = decoder();
        let mut numbers = Vec::new();
        for packet in &packets[..27] {
            let frame = push_sparing(&mut decoder, packet);
            numbers.extend(frame.iter().map(number));
        }
        assert_eq!(numbers, [0, 10, 20], "{codec:?} {options}");
        // From here on everything is wanted: the packets since the last key frame are caught up.
        let mut later = push_all(&mut decoder, &packets[27..], DecodeMode::Picture);
        later.extend(decoder.drain().unwrap());
        let numbers: Vec<i32> = later.iter().map(number).collect();
        assert!(numbers.contains(&29) && numbers[0] >= 25, "{codec:?} {options}: {numbers:?}");
    }
}

#[test]
fn what_spared_a_key_frame_costs_nothing_that_is_predicted_from_it() {
    const COARSE: &str = "testsrc2=s=160x96:r=25";
    for codec in [Codec::H264, Codec::H265] {
        let packets = stream(codec, COARSE, 30, "bframes=0:keyint=10:crf=40");
        let (mut whole, mut thrifty) = (decoder(), decoder());
        let whole = push_all(&mut whole, &packets, DecodeMode::Picture);
        let (sparing, going_on) = packets.split_at(15);
        let alone = sparing.iter().filter_map(|packet| push_sparing(&mut thrifty, packet));
        let alone: Vec<Frame> = alone.collect();
        assert_eq!(alone.iter().map(|frame| frame.at).collect::<Vec<_>>(), [stamp(0), stamp(400)]);
        assert!(alone[1].pixels[..] != whole[10].pixels[..], "{codec:?}: it was filtered");
        let later = push_all(&mut thrifty, going_on, DecodeMode::Picture);
        assert_eq!(later.len(), 15, "{codec:?}");
        for (ours, theirs) in later.iter().zip(&whole[15..]) {
            assert!(ours.pixels[..] == theirs.pixels[..], "{codec:?}: {:?} drifts", ours.at);
        }
    }
}

/// Streams of open groups have but one IDR picture; the others begin with CRA pictures.
#[test]
fn of_open_groups_nothing_but_key_frames_goes_to_the_decoder_where_they_do() {
    let packets = stream(Codec::H265, RISING, 60, "bframes=2:keyint=10:min-keyint=10:open-gop=1");
    let is_cra = |packet: &&Packet| nal::units(&packet.data).any(|unit| unit[0] >> 1 & 0x3f == 21);
    assert_eq!(packets.iter().filter(|packet| packet.key).filter(is_cra).count(), 5);
    let (mut decoder, mut schedule) = (decoder(), DecodeSchedule::default());
    let mut numbers = Vec::new();
    for packet in &packets {
        let (at, period) = (packet.received.mono, Duration::from_millis(400));
        let choice = schedule.choose(at, packet.key, period);
        assert_eq!(choice.mode == DecodeMode::Picture, packet.key, "{:?}", packet.received);
        assert_eq!(choice.mode == DecodeMode::Skip, !packet.key, "{:?}", packet.received);
        let frame = worker::decode(&mut decoder, packet, choice).unwrap();
        numbers.extend(frame.iter().map(number));
    }
    assert_eq!(numbers, [0, 10, 20, 30, 40, 50]);
}

#[test]
fn too_long_a_backlog_is_given_up_until_the_next_key_frame() {
    let count = BACKLOG_PACKETS_MAX as u32 + 20;
    let packets = stream(Codec::H264, RISING, count, "bframes=0:keyint=1000");
    let mut idle = decoder();
    assert!(idle.push(&packets[0], DecodeMode::Picture).unwrap().is_some());
    push_all(&mut idle, &packets[1..count as usize - 1], DecodeMode::Skip);
    let last = packets.last().unwrap();
    assert!(idle.push(last, DecodeMode::Picture).unwrap().is_none());
    assert!(idle.push(&packets[0], DecodeMode::Picture).unwrap().is_some());
    // A decoder that has had every packet needs no backlog.
    let all = push_all(&mut decoder(), &packets, DecodeMode::Picture);
    assert_eq!(all.len(), count as usize);
}

#[test]
fn from_packets_to_what_they_show() {
    let packets = stream(Codec::H264, RED_PATCH, 50, "bframes=0:keyint=25");
    let clock = Arc::new(ManualClock::default());
    let metrics = Metrics::new();
    let mailboxes = Arc::new(Mailboxes::new(clock.clone(), metrics.clone()));
    let (sender, mut analysed) = tokio::sync::mpsc::channel(50);
    let setup = detector::worker::DetectorSetup {
        mailboxes: Arc::clone(&mailboxes),
        second: Arc::default(),
        analysed: sender,
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let detector = Box::new(ScriptedDetector::new(Size { width: 160, height: 96 }));
    let detecting = detector::worker::spawn(0, detector, setup).unwrap();
    let setup = worker::DecodeSetup {
        config: config(),
        decode_rate: DecodeRate::every(Duration::from_millis(200)),
        mailboxes: Arc::clone(&mailboxes),
        clock,
        metrics: metrics.clone(),
    };
    let (to_decoder, queue) = queue::channel(metrics.flow("hem-42", Stage::Receive));
    let decoding = worker::spawn(setup, queue).unwrap();
    let mut seen = Vec::new();
    for packet in &packets {
        to_decoder.send(packet.clone());
        // The first one and every fifth after it are due.
        if packet.received.mono.0 % (200 * MS) == 0 {
            seen.push(analysed.blocking_recv().unwrap());
        }
    }
    drop(to_decoder);
    decoding.join().unwrap();
    mailboxes.close();
    detecting.join().unwrap();
    assert!(analysed.blocking_recv().is_none());
    for (index, analysed) in seen.iter().enumerate() {
        assert_eq!(analysed.at, stamp(index as u64 * 200));
        let [fire] = analysed.detections[..] else { panic!("{:?}", analysed.detections) };
        assert_eq!(fire.class, Class::Fire);
        assert!((fire.bbox.x0 - 0.2).abs() < 0.03 && (fire.bbox.x1 - 0.5).abs() < 0.03);
        assert!(!analysed.picture.jpeg(320, &[fire.bbox]).unwrap().is_empty());
    }
    let counted = |stage| {
        let flow = metrics.flow("hem-42", stage);
        (flow.taken.get(), flow.passed.get(), flow.dropped.get())
    };
    assert_eq!(counted(Stage::Decode), (50, 10, 0));
    assert_eq!(counted(Stage::Queue), (10, 10, 0));
    assert_eq!(counted(Stage::Inference), (10, 10, 0));
}
