//! Learns from arrival times how far apart a stream's packets and its key frames are: what cameras
//! say about it is often wrong.

use std::time::Duration;

use crate::time::Mono;

/// The usual time from one packet to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packets {
    last: Option<Mono>,
    usual: Option<Duration>,
}

impl Packets {
    /// One arrived at `at`.
    pub(super) fn note(&mut self, at: Mono) {
        if let Some(last) = self.last.replace(at) {
            self.usual = Some(smoothed(self.usual, at.since(last)));
        }
    }

    /// Notes that what arrives next does not continue what arrived before.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
    }

    /// Zero while it is not known.
    pub(super) fn usual(&self) -> Duration {
        self.usual.unwrap_or_default()
    }
}

/// The usual time from one key frame to the next: rather too long than too short, since whoever
/// lives on key frames sees nothing in between. Some encoders put one wherever the picture changes,
/// and none for ten seconds after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyFrames {
    last: Option<Mono>,
    usual: Option<Duration>,
    /// So many intervals were noted.
    intervals: u32,
}

/// An interval that is so many times as long as the usual one is no jitter.
const LONGER: f64 = 1.5;
/// Fewer intervals are no rhythm.
const SETTLED: u32 = 2;

impl KeyFrames {
    /// One arrived at `at`.
    pub(super) fn note(&mut self, at: Mono) {
        let Some(last) = self.last.replace(at) else { return };
        let new = at.since(last);
        let rises = |usual: Duration| new > usual.mul_f64(LONGER);
        let usual = if self.usual.is_some_and(rises) { new } else { smoothed(self.usual, new) };
        self.usual = Some(usual);
        self.intervals = self.intervals.saturating_add(1);
    }

    /// Notes that what arrives next does not continue what arrived before; the rhythm is likely the
    /// same.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
    }

    /// Returns the time at which the last one arrived; none since the stream began, or was
    /// interrupted.
    pub(super) fn last(&self) -> Option<Mono> {
        self.last
    }

    /// None while no interval is known.
    pub(super) fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// Returns whether the interval was measured often enough to be relied on.
    pub(super) fn is_settled(&self) -> bool {
        self.intervals >= SETTLED
    }

    /// Returns the time at which the next one is to be expected.
    pub(super) fn next(&self) -> Option<Mono> {
        self.last.zip(self.usual).map(|(last, usual)| last + usual)
    }
}

fn smoothed(usual: Option<Duration>, new: Duration) -> Duration {
    usual.map_or(new, |usual| (usual * 3 + new) / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(intervals_ms: &[u64]) -> KeyFrames {
        let mut key_frames = KeyFrames::default();
        let mut at = Mono(7_000_000);
        key_frames.note(at);
        for ms in intervals_ms {
            at = at + Duration::from_millis(*ms);
            key_frames.note(at);
        }
        key_frames
    }

    #[test]
    fn a_longer_interval_counts_at_once_and_shorter_ones_by_and_by() {
        let usual = |intervals_ms: &[u64]| heard(intervals_ms).usual().map(|d| d.as_millis());
        assert_eq!(usual(&[]), None);
        assert_eq!(usual(&[2_000, 2_200, 1_900, 2_100]), Some(2_034), "jitter");
        assert_eq!(usual(&[1_320, 4_520]), Some(4_520), "a key frame for a change of the scene");
        assert_eq!(usual(&[2_000, 2_000, 500, 2_000]), Some(1_718));
        assert_eq!(usual(&[2_000, 4_000, 2_000, 2_000]), Some(3_125), "one was lost");
    }

    #[test]
    fn one_interval_is_not_settled_and_interruptions_are_ignored() {
        assert_eq!(
            [0, 1, 2, 3].map(|count| heard(&[2_000; 3][..count]).is_settled()),
            [false, false, true, true]
        );
        let mut key_frames = heard(&[2_000]);
        key_frames.interrupt();
        key_frames.note(Mono(90_000_000));
        assert_eq!(key_frames.usual(), Some(Duration::from_secs(2)));
        assert!(!key_frames.is_settled());
        assert_eq!(key_frames.next(), Some(Mono(92_000_000)));
    }
}
