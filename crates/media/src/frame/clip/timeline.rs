//! A container's timestamps, which may be missing, absurd or out of order.

use ffmpeg_next as ffmpeg;

/// From a container's timestamps to microseconds that never run backwards.
pub(super) struct Timeline {
    numerator: i64,
    denominator: i64,
    frame_us: i64,
    origin_us: i64,
    last_dts_us: i64,
    last_duration_us: i64,
}

impl Timeline {
    pub(super) fn new(time_base: ffmpeg::Rational, frame_rate: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the rate lies in 0.01..=1000")]
        let frame_us = (1_000_000.0 / frame_rate) as i64;
        Self {
            numerator: i64::from(time_base.numerator()),
            denominator: i64::from(time_base.denominator()).max(1),
            frame_us,
            origin_us: 0,
            last_dts_us: i64::MIN,
            last_duration_us: 0,
        }
    }

    /// From now on times count from `origin_us`.
    pub(super) fn rebase(&mut self, origin_us: i64) {
        self.origin_us = origin_us;
        self.last_dts_us = self.last_dts_us.saturating_sub(origin_us);
    }

    /// Presentation, decoding and duration in microseconds.
    pub(super) fn place(
        &mut self,
        pts: Option<i64>,
        dts: Option<i64>,
        duration: i64,
    ) -> (i64, i64, i64) {
        let duration_us = match self.micros(duration) {
            known @ 1.. => known,
            _ => self.frame_us,
        };
        let follows = if self.last_dts_us == i64::MIN {
            0
        } else {
            self.last_dts_us.saturating_add(self.last_duration_us)
        };
        let told = dts.map(|ticks| self.micros(ticks).saturating_sub(self.origin_us));
        let dts_us = told.unwrap_or(follows).max(self.last_dts_us);
        let pts_us = pts.map_or(dts_us, |ticks| self.micros(ticks).saturating_sub(self.origin_us));
        (self.last_dts_us, self.last_duration_us) = (dts_us, duration_us);
        (pts_us, dts_us, duration_us)
    }

    fn micros(&self, ticks: i64) -> i64 {
        let scaled = i128::from(ticks) * i128::from(self.numerator) * 1_000_000;
        let micros = scaled / i128::from(self.denominator);
        i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missing_times_follow_the_frame_rate() {
        let mut timeline = Timeline::new(ffmpeg::Rational(1, 1000), 10.0);
        assert_eq!(timeline.place(None, None, 0), (0, 0, 100_000));
        assert_eq!(timeline.place(None, None, 0), (100_000, 100_000, 100_000));
        assert_eq!(timeline.place(Some(500), Some(400), 40), (500_000, 400_000, 40_000));
        assert_eq!(timeline.place(None, None, 40), (440_000, 440_000, 40_000));
    }

    #[test]
    fn decoding_never_runs_backwards() {
        let mut timeline = Timeline::new(ffmpeg::Rational(1, 1000), 10.0);
        timeline.place(Some(400), Some(400), 40);
        assert_eq!(timeline.place(Some(360), Some(360), 40).1, 400_000);
    }

    proptest! {
        #[test]
        fn no_timestamps_cause_a_panic(
            base: (i32, i32),
            times: Vec<(Option<i64>, Option<i64>, i64)>,
        ) {
            let mut timeline = Timeline::new(ffmpeg::Rational(base.0, base.1), 25.0);
            let mut last = i64::MIN;
            for (pts, dts, duration) in times {
                let (_, dts_us, duration_us) = timeline.place(pts, dts, duration);
                prop_assert!(dts_us >= last && duration_us > 0);
                last = dts_us;
            }
        }
    }
}
