//! Detections as a street camera's detector gives them, made by rule: fires of every kind, and
//! what is taken for one. Nothing here is random: a seed gives the same sequence for ever.

use std::f64::consts::TAU;

use keng_core::detection::{Class, Detection};
use keng_core::geometry::BoundingBox;

/// One frame: when, in seconds, and what it shows.
pub type Frame = (f64, Vec<Detection>);

/// A box by its middle, foot, width and height, and how sure the detector is of it.
#[derive(Clone, Copy)]
struct Shape {
    x: f64,
    foot: f64,
    width: f64,
    height: f64,
    confidence: f64,
}

/// The scenes that there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scene {
    /// Flames that are found in this share of the frames.
    Fire(f64),
    /// A flame of ten pixels, found in half of the frames.
    FarFire,
    /// A fire that doubles its size in ten seconds.
    GrowingFire,
    /// Smoke that rises from a chimney of its own.
    Smoke,
    Lamp,
    Headlights,
    BrakeLights,
    Hazard,
    LedSign,
    Vest,
    Welding,
    Sunset,
    Flashes,
}

impl Scene {
    pub const ALL: [(&str, Self); 16] = [
        ("fire found in 90 % of the frames", Self::Fire(0.9)),
        ("fire found in 60 %", Self::Fire(0.6)),
        ("fire found in 45 %", Self::Fire(0.45)),
        ("fire found in 35 %", Self::Fire(0.35)),
        ("far fire of 10 pixels, 50 %", Self::FarFire),
        ("fire that grows, 60 %", Self::GrowingFire),
        ("smoke, 70 %", Self::Smoke),
        ("lamp", Self::Lamp),
        ("headlights that pass", Self::Headlights),
        ("brake lights at a red light", Self::BrakeLights),
        ("hazard lights", Self::Hazard),
        ("LED sign", Self::LedSign),
        ("orange vest that walks by", Self::Vest),
        ("sunset", Self::Sunset),
        ("single flashes anywhere", Self::Flashes),
        ("welding", Self::Welding),
    ];

    pub fn class(self) -> Class {
        if self == Self::Smoke { Class::Smoke } else { Class::Fire }
    }

    pub fn burns(self) -> bool {
        matches!(self, Self::Fire(_) | Self::FarFire | Self::GrowingFire | Self::Smoke)
    }

    /// Two minutes of it, from the first second on.
    pub fn play(self, seed: u64) -> Vec<Frame> {
        let mut chance = Chance(seed.wrapping_mul(7_919).wrapping_add(13));
        let (mut frames, mut at, mut seen) = (Vec::new(), 0.0, false);
        while at < 120.0 {
            let shape = self.shape(at, seed, &mut chance);
            let shapes: Vec<Detection> = shape.iter().map(|s| self.detection(s)).collect();
            seen |= !shapes.is_empty();
            frames.push((at, shapes));
            // An idle camera is looked at once a second, then closely, with a gap now and then.
            at += match (seen, chance.below(0.04)) {
                (false, _) => 0.9 + 0.2 * chance.next(),
                (true, true) => 0.5 + chance.next(),
                (true, false) => 0.15 + 0.15 * chance.next(),
            };
        }
        frames
    }

    fn detection(self, shape: &Shape) -> Detection {
        let [x, foot, width, height] = [shape.x, shape.foot, shape.width, shape.height].map(narrow);
        let bbox = BoundingBox::new(x - width / 2.0, foot - height, x + width / 2.0, foot);
        Detection {
            class: self.class(),
            confidence: narrow(shape.confidence),
            bbox,
            appearance: None,
        }
    }

    fn shape(self, t: f64, seed: u64, chance: &mut Chance) -> Option<Shape> {
        // Each seed stands elsewhere.
        let x = 0.2 + 0.6 * Chance(seed).next();
        match self {
            Self::Fire(recall) => flame(recall, (x, 0.05, 0.08), chance),
            Self::FarFire => flame(0.5, (x, 0.02, 0.03), chance),
            Self::GrowingFire => {
                let size = (t / 10.0).min(2.5).exp2();
                flame(0.6, (x, 0.03 * size, 0.05 * size), chance)
            }
            Self::Smoke => {
                let plume = 0.15 + 0.01 * t.min(30.0);
                let shape = flame(0.7, (x, 0.12, plume), chance)?;
                Some(Shape { confidence: shape.confidence + 0.03, ..shape })
            }
            Self::Welding => {
                // Bursts of 2 to 8 s, pauses of 3 to 15 s.
                let cycle = 12.0 + 6.0 * Chance(seed + 1).next();
                let burst = 2.0 + 6.0 * Chance(seed ^ (t / cycle).floor().to_bits()).next();
                (t % cycle < burst).then(|| flame(0.7, (x, 0.04, 0.05), chance)).flatten()
            }
            Self::Flashes => chance.below(0.15).then(|| {
                let [x, foot] = [0; 2].map(|_| 0.1 + 0.8 * chance.next());
                Shape { x, foot, width: 0.04, height: 0.05, confidence: 0.4 + 0.4 * chance.next() }
            }),
            _ => self.light(t, (seed, x), chance),
        }
    }

    /// Draws a light, which keeps its shape but for a fraction of a pixel.
    fn light(self, t: f64, (seed, x): (u64, f64), chance: &mut Chance) -> Option<Shape> {
        let of = |x, foot, width, height| Some(Shape { x, foot, width, height, confidence: 0.0 });
        let own = Chance(seed + 2).next();
        let shape = match self {
            Self::Lamp => of(x, 0.3, 0.03, 0.04),
            Self::Headlights => {
                // A car every 6 to 10 s.
                let (pace, speed) = (6.0 + 4.0 * own, 0.08 + 0.2 * own);
                let x = (t % pace) * speed;
                (x < 1.0).then_some(()).and_then(|()| of(x, 0.6 + 0.1 * x, 0.05, 0.04))
            }
            Self::BrakeLights => {
                // They roll up, stand for 15 s, and drive on.
                let (phase, cycle) = (t % 30.0, 30.0);
                let x = if phase < 4.0 { 0.1 * phase } else { 0.4 };
                let x = if phase > 19.0 { x + 0.08 * (phase - 19.0) } else { x };
                let queue = 0.02 * ((t / cycle).floor() * 0.37).sin();
                (phase < 25.0).then_some(()).and_then(|()| of(x + queue, 0.6, 0.06, 0.03))
            }
            Self::Hazard => {
                let lit = (t * (1.2 + 0.6 * own)).fract() < 0.5;
                lit.then_some(()).and_then(|()| of(x, 0.6, 0.04, 0.03))
            }
            Self::LedSign => {
                let (width, height) = match (t / (0.7 + own)).floor() % 4.0 {
                    0.0 => (0.08, 0.04),
                    1.0 => (0.12, 0.04),
                    2.0 => (0.05, 0.06),
                    _ => (0.12, 0.08),
                };
                of(x, 0.3, width, height)
            }
            Self::Vest => {
                // Somebody walks by twice a minute, a third of a body height a second.
                let (phase, swing) = (t % 30.0, 0.1 * (t * TAU * 1.8).sin());
                let x = 0.1 + 0.07 * phase;
                (x < 0.9).then_some(()).and_then(|()| of(x, 0.7, 0.05 * (1.0 + swing), 0.1))
            }
            Self::Sunset => of(0.5 + 0.0002 * t, 0.4 + 0.0003 * t, 0.4, 0.15),
            _ => None,
        }?;
        let found = chance.below(0.95);
        let [dx, dy, dw, dh] = [0; 4].map(|_| 0.001 * (chance.next() - 0.5) * 2.0);
        found.then(|| Shape {
            x: shape.x + dx,
            foot: shape.foot + dy,
            width: shape.width + dw,
            height: shape.height + dh,
            confidence: 0.55 + 0.08 * (chance.next() - 0.5) * 2.0,
        })
    }
}

/// Flames about a foot, found in this share of the frames; now and then only half of them.
fn flame(recall: f64, (x, width, height): (f64, f64, f64), chance: &mut Chance) -> Option<Shape> {
    let found = chance.below(recall);
    let [dx, dfoot, dw, dh, dc] = [0; 5].map(|_| (chance.next() - 0.5) * 2.0);
    let part = if chance.below(0.15) { 0.5 } else { 1.0 };
    found.then_some(Shape {
        x: x + 0.2 * dx * width,
        foot: 0.7 + 0.06 * dfoot * height,
        width: width * part * (1.0 + 0.25 * dw),
        height: height * part * (1.0 + 0.25 * dh),
        confidence: 0.52 + 0.2 * dc,
    })
}

/// SplitMix64: small, and the same everywhere.
struct Chance(u64);

impl Chance {
    /// 0 to before 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, share: f64) -> bool {
        self.next() < share
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a picture's part needs no more digits")]
fn narrow(value: f64) -> f32 {
    value as f32
}
