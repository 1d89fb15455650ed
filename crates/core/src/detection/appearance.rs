//! The appearance of a person in some forty bytes: how bright and of what colour, above and below
//! the belt. It costs microseconds and tells clothes apart, not people.
//!
//! Each half of the body has three histograms: luminance and the two opponent colours (red against
//! green, yellow against blue). A grey picture, such as an infrared camera's, fills the middle of
//! both colours for everybody, so that luminance alone decides there. Histograms are kept
//! cumulated, so that two of them differ by the match distance (Werman, Peleg and Rosenfeld, "A
//! distance metric for multidimensional histograms", 1985): clothes that get a little brighter
//! differ a little, whatever bins they fall into.

use crate::geometry::BoundingBox;
use crate::picture::Letterbox;

/// Bins of a histogram, less the last: cumulated, that one is always full.
const BINS: usize = 7;
/// Luminance, red against green, yellow against blue.
const CHANNELS: usize = 3;
/// Above and below the belt.
const HALVES: usize = 2;
/// From the top of the box: shoulders to belt, belt to ankles. The head is too small to tell.
const SPANS: [(f32, f32); HALVES] = [(0.15, 0.50), (0.50, 0.90)];
/// From the left of the box: further out it is mostly background.
const WAIST: (f32, f32) = (0.30, 0.70);
/// Pixels looked at in each half, at most: columns, rows.
const SAMPLES: (usize, usize) = (8, 12);
/// A smaller box, in pixels of the detector's input, shows no clothes.
const SIZE_MIN: (f32, f32) = (6.0, 12.0);
/// Colours of clothes end here: stronger ones are as strong.
const OPPONENT_MAX: i32 = 96;
/// Of a newer look, in a blend.
const NEW_SHARE: u16 = 77;

/// The appearance of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appearance([[[u8; BINS]; CHANNELS]; HALVES]);

impl Appearance {
    /// Of the person in `bbox` of the picture that lies in `pixels`: planes of red, green, blue at
    /// the detector's input size. `None` where the box is too small to tell.
    pub fn of(pixels: &[u8], letterbox: &Letterbox, bbox: &BoundingBox) -> Option<Self> {
        let (width, height) = (letterbox.input.width as usize, letterbox.input.height as usize);
        let plane = width * height;
        let [x0, y0, x1, y1] = letterbox.to_input(bbox);
        let (wide, high) = (x1 - x0, y1 - y0);
        if pixels.len() != 3 * plane || wide < SIZE_MIN.0 || high < SIZE_MIN.1 {
            return None;
        }
        let halves = SPANS.map(|(top, bottom)| {
            let columns = Samples::new(x0 + WAIST.0 * wide, x0 + WAIST.1 * wide, SAMPLES.0, width);
            let rows = Samples::new(y0 + top * high, y0 + bottom * high, SAMPLES.1, height);
            let mut half = Half::default();
            for y in rows.iter() {
                for x in columns.iter() {
                    let at = y * width + x;
                    half.add([pixels[at], pixels[plane + at], pixels[2 * plane + at]]);
                }
            }
            half.cumulated()
        });
        Some(Self(halves))
    }

    /// Of somebody in clothes of two plain colours, each red, green, blue: for scripts.
    pub fn plain(upper: [u8; 3], lower: [u8; 3]) -> Self {
        Self([upper, lower].map(|color| {
            let mut half = Half::default();
            half.add(color);
            half.cumulated()
        }))
    }

    /// Returns how far two looks are apart: 0 is the same, 1 is white against black from head to
    /// foot. Symmetric.
    pub fn distance(&self, other: &Self) -> f32 {
        let mut squares = 0.0;
        for (a, b) in self.0.iter().zip(&other.0) {
            let mut furthest = 0;
            for (a, b) in a.iter().zip(b) {
                let way: u16 = a.iter().zip(b).map(|(a, b)| u16::from(a.abs_diff(*b))).sum();
                furthest = furthest.max(way);
            }
            squares += (f32::from(furthest) / FULL_WAY).powi(2);
        }
        (squares / 2.0).sqrt()
    }

    /// This look with some of a newer one: light changes, and people turn round.
    #[must_use]
    pub fn blended(&self, newer: &Self) -> Self {
        let mut blend = *self;
        let old = blend.0.as_flattened_mut().as_flattened_mut();
        for (old, new) in old.iter_mut().zip(newer.0.as_flattened().as_flattened()) {
            let sum = u16::from(*old) * (256 - NEW_SHARE) + u16::from(*new) * NEW_SHARE;
            *old = u8::try_from((sum + 128) / 256).unwrap_or(u8::MAX);
        }
        blend
    }
}

/// The match distance of two histograms that share no step of the way.
const FULL_WAY: f32 = 255.0 * BINS as f32;

/// Some pixels of a row or column, evenly spread.
struct Samples {
    first: f32,
    step: f32,
    count: usize,
    last: usize,
}

impl Samples {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^24")]
    #[expect(clippy::cast_precision_loss, reason = "a handful of samples")]
    fn new(from: f32, until: f32, count_max: usize, size: usize) -> Self {
        let span = until - from;
        let count = (span.ceil() as usize).clamp(1, count_max);
        let step = span / count as f32;
        Self { first: from + step / 2.0, step, count, last: size - 1 }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels")]
    #[expect(clippy::cast_precision_loss, reason = "a handful of samples")]
    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let pixel = |index: usize| (self.first + index as f32 * self.step) as usize;
        (0..self.count).map(move |index| pixel(index).min(self.last))
    }
}

/// Histograms of one half of the body. A value lies between two bins, and is shared between them
/// as it is near: else a shirt on the border of two bins would change from frame to frame.
#[derive(Default)]
struct Half([[u32; BINS + 1]; CHANNELS]);

impl Half {
    fn add(&mut self, [red, green, blue]: [u8; 3]) {
        let [r, g, b] = [red, green, blue].map(i32::from);
        // ITU-R BT.601, in 256ths.
        let luminance = (77 * r + 150 * g + 29 * b) / 256;
        let opponent = |difference: i32| {
            (difference.clamp(-OPPONENT_MAX, OPPONENT_MAX) + OPPONENT_MAX) * 255
                / (2 * OPPONENT_MAX)
        };
        let values = [luminance, opponent(r - g), opponent((r + g) / 2 - b)];
        for (bins, value) in self.0.iter_mut().zip(values) {
            let scaled = usize::try_from(value).unwrap_or(0) * BINS;
            let (bin, share) = (scaled / 255, scaled % 255);
            let share = u32::try_from(share).unwrap_or(0);
            bins[bin] += 255 - share;
            if share > 0 {
                bins[bin + 1] += share;
            }
        }
    }

    fn cumulated(&self) -> [[u8; BINS]; CHANNELS] {
        self.0.map(|bins| {
            let total = bins.iter().sum::<u32>().max(1);
            let mut sum = 0;
            std::array::from_fn(|bin| {
                sum += bins[bin];
                u8::try_from((sum * 255 + total / 2) / total).unwrap_or(u8::MAX)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Size;
    use proptest::prelude::*;

    const SIZE: Size = Size { width: 64, height: 64 };
    const BOX: BoundingBox = BoundingBox { x0: 0.25, y0: 0.1, x1: 0.5, y1: 0.9 };

    /// A picture of one colour above the middle of [`BOX`] and another below.
    fn picture(upper: [u8; 3], lower: [u8; 3]) -> Vec<u8> {
        let plane = 64 * 64;
        (0..3 * plane)
            .map(|i| if i % plane < 32 * 64 { upper[i / plane] } else { lower[i / plane] })
            .collect()
    }

    fn look(upper: [u8; 3], lower: [u8; 3]) -> Appearance {
        Appearance::of(&picture(upper, lower), &Letterbox::none(SIZE), &BOX).unwrap()
    }

    const DARK: [u8; 3] = [40, 40, 40];
    const LIGHT: [u8; 3] = [210, 210, 210];
    const RED: [u8; 3] = [150, 60, 60];
    const GREEN: [u8; 3] = [60, 105, 60];

    #[test]
    fn clothes_of_one_colour_are_what_a_script_says() {
        assert_eq!(look(RED, DARK), Appearance::plain(RED, DARK));
    }

    #[test]
    fn other_clothes_are_further_than_other_light() {
        let brighter = |color: [u8; 3]| color.map(|c| c + 15);
        let same = look(RED, DARK).distance(&look(brighter(RED), brighter(DARK)));
        assert!(same < 0.07, "{same}");
        for (other, what) in [
            (look(LIGHT, DARK), "another shirt"),
            (look(RED, LIGHT), "other trousers"),
            (look(GREEN, DARK), "another colour of the same brightness"),
            (look(DARK, RED), "the same upside down"),
        ] {
            let distance = look(RED, DARK).distance(&other);
            assert!(distance > 0.25, "{what}: {distance}");
        }
    }

    #[test]
    fn a_grey_picture_tells_light_from_dark() {
        assert!(look(LIGHT, DARK).distance(&look(DARK, DARK)) > 0.4);
        assert!(look(LIGHT, DARK).distance(&look(LIGHT, DARK)) < 1e-6);
        assert!((look([255; 3], [255; 3]).distance(&look([0; 3], [0; 3])) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_too_small_or_no_picture_has_no_look() {
        let (pixels, whole) = (picture(RED, DARK), Letterbox::none(SIZE));
        let tiny = BoundingBox::new(0.5, 0.5, 0.55, 0.6);
        assert_eq!(Appearance::of(&pixels, &whole, &tiny), None);
        assert_eq!(Appearance::of(&pixels[1..], &whole, &BOX), None);
    }

    #[test]
    fn a_blend_comes_near_the_newer_look() {
        let (old, new) = (look(LIGHT, DARK), look(DARK, DARK));
        let mut blend = old;
        let mut before = blend.distance(&new);
        for _ in 0..4 {
            blend = blend.blended(&new);
            let now = blend.distance(&new);
            assert!(now < before * 0.8, "{now} after {before}");
            before = now;
        }
        assert_eq!(old.blended(&old), old);
    }

    proptest! {
        #[test]
        fn a_distance_is_bounded_and_symmetric(
            a: [u8; 3], b: [u8; 3], c: [u8; 3], d: [u8; 3],
        ) {
            let (one, other) = (Appearance::plain(a, b), Appearance::plain(c, d));
            let distance = one.distance(&other);
            prop_assert!((0.0..=1.0).contains(&distance));
            prop_assert!((distance - other.distance(&one)).abs() < 1e-6);
            prop_assert_eq!(one.distance(&one), 0.0);
        }

        #[test]
        fn no_box_reaches_out_of_the_picture(
            x0 in 0f32..1.0, y0 in 0f32..1.0, x1 in 0f32..1.0, y1 in 0f32..1.0,
        ) {
            let bbox = BoundingBox::new(x0, y0, x1, y1);
            let fit = Letterbox { x: 8, y: 3, content: Size { width: 50, height: 61 },
                ..Letterbox::none(SIZE) };
            let look = Appearance::of(&picture(RED, RED), &fit, &bbox);
            prop_assert!(look.is_none_or(|look| look == Appearance::plain(RED, RED)));
        }
    }
}
