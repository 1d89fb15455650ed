//! A picture that does not change any more, though it keeps coming. Pure.
//!
//! A scene without motion still differs from picture to picture: sensors are noisy, and every key
//! frame is encoded anew. Only the very same picture, told by the exact sums of its cells, is
//! stuck. An encoder that is fed one picture for ever still sends a few different ones, the frames
//! of a group after its key frame, again and again: so a picture is held against all of the last
//! half minute, and no more: what a recording shows again and again is not stuck. The clock that
//! many cameras write into a corner may go on, so a few cells may differ.
//! Where the encoder's rate control never settles, a stuck picture is not noticed.
//! A picture without texture (a black night) can't be told from a stuck one and never counts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::picture::statistics::{CELLS, FrameStatistics};
use crate::time::Stamp;

/// Cells with less texture a pixel than this show nothing that could change.
const TEXTURED: f32 = 0.5;
/// With fewer textured cells nothing can be said.
const CELLS_MIN: usize = CELLS / 4;
/// The time for which a picture is remembered; longer than the groups of most encoders.
const REMEMBERED: Duration = Duration::from_secs(30);
/// So many of them at most.
const HISTORY: usize = 64;
/// As many of the textured cells in a hundred must stay the same.
const SAME_PERCENT: usize = 92;

/// Watches one camera for the same picture again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Stillness {
    /// Different ones and when they were last seen, the newest last.
    history: VecDeque<(Stamp, FrameStatistics)>,
    since: Option<Stamp>,
}

impl Stillness {
    /// Takes in a picture; since when it has been the same, or `None` where it is not.
    pub(super) fn see(&mut self, look: &FrameStatistics, at: Stamp) -> Option<Stamp> {
        self.history.retain(|(seen, _)| at.mono.since(seen.mono) <= REMEMBERED);
        let known = self.history.iter().rposition(|(_, before)| is_same(before, look));
        if let Some(index) = known {
            self.history.remove(index);
        } else if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((at, look.clone()));
        if known.is_none() {
            self.since = None;
            return None;
        }
        Some(*self.since.get_or_insert(at))
    }

    /// The camera was away: what comes next is compared with nothing.
    pub(super) fn interrupt(&mut self) {
        *self = Self::default();
    }
}

fn is_same(a: &FrameStatistics, b: &FrameStatistics) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a threshold")]
    let textured = |look: &FrameStatistics, i: usize| {
        look.cells[i].texture as f32 >= TEXTURED * look.pixels_a_cell
    };
    let (mut judged, mut same) = (0, 0);
    for i in (0..CELLS).filter(|&i| textured(a, i) || textured(b, i)) {
        judged += 1;
        same += usize::from(a.cells[i] == b.cells[i]);
    }
    judged >= CELLS_MIN && same * 100 >= judged * SAME_PERCENT
}
