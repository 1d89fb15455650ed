//! The detector against real files: the scripted test models of this repository and, where
//! `KENG_CORPUS` names the corpus, public COCO models on a real clip.
//!
//! ONNX Runtime must be found (see `detector::library`): `make setup` sees to it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "skipping must be said")]

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use keng::camera::Codec;
use keng::camera::Packet;
use keng::detection::Class;
use keng::detector::Detector;
use keng::detector::onnx::Error;
use keng::detector::onnx::OnnxConfig;
use keng::detector::onnx::OnnxDetector;
use keng::frame::Frame;
use keng::frame::Letterbox;
use keng::frame::Picture;
use keng::frame::Size;
use keng::frame::decode;
use keng::frame::decode::DecodeMode;
use keng::frame::decode::Decoder;
use keng::geometry::BoundingBox;
use keng::time::ManualClock;
use keng::time::Stamp;
use keng::ward::Id;

fn config(model: PathBuf) -> OnnxConfig {
    OnnxConfig { model, runtime: None, intra_threads: 1, confidence_min: 0.3 }
}

fn test_model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/models").join(name)
}

fn corpus() -> Option<PathBuf> {
    let found = std::env::var_os("KENG_CORPUS").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: KENG_CORPUS is not set");
    }
    found
}

/// A black frame with rectangles of one colour each: x, y, width, height in pixels of the input.
fn painted(detector: &OnnxDetector, source: Size, patches: &[([u8; 3], [usize; 4])]) -> Frame {
    let format = detector.input();
    let (width, height) = (format.size.width as usize, format.size.height as usize);
    let mut pixels = vec![0u8; 3 * width * height];
    for (color, [x, y, w, h]) in patches {
        for (channel, value) in color.iter().enumerate() {
            for row in *y..y + h {
                let start = channel * width * height + row * width + x;
                pixels[start..start + w].fill(*value);
            }
        }
    }
    Frame {
        camera: Id::new("test").unwrap(),
        sequence: 1,
        at: Stamp::default(),
        pixels: pixels.into(),
        letterbox: Letterbox::fit(source, &format),
        picture: Picture::empty(),
        statistics: None,
        thumbnail: None,
        decode_us: 0,
    }
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[test]
fn every_family_of_test_model_finds_the_same_patches() {
    let source = Size { width: 320, height: 192 };
    for name in ["yolov8_like.onnx", "yolox_like.onnx", "end_to_end.onnx"] {
        let mut detector = OnnxDetector::load(&config(test_model(name)), &Class::ALL).unwrap();
        let patches = [(RED, [40, 24, 8, 8]), (BLUE, [120, 64, 8, 8])];
        let two = painted(&detector, source, &patches);
        let smoke = painted(&detector, source, &[(GREEN, [80, 40, 8, 8])]);
        let nothing = painted(&detector, source, &[]);
        let found = detector.detect(&[&two, &smoke, &nothing]).unwrap();
        let classes: Vec<Vec<Class>> =
            found.iter().map(|list| list.iter().map(|d| d.class).collect()).collect();
        assert_eq!(found.len(), 3, "{name}");
        assert_eq!(classes[0], [Class::Fire, Class::Person], "{name}");
        assert_eq!(classes[1], [Class::Smoke], "{name}");
        assert!(classes[2].is_empty(), "{name}");
        let expected = BoundingBox::new(32.0 / 160.0, 16.0 / 96.0, 56.0 / 160.0, 40.0 / 96.0);
        assert!(found[0][0].bbox.iou(&expected) > 0.98, "{name}: {:?}", found[0][0]);
        assert!((found[0][0].confidence - 0.95).abs() < 1e-3, "{name}: {:?}", found[0][0]);
    }
}

#[test]
fn a_box_is_mapped_back_through_the_letterbox() {
    let mut detector =
        OnnxDetector::load(&config(test_model("yolov8_like.onnx")), &[Class::Fire]).unwrap();
    // A square picture lies in the middle 96 columns of the 160 x 96 input.
    let square = Size { width: 500, height: 500 };
    let frame = painted(&detector, square, &[(RED, [80, 48, 8, 8])]);
    let found = detector.detect(&[&frame]).unwrap();
    let expected = BoundingBox::new(40.0 / 96.0, 40.0 / 96.0, 64.0 / 96.0, 64.0 / 96.0);
    assert!(found[0][0].bbox.iou(&expected) > 0.98, "{:?}", found[0]);
}

#[test]
fn a_frame_of_another_size_is_an_error_and_the_detector_goes_on() {
    let mut detector =
        OnnxDetector::load(&config(test_model("yolov8_like.onnx")), &[Class::Fire]).unwrap();
    let mut frame = painted(&detector, Size { width: 160, height: 96 }, &[]);
    frame.pixels = vec![0; 12].into();
    assert!(matches!(detector.detect(&[&frame]), Err(Error::Frame { found: 12, .. })));
    let good = painted(&detector, Size { width: 160, height: 96 }, &[(RED, [40, 24, 8, 8])]);
    assert_eq!(detector.detect(&[&good]).unwrap()[0].len(), 1);
}

#[test]
fn a_missing_model_is_named() {
    let error = OnnxDetector::load(&config("/nowhere/keng.onnx".into()), &[]).err().unwrap();
    assert!(error.to_string().contains("/nowhere/keng.onnx"), "{error}");
}

#[test]
fn yolox_nano_finds_the_people_in_a_shop() {
    let Some(corpus) = corpus() else { return };
    let model = corpus.join("weights/yolox_nano_coco.onnx");
    let mut detector = OnnxDetector::load(&config(model), &[Class::Person]).unwrap();
    let frame = frame_of(&corpus.join("clips/shop_cctv_people_day.mp4"), &detector);
    let found = detector.detect(&[&frame]).unwrap().remove(0);
    println!("{found:?}");
    assert!(found.len() >= 2 && found.len() <= 5, "{found:?}");
    assert!(found.iter().all(|d| d.class == Class::Person));
    let jpeg = frame.picture.jpeg(960, &found.iter().map(|d| d.bbox).collect::<Vec<_>>()).unwrap();
    assert!(jpeg.len() > 10_000, "{} bytes", jpeg.len());
}

#[test]
fn a_model_that_lacks_a_needed_class_is_refused() {
    let Some(corpus) = corpus() else { return };
    let model = corpus.join("weights/yolox_nano_coco.onnx");
    let error = OnnxDetector::load(&config(model), &Class::ALL).err().unwrap().to_string();
    assert!(error.contains("does not know fire, smoke; it knows person"), "{error}");
}

#[test]
fn models_of_unknown_layout_are_refused_with_what_was_expected_and_found() {
    let Some(corpus) = corpus() else { return };
    for (name, found) in
        [("nanodet_m_416_coco.onnx", "6 outputs"), ("fastestdet_coco.onnx", "[1, 85, 22, 22]")]
    {
        let model = corpus.join("weights").join(name);
        let error = OnnxDetector::load(&config(model), &[]).err().unwrap().to_string();
        println!("{error}");
        assert!(error.contains(name) && error.contains(found), "{error}");
        assert!(error.contains("expected") && error.contains("yolov8"), "{error}");
    }
}

/// The clip's first frame through the daemon's own decoder.
fn frame_of(clip: &Path, detector: &OnnxDetector) -> Frame {
    let annex_b = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(clip)
        .args(["-c", "copy", "-bsf:v", "h264_mp4toannexb", "-frames:v", "1", "-f", "h264", "-"])
        .output()
        .expect("ffmpeg must be installed: `make setup`");
    assert!(annex_b.status.success(), "{}", String::from_utf8_lossy(&annex_b.stderr));
    let packet = Packet {
        codec: Codec::H264,
        data: annex_b.stdout.into(),
        key: true,
        media_time_us: 0,
        received: Stamp::default(),
        lost: 0,
    };
    let config = decode::Config {
        camera: Id::new("clip").unwrap(),
        input: detector.input(),
        masks: Arc::default(),
    };
    let mut decoder = Decoder::new(config, Arc::new(ManualClock::default()));
    let ready = decoder.push(&packet, DecodeMode::Picture).unwrap();
    ready.or_else(|| decoder.drain().unwrap()).expect("a key frame must give a picture")
}
