//! Tells whether something moves in front of a camera, from the sizes of its packets alone.
//!
//! An inter frame says what has changed since the frames before it. Where nothing moves it is
//! small and of much the same size for hours; what moves makes it larger at once. Reading that
//! costs a handful of additions a packet, and no decoding.
//!
//! The mean size of inter frames in windows of half a second of real time (so that a camera's
//! frame rate, its order of P and B frames, and its bursts fall out) is compared, as a logarithm
//! (so that bit rates do too), with a running median and a running median deviation. Both walk by
//! small steps towards what they see, up where it lies above and down where it lies below: a
//! quantile by stochastic approximation (H. Robbins and S. Monro, 1951), which no outlier can pull
//! away. A street that always moves has a large deviation, and only more than the usual tells
//! there; after some minutes anything is usual. Two windows in a row must be above it: an encoder
//! has its single large frames.

use std::time::Duration;

use crate::time::Mono;

/// Sizes are averaged over as long.
const WINDOW: Duration = Duration::from_millis(500);
/// A window that began longer ago is of a stream that stood still: its average means nothing.
const GAP_MAX: Duration = Duration::from_secs(3);
/// Seconds that a stream is watched before anything is said of it.
const LEARN_S: f64 = 3.0;
/// The deviation and the median are found at about this pace, in seconds, while they are new, and
/// at their own later.
const QUICK_S: f64 = 4.0;
/// Seconds in which the median follows a lasting change of one deviation.
const SLOW_S: f64 = 30.0;
/// Moving parts change the baseline so much more slowly: they go away again.
const MOVING_SHARE: f64 = 0.3;
/// So many deviations above the median are motion.
const DEVIATIONS: f64 = 3.0;
/// The least rise that is motion, as a logarithm: by a quarter. Less is the encoder's own.
const RISE_MIN: f64 = 0.22;
/// The deviation is at least this: a still picture's sizes can be all the same.
const DEVIATION_MIN: f64 = 0.02;

/// Watches one camera's packets.
#[derive(Clone, Debug, Default)]
pub struct MotionDetector {
    window: Option<Window>,
    /// Logarithm of the usual mean size, and how far windows usually are from it.
    /// Apart for windows with and without a key frame: what follows one is often larger.
    usual: [Option<Baseline>; 2],
    /// The window before was above the usual.
    rose: bool,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Mono,
    bytes: f64,
    packets: f64,
    keyed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Baseline {
    median: f64,
    deviation: f64,
    /// Seconds that were learnt from.
    seen_s: f64,
}

impl MotionDetector {
    /// Notes that the next packet does not continue the last one; the baseline likely stays the
    /// same.
    #[inline]
    pub fn interrupt(&mut self) {
        self.window = None;
        self.rose = false;
    }

    /// Takes in a packet of `bytes` that arrived at `at`; whether something has just moved, to be
    /// told once a window.
    #[inline]
    pub fn note(&mut self, at: Mono, key: bool, bytes: usize) -> bool {
        let Some(window) = &mut self.window else {
            self.window = Some(Window::new(at));
            return false;
        };
        let lasted = at.since(window.since);
        let mut moves = false;
        if lasted >= WINDOW {
            let full = std::mem::replace(window, Window::new(at));
            if lasted < GAP_MAX && full.packets > 0.0 {
                let size = (full.bytes / full.packets + 1.0).ln();
                moves = self.judge(size, full.keyed, lasted.as_secs_f64());
            }
        }
        let Some(window) = &mut self.window else { return moves };
        if key {
            window.keyed = true;
        } else {
            #[expect(clippy::cast_precision_loss, reason = "a packet is far below 2^52 bytes")]
            let bytes = bytes as f64;
            window.bytes += bytes;
            window.packets += 1.0;
        }
        moves
    }

    fn judge(&mut self, size: f64, keyed: bool, lasted_s: f64) -> bool {
        let usual = &mut self.usual[usize::from(keyed)];
        let Some(usual) = usual else {
            *usual = Some(Baseline { median: size, deviation: 0.1, seen_s: 0.0 });
            return false;
        };
        let above = size - usual.median;
        let margin = (DEVIATIONS * usual.deviation).max(RISE_MIN);
        let moves = usual.seen_s >= LEARN_S && above > margin;
        usual.learn(above, lasted_s, moves);
        // What moves does so for longer than a window; a lone large frame is the encoder's.
        let goes_on = moves && self.rose;
        self.rose = moves;
        goes_on
    }
}

impl Window {
    fn new(since: Mono) -> Self {
        Self { since, bytes: 0.0, packets: 0.0, keyed: false }
    }
}

impl Baseline {
    fn learn(&mut self, above: f64, lasted_s: f64, moves: bool) {
        self.seen_s += lasted_s;
        let pace_s = if self.seen_s < 2.0 * QUICK_S { QUICK_S } else { SLOW_S };
        let mut share = (lasted_s / pace_s).min(1.0);
        if moves {
            share *= MOVING_SHARE;
        }
        // A step is a share of the deviation: of the same size whatever is measured.
        let step = share * self.deviation.max(RISE_MIN / DEVIATIONS);
        self.median += step.min(above.abs()) * above.signum();
        let further = above.abs() > self.deviation;
        let factor = if further { 1.0 + share } else { 1.0 / (1.0 + share) };
        self.deviation = (self.deviation * factor).clamp(DEVIATION_MIN, 2.0);
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "packets are small")]
mod tests {
    use super::*;

    /// A stream of `fps`, a key frame each `group` packets; `size` of each inter frame by its
    /// second. The seconds in which motion was told.
    struct Stream {
        fps: u64,
        group: u64,
    }

    impl Stream {
        fn told(
            &self,
            motion: &mut MotionDetector,
            seconds: std::ops::Range<u64>,
            size: impl Fn(f64) -> f64,
        ) -> Vec<f64> {
            let mut told = Vec::new();
            for index in seconds.start * self.fps..seconds.end * self.fps {
                let second = index as f64 / self.fps as f64;
                // P and B frames by turns, and an encoder that wavers by a tenth.
                let kind = if index.is_multiple_of(2) { 1.6 } else { 0.4 };
                let waver = 1.0 + 0.1 * ((index * 7919 % 101) as f64 / 50.0 - 1.0);
                let key = index.is_multiple_of(self.group);
                let bytes = if key { 40_000.0 } else { size(second) * kind * waver };
                let at = Mono(index * 1_000_000 / self.fps);
                if motion.note(at, key, bytes as usize) {
                    told.push(second);
                }
            }
            told
        }
    }

    #[test]
    fn somebody_who_walks_by_is_seen_in_a_second_or_two_whatever_the_stream() {
        for (fps, group, base) in [(25, 50, 900.0), (12, 12, 4000.0), (30, 250, 150.0)] {
            let stream = Stream { fps, group };
            let size = |s: f64| if (40.0..46.0).contains(&s) { base * 2.0 } else { base };
            let told = stream.told(&mut MotionDetector::default(), 0..80, size);
            let first = told.first().copied().unwrap_or_default();
            assert!((40.9..=41.7).contains(&first), "{fps} fps: {told:?}");
            assert!(told.iter().all(|s| (40.9..=47.2).contains(s)), "{fps} fps: {told:?}");
            assert!(told.len() >= 8, "{fps} fps: {told:?}");
        }
    }

    #[test]
    fn a_still_street_says_nothing_and_less_than_a_quarter_more_is_nothing() {
        let stream = Stream { fps: 15, group: 30 };
        let size = |s: f64| if s > 60.0 { 1150.0 } else { 1000.0 };
        assert_eq!(stream.told(&mut MotionDetector::default(), 0..120, size), Vec::<f64>::new());
    }

    #[test]
    fn what_lasts_becomes_usual_and_a_new_rise_is_seen_again() {
        let stream = Stream { fps: 15, group: 30 };
        let size = |s: f64| if s < 60.0 { 500.0 } else { 1500.0 };
        let mut motion = MotionDetector::default();
        let told = stream.told(&mut motion, 0..600, size);
        assert!(told[0] < 62.0 && *told.last().unwrap() < 500.0, "{:?}", told.last());
        let again = stream.told(&mut motion, 600..620, |_| 6000.0);
        assert!(again[0] < 602.0, "{again:?}");
    }

    #[test]
    fn a_stream_that_has_stood_still_or_begun_anew_tells_nothing_by_itself() {
        let stream = Stream { fps: 15, group: 30 };
        let mut motion = MotionDetector::default();
        stream.told(&mut motion, 0..30, |_| 800.0);
        motion.interrupt();
        assert_eq!(stream.told(&mut motion, 90..120, |_| 800.0), Vec::<f64>::new());
        // Nor does what came before a gap.
        motion.note(Mono(120_100_000), false, 90_000);
        assert!(!motion.note(Mono(200_000_000), false, 800));
    }

    #[test]
    fn key_frames_alone_tell_nothing() {
        let mut motion = MotionDetector::default();
        assert!((0..100).all(|s| !motion.note(Mono(s * 1_000_000), true, 1000 + s as usize * 999)));
    }
}
