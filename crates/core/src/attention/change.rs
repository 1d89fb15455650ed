//! Tells whether something moves in front of a camera, from a coarse grid of its small picture.
//!
//! For streams whose packets tell nothing: at a constant bit rate, or where a far figure costs the
//! encoder next to nothing. The mean brightness of each cell is compared with that of the two looks
//! before (three-frame differencing: Y. Kameda and M. Minoh, 1996), after the change that the whole
//! picture shares (a cloud, the exposure) is taken out. A cell's usual change (leaves, noise, a
//! lamp that flickers) is learnt as in [`motion`](super::motion); more than the usual, in a few
//! cells, twice in a row, is motion: an insect before the infrared lamp is there for one look. In
//! half of the picture it is light, or the camera itself.

use std::time::Duration;

use crate::time::Mono;

/// Looks further apart than this are not compared.
const GAP_MAX: Duration = Duration::from_secs(5);
/// Looks that are taken in before anything is said.
const LEARN: u32 = 5;
/// So many usual changes are motion.
const USUAL_TIMES: f32 = 4.0;
/// The least change of a cell that is motion, in steps of brightness (0..255).
const CHANGE_MIN: f32 = 1.5;
/// The baseline follows what is seen by at most this share a frame; while it is new, by more.
const SHARE: f32 = 0.05;
const SHARE_NEW: f32 = 0.25;
/// Moving parts change the baseline so much more slowly: they go away again.
const MOVING_SHARE: f32 = 0.3;
/// Least and largest usual change.
const USUAL: (f32, f32) = (0.05, 30.0);
/// A picture too dark to be compared in proportions, in steps of brightness.
const DARK: f32 = 4.0;

/// Watches one camera's looks of `CELLS` cells.
#[derive(Clone, Debug)]
pub struct Change<const CELLS: usize> {
    before: Option<(Mono, bool)>,
    /// The look before, and the one before that in the light of the look before.
    light: [f32; CELLS],
    earlier: [f32; CELLS],
    usual: [f32; CELLS],
    /// Looks that were compared.
    seen: u32,
    /// The look before showed something new.
    stirred: bool,
}

impl<const CELLS: usize> Default for Change<CELLS> {
    fn default() -> Self {
        let zero = [0.0; CELLS];
        let (seen, stirred) = (0, false);
        Self { before: None, light: zero, earlier: zero, usual: [0.5; CELLS], seen, stirred }
    }
}

impl<const CELLS: usize> Change<CELLS> {
    /// Takes in the mean brightness of each cell (0..255) at `at`, and whether the picture is
    /// `grey` (infrared light); whether something moves since the look before.
    pub fn see(&mut self, at: Mono, grey: bool, light: [f32; CELLS]) -> bool {
        let before = self.before.replace((at, grey));
        let comparable = |(then, was_grey): (Mono, bool)| {
            was_grey == grey && at > then && at.since(then) <= GAP_MAX
        };
        if !before.is_some_and(comparable) {
            (self.light, self.earlier, self.stirred) = (light, light, false);
            return false;
        }
        let gain = shared_gain(&self.light, &light);
        let relit = |was: f32| (was + DARK) * gain - DARK;
        let share = if self.seen < 2 * LEARN { SHARE_NEW } else { SHARE };
        let learnt = self.seen >= LEARN;
        self.seen = self.seen.saturating_add(1);
        let mut stirring = 0;
        for (cell, usual) in self.usual.iter_mut().enumerate() {
            let before = relit(self.light[cell]);
            let change = (light[cell] - before).abs();
            let margin = (USUAL_TIMES * *usual).max(CHANGE_MIN);
            let moves = change > margin;
            let returns = (light[cell] - relit(self.earlier[cell])).abs() <= margin;
            stirring += usize::from(moves && !returns);
            let share = if moves && learnt { share * MOVING_SHARE } else { share };
            let factor = if change > *usual { 1.0 + share } else { 1.0 / (1.0 + share) };
            *usual = (*usual * factor).clamp(USUAL.0, USUAL.1);
            (self.light[cell], self.earlier[cell]) = (light[cell], before);
        }
        let stirs = learnt && stirring > 0 && 2 * stirring <= CELLS;
        let stirred = std::mem::replace(&mut self.stirred, stirs);
        stirs && stirred
    }
}

/// By how much the whole picture became brighter: the median over its cells, which what moves in
/// less than half of them does not touch.
fn shared_gain<const CELLS: usize>(was: &[f32; CELLS], now: &[f32; CELLS]) -> f32 {
    let mut gains = [1.0; CELLS];
    for ((was, now), gain) in was.iter().zip(now).zip(&mut gains) {
        *gain = (now + DARK) / (was + DARK);
    }
    let (_, median, _) = gains.select_nth_unstable_by(CELLS / 2, f32::total_cmp);
    *median
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "few seconds")]
mod tests {
    use super::*;

    const CELLS: usize = 144;

    /// A street of uneven light; `noise` steps of brightness either way.
    fn street(second: u64, noise: f32) -> [f32; CELLS] {
        std::array::from_fn(|cell| {
            let chance = (second * 7919 + cell as u64 * 104_729) * 2_654_435_761 % 1_000;
            20.0 + (cell * 37 % 100) as f32 + noise * (chance as f32 / 500.0 - 1.0)
        })
    }

    /// The seconds of `range` in which motion was told.
    fn told(
        change: &mut Change<CELLS>,
        range: std::ops::Range<u64>,
        look: impl Fn(u64) -> [f32; CELLS],
    ) -> Vec<u64> {
        range.filter(|s| change.see(Mono(s * 1_000_000), false, look(*s))).collect()
    }

    #[test]
    fn who_walks_through_a_still_street_is_seen_at_the_second_look_and_only_while_walking() {
        let look = |second: u64| {
            let mut cells = street(second, 0.3);
            if (30..36).contains(&second) {
                cells[40 + (second - 30) as usize] += 4.0;
            }
            cells
        };
        assert_eq!(told(&mut Change::default(), 0..90, look), (31..36).collect::<Vec<_>>());
    }

    #[test]
    fn an_insect_before_the_lamp_or_a_lamp_that_blinks_is_no_motion() {
        let look = |second: u64| {
            let mut cells = street(second, 0.3);
            if second % 8 == 2 {
                cells[second as usize] += 15.0;
            }
            if second % 8 > 3 {
                cells[7] += 20.0;
            }
            cells
        };
        assert_eq!(told(&mut Change::default(), 0..90, look), Vec::<u64>::new());
    }

    #[test]
    fn what_changes_the_whole_picture_moves_nothing() {
        type Paint = fn(u64, f32) -> f32;
        let cases: [(&str, Paint); 4] = [
            ("a cloud", |s, light| if s >= 30 { light * 0.8 } else { light }),
            ("a flash", |s, light| if s == 30 { light + 90.0 } else { light }),
            ("dusk", |s, light| light * 0.995_f32.powi(s as i32)),
            ("exposure that hunts", |s, light| light * (1.0 + 0.1 * (s % 3) as f32)),
        ];
        for (name, paint) in cases {
            let look = |s| street(s, 0.3).map(|light| paint(s, light));
            assert_eq!(told(&mut Change::default(), 0..90, look), Vec::<u64>::new(), "{name}");
        }
    }

    #[test]
    fn leaves_in_the_wind_become_usual_and_who_walks_elsewhere_is_still_seen() {
        let look = |second: u64| {
            let mut cells = street(second, 0.3);
            for cell in &mut cells[..20] {
                *cell += if second.is_multiple_of(2) { 5.0 } else { 0.0 };
            }
            if (300..303).contains(&second) {
                cells[second as usize - 200] += 5.0;
            }
            cells
        };
        let told = told(&mut Change::default(), 0..320, look);
        assert!(told.iter().all(|s| *s < 60 || (301..303).contains(s)), "{told:?}");
        assert!(told.contains(&301), "{told:?}");
    }

    #[test]
    fn a_switch_to_infrared_or_a_long_gap_is_not_compared() {
        let mut change = Change::default();
        told(&mut change, 0..30, |s| street(s, 0.3));
        let other = street(7, 0.3).map(|light| 255.0 - light);
        assert!(!change.see(Mono(30_000_000), true, other));
        assert!(!change.see(Mono(36_000_001), true, street(36, 0.3)));
        // Nor does time that stands still or runs back.
        assert!(!change.see(Mono(36_000_001), true, other));
    }
}
