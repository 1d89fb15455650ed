//! A street with people in it, as a middling detector sees them: boxes shake, people are missed for
//! seconds, hidden behind posts and behind each other, and the camera's frames come unevenly.

use std::time::Duration;

use keng_core::detection::{Appearance, Class, Detection};
use keng_core::geometry::BoundingBox;
use keng_core::time::{Mono, Stamp, Wall};

/// 2026-11-21 22:14:03 at +07:00.
const START: Wall = Wall(1_795_274_043_000_000);
/// Share of the time for which the detector has lost a person, and how long that lasts, in seconds.
const LOST_SHARE: f64 = 0.25;
const LOST_FOR_S: f64 = 1.5;
/// Of the other frames, those in which it misses a person.
const MISSED: f64 = 0.1;
/// Frames with a person where there is none: a share of them, but no more in a second than this.
const IMAGINED: f64 = 0.02;
const IMAGINED_PER_S: f64 = 0.04;

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Of `from..until`.
    pub fn within(&mut self, from: f64, until: f64) -> f64 {
        from + (until - from) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn happens(&mut self, share: f64) -> bool {
        self.within(0.0, 1.0) < share
    }

    /// About normal, with this deviation.
    fn noise(&mut self, deviation: f64) -> f64 {
        (0..3).map(|_| self.within(-deviation, deviation)).sum()
    }
}

/// The way of a person: seconds, and where the feet are then. Straight lines between.
#[derive(Clone)]
pub struct Walker {
    pub way: Vec<(f64, f64, f64)>,
    pub clothes: [[u8; 3]; 2],
}

impl Walker {
    /// Returns where the feet are at `t`; `None` where nobody is there then.
    pub fn feet(&self, t: f64) -> Option<(f64, f64)> {
        let (from, to) = self.way.iter().zip(&self.way[1..]).find(|(a, b)| a.0 <= t && t < b.0)?;
        let share = (t - from.0) / (to.0 - from.0);
        Some((from.1 + (to.1 - from.1) * share, from.2 + (to.2 - from.2) * share))
    }

    fn bbox(&self, t: f64) -> Option<[f64; 4]> {
        let (x, y) = self.feet(t)?;
        let height = height_at(y);
        Some([x - height / 6.0, y - height, x + height / 6.0, y])
    }

    pub fn ends(&self) -> f64 {
        self.way.last().map_or(0.0, |leg| leg.0)
    }
}

/// A body's height where its feet stand: the horizon is at a fifth of the picture.
pub fn height_at(y: f64) -> f64 {
    (y - 0.2) * 0.4
}

/// People, and posts (from x to x) that hide them.
#[derive(Clone, Default)]
pub struct Street {
    pub walkers: Vec<Walker>,
    pub posts: Vec<(f64, f64)>,
}

/// The way in which a camera delivers.
#[derive(Clone, Copy)]
pub struct Camera {
    /// Frames a second, on average.
    pub fps: f64,
    /// Frames arrive together, so many seconds apart; 0: as they are taken.
    pub clumps_s: f64,
    /// Tells whether clothes can be told.
    pub looks: bool,
}

/// Returns the moment `t` in the camera's stamps.
pub fn stamp(t: f64) -> Stamp {
    Stamp { mono: Mono(0), wall: START } + Duration::from_secs_f64(t.max(0.0))
}

impl Street {
    pub fn ends(&self) -> f64 {
        self.walkers.iter().map(Walker::ends).fold(0.0, f64::max)
    }

    /// Returns what the detector makes of it, frame by frame.
    pub fn filmed(&self, camera: &Camera, random: &mut Random) -> Vec<(f64, Vec<Detection>)> {
        let mut lost = vec![false; self.walkers.len()];
        let mut frames: Vec<(f64, Vec<Detection>)> = Vec::new();
        let mut t = random.within(0.0, 1.0 / camera.fps);
        while t < self.ends() + 5.0 {
            // What the camera says of its rate is off by half either way, and changes.
            let rate = if ((t / 20.0) as u64).is_multiple_of(2) { 0.7 } else { 1.75 };
            let pause = random.within(0.6, 1.4) / (camera.fps * rate);
            self.lose(&mut lost, pause, random);
            let imagined = random.happens(IMAGINED.min(IMAGINED_PER_S * pause));
            let mut seen = self.seen(t, &lost, camera.looks, random);
            seen.extend(imagined.then(|| nobody(camera.looks, random)));
            let arrives = match camera.clumps_s > 0.0 {
                true => (t / camera.clumps_s).ceil() * camera.clumps_s,
                false => t,
            };
            let after = frames.last().map_or(0.0, |last| last.0 + 0.002);
            frames.push((arrives.max(after), seen));
            t += pause;
        }
        frames
    }

    fn lose(&self, lost: &mut [bool], pause: f64, random: &mut Random) {
        let settled = 1.0 - (-pause / (LOST_FOR_S * (1.0 - LOST_SHARE))).exp();
        for lost in lost {
            let share = if *lost { 1.0 - LOST_SHARE } else { LOST_SHARE };
            *lost ^= random.happens(share * settled);
        }
    }

    fn seen(&self, t: f64, lost: &[bool], looks: bool, random: &mut Random) -> Vec<Detection> {
        let boxes: Vec<_> = self.walkers.iter().map(|walker| walker.bbox(t)).collect();
        let mut found = Vec::new();
        for (index, walker) in self.walkers.iter().enumerate() {
            let Some(bbox) = boxes[index] else { continue };
            let x = (bbox[0] + bbox[2]) / 2.0;
            let posted = self.posts.iter().any(|(from, until)| (*from..*until).contains(&x));
            let covered = |other: &[f64; 4]| other[3] > bbox[3] && overlap(other, &bbox) > 0.4;
            let hidden = boxes.iter().flatten().any(covered) && random.happens(0.8);
            // All dice are thrown whatever falls, so that one person's luck is not another's.
            let (missed, confidence) = (random.happens(MISSED), random.within(0.35, 0.9));
            let seen = shaken(&bbox, random);
            let look = [0, 1].map(|half| walker.clothes[half].map(|c| shade(c, random)));
            if !(posted || hidden || missed || lost[index]) {
                found.push(person(seen, confidence, looks.then_some(look)));
            }
        }
        found
    }
}

/// A person where there is none.
fn nobody(looks: bool, random: &mut Random) -> Detection {
    let (x, y) = (random.within(0.0, 1.0), random.within(0.5, 0.95));
    let height = height_at(y);
    let bbox = [x - height / 6.0, y - height, x + height / 6.0, y];
    let look = [0, 1].map(|_| [0; 3].map(|_: u8| random.within(0.0, 255.0) as u8));
    person(bbox, 0.5, looks.then_some(look))
}

/// The share of `one` that `other` hides.
fn overlap(other: &[f64; 4], one: &[f64; 4]) -> f64 {
    let width = (other[2].min(one[2]) - other[0].max(one[0])).max(0.0);
    let height = (other[3].min(one[3]) - other[1].max(one[1])).max(0.0);
    width * height / ((one[2] - one[0]) * (one[3] - one[1]))
}

fn shaken(&[x0, y0, x1, y1]: &[f64; 4], random: &mut Random) -> [f64; 4] {
    let height = y1 - y0;
    let mut edge = |at: f64| at + random.noise(0.02) * height;
    [edge(x0), edge(y0), edge(x1), edge(y1)]
}

fn shade(color: u8, random: &mut Random) -> u8 {
    (f64::from(color) + random.noise(6.0)).clamp(0.0, 255.0) as u8
}

/// A person as detected.
pub fn person(edges: [f64; 4], confidence: f64, look: Option<[[u8; 3]; 2]>) -> Detection {
    let [x0, y0, x1, y1] = edges.map(|edge| edge as f32);
    Detection {
        class: Class::Person,
        confidence: confidence as f32,
        bbox: BoundingBox::new(x0, y0, x1, y1),
        appearance: look.map(|[upper, lower]| Appearance::plain(upper, lower)),
    }
}
