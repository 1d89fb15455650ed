//! One place where something may burn: its pixels over the last looks, and what they did.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::Letterbox;
use crate::geometry::BoundingBox;
use crate::time::Mono;

/// Points across and down the region: the box in the middle, as much around it as it is wide.
const GRID: usize = 24;
/// Of those, the box itself.
const INNER: std::ops::Range<usize> = 6..18;
const POINTS: usize = GRID * GRID;
/// Samples that are kept.
const SAMPLES_MAX: usize = 6;
/// Flames hardly change within less, and what is looked at more often would reach back less far.
const SAMPLE_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// A look that is older says nothing about what is there now.
const SAMPLE_LIFETIME: Duration = Duration::from_secs(5);

/// One look at the region, point by point.
struct Sample {
    at: Mono,
    /// Brightness, 0..=255.
    light: [u8; POINTS],
    red: [u8; POINTS],
    blue: [u8; POINTS],
}

/// The change of a region's pixels over its samples; all in steps of 256.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RegionChange {
    /// The variation of the brightness inside the box, a point.
    pub(super) inside: f32,
    /// The same around the box: what the camera's own motion and its encoder do.
    pub(super) around: f32,
    /// The variation of red over blue inside, a point.
    pub(super) warmth: f32,
    /// The variation of blue beside that of red. Flames whiten where they are hot; cloth and neon
    /// vary in their own colour alone.
    pub(super) whitening: f32,
    /// The likeness of the patterns of consecutive samples inside: 1 is the same, 0 has nothing in
    /// common.
    pub(super) likeness: f32,
    /// From the first look to the last.
    pub(super) span: Duration,
}

/// A region of one camera's picture.
pub(super) struct Region {
    /// The box in which the thing was first seen.
    pub(super) bbox: BoundingBox,
    /// The time at which it was seen last.
    pub(super) seen: Mono,
    samples: VecDeque<Sample>,
}

impl Region {
    pub(super) fn new(bbox: BoundingBox, at: Mono) -> Self {
        Self { bbox, seen: at, samples: VecDeque::with_capacity(SAMPLES_MAX) }
    }

    /// Looks at the region in `pixels` (planar red, green, blue), unless it just has.
    pub(super) fn look(&mut self, pixels: &[u8], letterbox: &Letterbox, at: Mono) {
        self.samples.retain(|look| at.since(look.at) <= SAMPLE_LIFETIME);
        if self.samples.back().is_some_and(|last| at.since(last.at) < SAMPLE_INTERVAL_MIN) {
            return;
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.extend(take(pixels, letterbox, &self.bbox, at));
    }

    /// Returns what changed there; none with fewer than three samples.
    pub(super) fn change(&self) -> Option<RegionChange> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        if self.samples.len() < 3 {
            return None;
        }
        let [mut inside, mut around, mut warmth, mut red, mut blue] =
            [(); 5].map(|()| Mean::default());
        for point in 0..POINTS {
            let light = deviation(self.samples.iter().map(|look| look.light[point]));
            if is_inner(point) {
                inside.add(light);
                let over = |look: &Sample| look.red[point].saturating_sub(look.blue[point]);
                warmth.add(deviation(self.samples.iter().map(over)));
                red.add(deviation(self.samples.iter().map(|look| look.red[point])));
                blue.add(deviation(self.samples.iter().map(|look| look.blue[point])));
            } else {
                around.add(light);
            }
        }
        let pairs = self.samples.iter().zip(self.samples.iter().skip(1));
        let mut likeness = Mean::default();
        pairs.for_each(|(a, b)| likeness.add(correlation(&a.light, &b.light)));
        Some(RegionChange {
            inside: inside.value(),
            around: around.value(),
            warmth: warmth.value(),
            whitening: blue.value() / red.value().max(1.0),
            likeness: likeness.value(),
            span: last.at.since(first.at),
        })
    }
}

fn is_inner(point: usize) -> bool {
    INNER.contains(&(point % GRID)) && INNER.contains(&(point / GRID))
}

/// The region's points; none where `pixels` is not what `letterbox` says.
fn take(pixels: &[u8], letterbox: &Letterbox, bbox: &BoundingBox, at: Mono) -> Option<Sample> {
    let (width, height) = (letterbox.input.width as usize, letterbox.input.height as usize);
    let plane = width * height;
    if pixels.len() != 3 * plane || plane == 0 {
        return None;
    }
    let [x0, y0, x1, y1] = letterbox.to_input(bbox);
    let column = steps(x0, x1, letterbox.x, letterbox.content.width);
    let row = steps(y0, y1, letterbox.y, letterbox.content.height);
    let (mut light, mut reds, mut blues) = ([0; POINTS], [0; POINTS], [0; POINTS]);
    for point in 0..POINTS {
        let from = row(point / GRID).min(height - 1) * width + column(point % GRID).min(width - 1);
        let (red, green, blue) = (pixels[from], pixels[plane + from], pixels[2 * plane + from]);
        let sum = u16::from(red) + 2 * u16::from(green) + u16::from(blue);
        light[point] = u8::try_from(sum / 4).unwrap_or(u8::MAX);
        (reds[point], blues[point]) = (red, blue);
    }
    Some(Sample { at, light, red: reds, blue: blues })
}

/// Returns where the n-th of [`GRID`] points from half a size before `low` to half a size behind
/// `high` lies, within a picture that begins at `start` and is `length` long.
fn steps(low: f32, high: f32, start: u32, length: u32) -> impl Fn(usize) -> usize {
    let size = high - low;
    let end = start + length.max(1) - 1;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped into a picture, whose sides are far below 2^24"
    )]
    move |n| {
        let place = low - size / 2.0 + (n as f32 + 0.5) * 2.0 * size / GRID as f32;
        place.clamp(start as f32, end as f32) as usize
    }
}

#[derive(Default)]
struct Mean {
    sum: f32,
    count: f32,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += value;
        self.count += 1.0;
    }

    fn value(&self) -> f32 {
        self.sum / self.count.max(1.0)
    }
}

/// Standard deviation.
#[expect(clippy::cast_precision_loss, reason = "at most 6 * 6 * 255²")]
fn deviation(values: impl Iterator<Item = u8>) -> f32 {
    let (mut sum, mut squares, mut count) = (0u32, 0u32, 0u32);
    for value in values.map(u32::from) {
        sum += value;
        squares += value * value;
        count += 1;
    }
    let spread = count * squares - sum * sum;
    (spread as f32).sqrt() / (count.max(1) as f32)
}

/// Pearson's, of the inner points; 1 where one of the two has no pattern at all.
fn correlation(a: &[u8; POINTS], b: &[u8; POINTS]) -> f32 {
    let inner = || (0..POINTS).filter(|point| is_inner(*point));
    let mean = |of: &[u8; POINTS]| {
        let mut mean = Mean::default();
        inner().for_each(|point| mean.add(f32::from(of[point])));
        mean.value()
    };
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut only_a, mut only_b) = (0.0f32, 0.0f32, 0.0f32);
    for point in inner() {
        let (da, db) = (f32::from(a[point]) - mean_a, f32::from(b[point]) - mean_b);
        both += da * db;
        only_a += da * da;
        only_b += db * db;
    }
    let scale = (only_a * only_b).sqrt();
    if scale < 1.0 { 1.0 } else { both / scale }
}
