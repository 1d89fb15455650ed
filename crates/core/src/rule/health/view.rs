//! A camera that gives pictures but does not see its street any more: covered, sprayed, turned
//! away, out of focus, dazzled. Pure.
//!
//! What it usually sees is learnt as the texture of each cell of the picture, slowly, so that dawn
//! and dusk are followed, and apart for pictures with and without colour: a camera's infrared
//! filter changes everything at once, every evening. Judged is how much of the usual texture is
//! still there, and whether it lies where it used to. Heavy rain takes half of the texture, fog
//! more; a cloth takes all. A covered lens sees no colour either: where the view without colour is
//! not known yet, next to nothing must be left of the one with colour.
//!
//! A view that stays changed for long is the new one: somebody has hung the camera elsewhere.

use std::time::Duration;

use crate::picture::statistics::{CELLS, FrameStatistics};
use crate::time::Stamp;

/// So much seen before anything is judged.
const LEARN: Duration = Duration::from_secs(120);
/// The time constant by which the baseline forgets.
const FOLLOW: Duration = Duration::from_secs(600);
/// One look vouches for no more time than this.
const CREDIT_MAX: Duration = Duration::from_secs(5);
/// A changed view is taken for the new one after so long.
const ACCEPT: Duration = Duration::from_secs(1_800);
/// Of the usual texture, a view that sees keeps at least this share.
const KEPT_MIN: f32 = 0.25;
/// It lies where it used to: correlation over the cells.
const LIKENESS_MIN: f32 = 0.25;
/// The same where the view is compared with that of another light.
const LEFT_MIN: f32 = 0.08;
/// A usual view with less texture a pixel than this is nothing to judge by.
const TEXTURE_MIN: f32 = 1.0;
/// Mean brightness of a picture without any light, 0..255.
const DARK_BELOW: f32 = 24.0;

/// The verdict of one frame about the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ViewVerdict {
    /// As usual, or nothing can be said.
    Sees,
    /// Too little of the usual view is left.
    Blind,
    /// There is no light: a street without power, or a covered lens by day.
    Dark,
}

/// The usual views of one camera.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// With colour, and without.
    usual: [Baseline; 2],
    last: Option<Stamp>,
    strange_since: Option<Stamp>,
}

#[derive(Clone, Debug)]
struct Baseline {
    texture: [f32; CELLS],
    seen: Duration,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { texture: [0.0; CELLS], seen: Duration::ZERO }
    }
}

impl View {
    /// Takes in a picture and judges it.
    pub(super) fn see(&mut self, look: &FrameStatistics, at: Stamp) -> ViewVerdict {
        let passed = self.last.map_or(Duration::ZERO, |last| at.mono.since(last.mono));
        self.last = Some(at);
        let verdict = self.judge(look);
        let usual = &mut self.usual[usize::from(look.grey)];
        if verdict == ViewVerdict::Sees {
            self.strange_since = None;
            usual.learn(look, passed.min(CREDIT_MAX));
            return verdict;
        }
        let since = *self.strange_since.get_or_insert(at);
        if at.mono.since(since.mono) >= ACCEPT && verdict == ViewVerdict::Blind {
            // What is there now is all that will be.
            *usual = Baseline::default();
            self.strange_since = None;
            return ViewVerdict::Sees;
        }
        verdict
    }

    fn judge(&self, look: &FrameStatistics) -> ViewVerdict {
        let now = textures(look);
        let mode = usize::from(look.grey);
        let (own, other) = (&self.usual[mode], &self.usual[1 - mode]);
        let changed = if own.is_known() {
            own.kept(&now) < KEPT_MIN || likeness(&now, &own.texture) < LIKENESS_MIN
        } else {
            other.is_known() && other.kept(&now) < LEFT_MIN
        };
        match changed {
            false => ViewVerdict::Sees,
            true if look.light() < DARK_BELOW => ViewVerdict::Dark,
            true => ViewVerdict::Blind,
        }
    }

    /// The camera was away: time that nobody saw is not learnt.
    pub(super) fn interrupt(&mut self) {
        (self.last, self.strange_since) = (None, None);
    }
}

impl Baseline {
    #[expect(clippy::cast_precision_loss, reason = "a measure, not an account")]
    fn is_known(&self) -> bool {
        self.seen >= LEARN && self.texture.iter().sum::<f32>() >= TEXTURE_MIN * CELLS as f32
    }

    /// Returns which share of it is still there, 0..1.
    fn kept(&self, now: &[f32; CELLS]) -> f32 {
        let kept: f32 = now.iter().zip(&self.texture).map(|(a, b)| a.min(*b)).sum();
        kept / self.texture.iter().sum::<f32>().max(f32::EPSILON)
    }

    fn learn(&mut self, look: &FrameStatistics, passed: Duration) {
        self.seen = self.seen.saturating_add(passed);
        // A mean at first, a slow average later.
        let memory = self.seen.min(FOLLOW).as_secs_f32();
        let share = if memory > 0.0 { passed.as_secs_f32() / memory } else { 1.0 };
        for (usual, now) in self.texture.iter_mut().zip(textures(look)) {
            *usual += (now - *usual) * share.min(1.0);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a measure, not an account")]
fn textures(look: &FrameStatistics) -> [f32; CELLS] {
    std::array::from_fn(|i| look.cells[i].texture as f32 / look.pixels_a_cell)
}

/// Correlation of two views, -1 to 1; 1 where one of them is even, which tells nothing.
#[expect(clippy::cast_precision_loss, reason = "a measure, not an account")]
fn likeness(a: &[f32; CELLS], b: &[f32; CELLS]) -> f32 {
    let mean = |values: &[f32; CELLS]| values.iter().sum::<f32>() / CELLS as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 1.0 }
}
