use super::*;
use crate::frame::Picture;
use crate::frame::Size;
use crate::time::Stamp;
use crate::time::Wall;

const SIZE: Size = Size { width: 160, height: 90 };
/// The corners of the thing, in pixels.
const BOX: [usize; 4] = [60, 40, 90, 70];
const GREY: [u8; 3] = [90, 90, 90];

/// A source of even numbers that is the same on every machine.
struct Noise(u32);

impl Noise {
    fn next(&mut self, below: u8) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from((self.0 >> 16) % u32::from(below)).unwrap()
    }
}

fn picture(paint: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    let (width, height) = (SIZE.width as usize, SIZE.height as usize);
    let mut pixels = vec![0; 3 * width * height];
    for y in 0..height {
        for x in 0..width {
            for (channel, value) in paint(x, y).into_iter().enumerate() {
                pixels[channel * width * height + y * width + x] = value;
            }
        }
    }
    pixels
}

fn inside(x: usize, y: usize) -> bool {
    (BOX[0]..BOX[2]).contains(&x) && (BOX[1]..BOX[3]).contains(&y)
}

/// Tongues of flame that are others in each look.
fn flames(look: u32, grey: bool) -> Vec<u8> {
    let mut noise = Noise(look + 1);
    let tongues: Vec<u8> = (0..36).map(|_| noise.next(120)).collect();
    picture(|x, y| {
        if !inside(x, y) {
            return GREY;
        }
        let heat = tongues[(y - BOX[1]) / 5 * 6 + (x - BOX[0]) / 5];
        let warm = [130 + heat, 60 + heat, if grey { 130 + heat } else { 30 + heat / 4 * 3 }];
        if grey { [warm[0]; 3] } else { warm }
    })
}

/// Red cloth in the wind: folds that are lighter and darker, in its own colour.
fn flag(look: u32) -> Vec<u8> {
    let folds = [100u16, 70, 90, 130, 80, 120];
    picture(|x, y| {
        if !inside(x, y) {
            return GREY;
        }
        let shade = folds[((x - BOX[0]) / 5 + look as usize * 5) % folds.len()];
        [190u16, 40, 45].map(|value| u8::try_from((value * shade / 100).min(255)).unwrap())
    })
}

/// A lamp with a pattern of its own, as it is in each look, but for a sensor's noise.
fn lamp(look: u32) -> Vec<u8> {
    let mut noise = Noise(look + 1);
    let specks: Vec<u8> = (0..14_400).map(|_| noise.next(3)).collect();
    picture(|x, y| {
        let speck = specks[y * 160 + x];
        if inside(x, y) { [220 + speck, 120 + speck, 40 + speck] } else { GREY.map(|g| g + speck) }
    })
}

/// The whole picture moves from look to look, as a camera on a mast does in the wind.
fn shaken(look: u32) -> Vec<u8> {
    let mut noise = Noise(7);
    let texture: Vec<u8> = (0..40_000).map(|_| noise.next(90)).collect();
    let (dx, dy) = (look as usize * 37 % 11, look as usize * 53 % 7);
    picture(|x, y| {
        let value = texture[(y + dy) * 200 + x + dx];
        [150 + value, 70 + value, 20 + value / 2]
    })
}

/// Returns what becomes of a first `confidence` after `looks` of them, `apart_ms` from each other.
fn after(class: Class, confidence: f32, apart_ms: u64, samples: &[Vec<u8>]) -> f32 {
    let stage = FlickerStage::default();
    let mut last = confidence;
    for (n, pixels) in (0u64..).zip(samples) {
        let frame = frame("a", n * apart_ms, pixels);
        let mut found = vec![seen(class, confidence)];
        stage.rescore(&frame, &mut found);
        last = found[0].confidence;
    }
    last
}

fn seen(class: Class, confidence: f32) -> Detection {
    let [x0, y0, x1, y1] = BOX.map(|edge| u16::try_from(edge).unwrap());
    let (width, height) = (160.0, 90.0);
    let bbox = BoundingBox::new(
        f32::from(x0) / width,
        f32::from(y0) / height,
        f32::from(x1) / width,
        f32::from(y1) / height,
    );
    Detection { class, confidence, bbox, appearance: None }
}

fn frame(camera: &str, at_ms: u64, pixels: &[u8]) -> Frame {
    Frame {
        camera: Id::new(camera).unwrap(),
        sequence: at_ms,
        at: Stamp { wall: Wall(0), mono: Mono(at_ms * 1000) },
        pixels: pixels.to_vec().into(),
        letterbox: Letterbox::none(SIZE),
        picture: Picture::empty(),
        statistics: None,
        thumbnail: None,
        decode_us: 0,
    }
}

fn samples(of: impl Fn(u32) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..6).map(of).collect()
}

#[test]
fn flames_gain_at_every_rate() {
    let flames = samples(|look| flames(look, false));
    for apart_ms in [200, 333, 1000] {
        let confidence = after(Class::Fire, 0.2, apart_ms, &flames);
        assert!((0.5..0.6).contains(&confidence), "{confidence} at {apart_ms} ms");
    }
}

#[test]
fn a_flag_that_waves_gains_nothing() {
    assert_eq!(after(Class::Fire, 0.3, 300, &samples(flag)), 0.3);
}

#[test]
fn two_samples_change_nothing() {
    let flames = samples(|look| flames(look, false));
    assert_eq!(after(Class::Fire, 0.2, 1000, &flames[..2]), 0.2);
    assert!(after(Class::Fire, 0.2, 1000, &flames[..3]) > 0.5);
}

#[test]
fn samples_too_close_in_time_count_once() {
    let flames = samples(|look| flames(look, false));
    assert_eq!(after(Class::Fire, 0.2, 30, &flames), 0.2);
}

#[test]
fn lamp_and_standing_smoke_lose_confidence() {
    let lamp = samples(lamp);
    for class in [Class::Fire, Class::Smoke] {
        let confidence = after(class, 0.5, 300, &lamp);
        assert!((0.25..0.3).contains(&confidence), "{class:?} {confidence}");
    }
    // Not before it is known to stay.
    assert_eq!(after(Class::Fire, 0.5, 300, &lamp[..3]), 0.5);
}

#[test]
fn a_camera_that_shakes_neither_gains_nor_loses() {
    let shaken = samples(shaken);
    let confidence = after(Class::Fire, 0.3, 300, &shaken);
    assert!((confidence - 0.3).abs() < 0.03, "{confidence}");
}

#[test]
fn grey_regions_gain_nothing() {
    let grey = samples(|look| flames(look, true));
    assert_eq!(after(Class::Fire, 0.3, 300, &grey), 0.3);
}

#[test]
fn people_are_not_rescored() {
    assert_eq!(after(Class::Person, 0.5, 300, &samples(lamp)), 0.5);
}

#[test]
fn weak_suspicion_is_reported_only_when_it_flickers() {
    let stage = FlickerStage::default();
    let mut told = Vec::new();
    for (n, pixels) in (0..).zip(samples(|look| flames(look, false))) {
        let mut found = vec![seen(Class::Fire, 0.06)];
        stage.rescore(&frame("a", n * 1000, &pixels), &mut found);
        told.push(found.len());
    }
    assert_eq!(told, [0, 0, 1, 1, 1, 1]);
}

#[test]
fn rescored_detections_are_sorted_by_confidence() {
    let stage = FlickerStage::default();
    let mut found = Vec::new();
    for (n, pixels) in (0..).zip(samples(|look| flames(look, false))) {
        found = vec![seen(Class::Person, 0.5), seen(Class::Fire, 0.3)];
        stage.rescore(&frame("a", n * 300, &pixels), &mut found);
    }
    assert_eq!(found[0].class, Class::Fire);
    assert!(found[0].confidence > found[1].confidence);
}

#[test]
fn cameras_have_separate_memory_that_expires() {
    let stage = FlickerStage::default();
    let flames = samples(|look| flames(look, false));
    for (n, pixels) in (0..).zip(&flames) {
        let mut found = vec![seen(Class::Fire, 0.2)];
        stage.rescore(&frame(["a", "b"][n % 2], n as u64 * 200, pixels), &mut found);
        assert_eq!(found[0].confidence, 0.2, "each has had but three samples at most");
        if n == 3 {
            break;
        }
    }
    let kept = || stage.cameras.lock().unwrap().len();
    assert_eq!(kept(), 2);
    // Nothing suspicious for long enough: the camera is forgotten, and one that is gone too.
    stage.rescore(&frame("a", 10_000, &flames[0]), &mut Vec::new());
    assert_eq!(kept(), 1);
    stage.rescore(&frame("c", 100_000, &flames[0]), &mut vec![seen(Class::Fire, 0.2)]);
    assert_eq!(kept(), 1);
}

#[test]
fn regions_are_bounded() {
    let stage = FlickerStage::default();
    let flames = flames(0, false);
    for n in 0..50u16 {
        let mut found = seen(Class::Fire, 0.2);
        let x = f32::from(n) / 50.0;
        found.bbox = BoundingBox::new(x, 0.1, x + 0.015, 0.2);
        stage.rescore(&frame("a", u64::from(n), &flames), &mut vec![found]);
    }
    assert_eq!(stage.cameras.lock().unwrap().values().next().unwrap().regions.len(), REGIONS_MAX);
}

#[test]
fn frames_of_another_size_are_skipped() {
    let short = vec![vec![0; 7]; 6];
    assert_eq!(after(Class::Fire, 0.2, 300, &short), 0.2);
}
