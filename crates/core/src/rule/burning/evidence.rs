//! Evidence of something burning, over real time, for each part of the view.
//!
//! The view is a fixed grid; a sight touches every cell that its box, grown by half its size,
//! reaches: a flame's boxes split, merge and change from frame to frame, and what they share is
//! the place. A frame that shows flames there adds the time since the camera's frame before; one
//! that does not takes part of it away, and never below nothing: Page's cumulative sum
//! (Biometrika 1954), in seconds. So a flame that the detector finds in half of the frames
//! confirms too, only later, and one that flashes, or a lamp that passes by, never does.
//!
//! Two sums are kept. The *plain* one takes sights as they are; all but those that look the same
//! in nearly half of the cases, or travel: of these it takes less, and nothing of a lamp whose
//! box is always the same. The *weighed* one takes back what such sights have brought, and takes
//! more of what grows. Something burns where the weighed sum reaches the time of confirmation, or
//! the plain one [`PLAIN_BAR`] times that. Where people declared false alarms both bars are
//! higher, by up to [`MEMORY_WEIGHED`] and [`MEMORY_PLAIN`] times the time of confirmation. So a
//! flame, whose box is hardly ever the same twice, is never delayed beyond the plain bar, whatever
//! speaks against it.
//!
//! Both sums rise with each sight that is added, each one that is surer, and each lower threshold:
//! more evidence never alarms later, but for what it tells of a thing's nature.

use std::time::Duration;

use crate::geometry::BoundingBox;
use crate::rule::memory::VerdictWeight;
use crate::time::Stamp;

/// Times the time of confirmation: so much plain evidence suffices.
const PLAIN_BAR: f64 = 10.0;
/// And so much more where many fresh verdicts of people speak against it.
const MEMORY_PLAIN: f64 = 10.0;
/// At places with false alarms the weighed bar is so many times higher, plus one.
const MEMORY_WEIGHED: f64 = 9.0;
/// The share of the memory of false alarms that is left for a thing that grows.
const MEMORY_OF_GROWTH: f64 = 0.1;
/// A frame without the thing takes away this share of what one with it adds. Flames flicker and
/// the detector is no better than it is: at 0.3, found in a quarter of the frames just holds.
const DOUBT: f64 = 0.3;
/// A thing that grows gains as many times as fast.
const GROWTH_GAIN: f64 = 1.5;
/// No camera that streams is left without a look for much longer; after a longer time, what was
/// seen before is another matter.
const GAP_MAX: Duration = Duration::from_secs(6);
/// Of the bars, what a sum comes to at most: so that a fire that goes out is forgotten.
const CAP: f64 = 1.5;
/// The error that many small sums may add up to.
const ROUNDING_S: f64 = 1e-6;
/// A sight reaches as many of its own sizes beyond its box on each side.
const REACH: f32 = 0.5;
const COLUMNS: u8 = 32;
const ROWS: u8 = 18;
const CELLS: usize = COLUMNS as usize * ROWS as usize;

/// One sight as evidence.
#[derive(Clone, Copy, Debug)]
pub(super) struct BurningSight {
    /// The place of it.
    pub(super) bbox: BoundingBox,
    /// Of the detector, 0..1.
    pub(super) confidence: f32,
    /// Tells whether it is sure enough to count by itself; others count where a sure one was of
    /// late.
    pub(super) sure: bool,
    /// The degree to which its nature speaks against it, 0..1.
    pub(super) objection: f64,
    /// Tells whether it grows.
    pub(super) grows: bool,
}

impl BurningSight {
    /// Returns what it adds to the plain sum in a second.
    fn plain(&self) -> f64 {
        (2.0 * (1.0 - self.objection)).min(1.0)
    }

    /// Returns what it adds to the weighed sum in a second, where verdicts are `doubt` against its
    /// place.
    fn weighed(&self, doubt: f64) -> f64 {
        let gain = (1.0 + DOUBT) * (1.0 - self.objection) - DOUBT;
        if !self.grows || gain <= 0.0 {
            return gain;
        }
        gain * GROWTH_GAIN * weighed_bar(doubt) / weighed_bar(doubt * MEMORY_OF_GROWTH)
    }
}

/// Of the time of confirmation, what the weighed sum must come to.
fn weighed_bar(doubt: f64) -> f64 {
    1.0 + MEMORY_WEIGHED * doubt
}

/// Of the time of confirmation, what the plain sum must come to.
fn plain_bar(doubt: f64) -> f64 {
    PLAIN_BAR + MEMORY_PLAIN * doubt
}

/// The evidence of one cell in one frame.
#[derive(Clone, Copy, Debug)]
struct CellEvidence {
    sure: bool,
    plain: f64,
    weighed: f64,
    /// The surest sight's number.
    best: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    since: Stamp,
    last_sure: Stamp,
    plain_s: f64,
    weighed_s: f64,
}

/// The strongest evidence that a frame has added to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Strongest {
    /// Its surest sight's number.
    pub(super) sight: usize,
    /// Since when that place has been seen.
    pub(super) since: Stamp,
    /// Tells whether it suffices.
    pub(super) suffices: bool,
}

/// The way in which one frame is weighed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighing<'a> {
    /// The time at which it was taken.
    pub(super) at: Stamp,
    /// The time that the frame vouches for: that since the frame before.
    pub(super) credit: Duration,
    /// The time that it does not vouch for: the rest of that time, in which no frame was analysed.
    pub(super) gap: Duration,
    /// The time of confirmation.
    pub(super) confirm: Duration,
    /// Weak sights count where a sure one was no longer ago, what nobody looked at left out.
    pub(super) patience: Duration,
    /// The place where people declared false alarms.
    pub(super) marks: &'a [VerdictWeight],
}

impl Weighing<'_> {
    /// Tells whether `last_sure` was of late. Where nobody looked, nothing was missed: were it
    /// counted, a camera that is looked at more rarely than the time of confirmation would begin
    /// anew with each look, and never tell of a fire.
    fn is_recent(&self, last_sure: Stamp) -> bool {
        self.at.mono.since(last_sure.mono) <= self.patience + self.gap.min(GAP_MAX)
    }

    /// Returns how strongly people's verdicts speak against a cell, 0..1.
    fn doubt(&self, index: usize) -> f64 {
        if self.marks.is_empty() {
            return 0.0;
        }
        let cell = cell_box(index);
        let there = self.marks.iter().filter(|mark| mark.area.intersection(&cell) > 0.0);
        there.map(|mark| mark.doubt).fold(0.0, f64::max)
    }
}

/// The evidence of one class on one camera. Empty while nothing is seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    cells: Vec<Option<Cell>>,
}

impl Ledger {
    /// Tells whether some weighed evidence has gathered.
    pub(super) fn is_tense(&self) -> bool {
        self.cells.iter().flatten().any(|cell| cell.weighed_s > 0.0)
    }

    /// Tells whether the frame of `at` has shown something that is sure.
    pub(super) fn glimpses(&self, at: Stamp) -> bool {
        self.cells.iter().flatten().any(|cell| cell.last_sure == at)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
    }

    /// Takes in what one frame shows, in any order.
    pub(super) fn weigh(
        &mut self,
        sights: &[BurningSight],
        how: Weighing<'_>,
    ) -> Option<Strongest> {
        if self.cells.is_empty() && sights.is_empty() {
            return None;
        }
        self.cells.resize(CELLS, None);
        for cell in self.cells.iter_mut().filter(|_| !how.gap.is_zero()) {
            lose(cell, how.gap.as_secs_f64(), how);
        }
        let touches = self.touches(sights, how);
        let mut strongest: Option<(f64, f64, Strongest)> = None;
        for (index, (cell, touch)) in self.cells.iter_mut().zip(&touches).enumerate() {
            if cell.is_none() && touch.is_none() {
                continue;
            }
            let (weighed, plain, suffices) = settle(cell, *touch, how.doubt(index), how);
            let (Some(touch), Some(cell)) = (touch, cell) else { continue };
            let above = |(w, p, s): &(f64, f64, Strongest)| {
                (suffices, weighed, plain) > (s.suffices, *w, *p)
            };
            if strongest.as_ref().is_none_or(above) {
                let found = Strongest { sight: touch.best, since: cell.since, suffices };
                strongest = Some((weighed, plain, found));
            }
        }
        if self.cells.iter().all(Option::is_none) {
            self.cells.clear();
        }
        strongest.map(|(_, _, found)| found)
    }

    /// Returns what each cell is touched by; the surest sights first, so that weak ones of the same
    /// frame count beside them.
    fn touches(&self, sights: &[BurningSight], how: Weighing<'_>) -> Vec<Option<CellEvidence>> {
        let mut touches: Vec<Option<CellEvidence>> = vec![None; CELLS];
        let sure = sights.iter().enumerate().filter(|(_, sight)| sight.sure);
        let weak = sights.iter().enumerate().filter(|(_, sight)| !sight.sure);
        for (number, sight) in sure.chain(weak) {
            for index in cells_of(&sight.bbox) {
                let known = self.cells[index].is_some_and(|cell| how.is_recent(cell.last_sure));
                let touch = &mut touches[index];
                if !sight.sure && !known && touch.is_none() {
                    continue;
                }
                let new = CellEvidence {
                    sure: sight.sure,
                    plain: sight.plain(),
                    weighed: sight.weighed(how.doubt(index)),
                    best: number,
                };
                *touch = Some(touch.map_or(new, |old| CellEvidence {
                    sure: old.sure || new.sure,
                    plain: old.plain.max(new.plain),
                    weighed: old.weighed.max(new.weighed),
                    best: surer(sights, old.best, new.best),
                }));
            }
        }
        touches
    }
}

/// Takes back from `slot` what seconds without the thing do.
fn lose(slot: &mut Option<Cell>, seconds: f64, how: Weighing<'_>) {
    let Some(cell) = slot else { return };
    cell.plain_s = (cell.plain_s - DOUBT * seconds).max(0.0);
    cell.weighed_s = (cell.weighed_s - DOUBT * seconds).max(0.0);
    if cell.plain_s <= 0.0 && !how.is_recent(cell.last_sure) {
        *slot = None;
    }
}

/// Adds to `slot` what the frame shows of it, or takes back what it doesn't. The weighed and the
/// plain sum of what it shows, and whether they suffice against the `doubt` of people's verdicts.
fn settle(
    slot: &mut Option<Cell>,
    touch: Option<CellEvidence>,
    doubt: f64,
    how: Weighing<'_>,
) -> (f64, f64, bool) {
    let credit_s = how.credit.as_secs_f64();
    let confirm_s = how.confirm.as_secs_f64();
    let Some(cell) = slot else {
        // The first sight counts nothing: it may be a flash.
        let fresh = Cell { since: how.at, last_sure: how.at, plain_s: 0.0, weighed_s: 0.0 };
        *slot = touch.map(|_| fresh);
        return (0.0, 0.0, touch.is_some() && how.confirm.is_zero());
    };
    if touch.is_some_and(|touch| touch.sure) {
        cell.last_sure = how.at;
    }
    let Some(touch) = touch else {
        lose(slot, credit_s, how);
        return (0.0, 0.0, false);
    };
    let plain_bar_s = confirm_s * plain_bar(doubt);
    let weighed_bar_s = confirm_s * weighed_bar(doubt);
    let (plain, weighed) = (touch.plain * credit_s, touch.weighed * credit_s);
    cell.plain_s = (cell.plain_s + plain).clamp(0.0, plain_bar_s);
    cell.weighed_s = (cell.weighed_s + weighed).clamp(0.0, weighed_bar_s * CAP);
    let (plain_s, weighed_s) = (cell.plain_s, cell.weighed_s);
    let reaches = |sum_s: f64, bar_s: f64| sum_s + ROUNDING_S >= bar_s;
    let suffices = reaches(weighed_s, weighed_bar_s) || reaches(plain_s, plain_bar_s);
    (weighed_s, plain_s, suffices)
}

/// The surer of two sights; of equal ones the one that stands further left, then higher.
fn surer(sights: &[BurningSight], a: usize, b: usize) -> usize {
    let rank = |number: usize| {
        let BurningSight { bbox, confidence, .. } = sights[number];
        [confidence, -bbox.x0, -bbox.y0, -bbox.x1, -bbox.y1]
    };
    if rank(b) > rank(a) { b } else { a }
}

/// The cells that a box reaches.
fn cells_of(bbox: &BoundingBox) -> impl Iterator<Item = usize> {
    let around = bbox.grown(REACH);
    let columns = part(around.x0, COLUMNS)..=part(around.x1, COLUMNS);
    let rows = part(around.y0, ROWS)..=part(around.y1, ROWS);
    rows.flat_map(move |row| columns.clone().map(move |column| row * usize::from(COLUMNS) + column))
}

/// The part of the view that a cell is.
fn cell_box(index: usize) -> BoundingBox {
    let (row, column) = (index / usize::from(COLUMNS), index % usize::from(COLUMNS));
    let edge = |number: usize, count: u8| {
        f32::from(u8::try_from(number).unwrap_or(count)) / f32::from(count)
    };
    BoundingBox::new(
        edge(column, COLUMNS),
        edge(row, ROWS),
        edge(column + 1, COLUMNS),
        edge(row + 1, ROWS),
    )
}

/// The part of `count` equal ones that `share` (0..1) lies in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..1 of a few")]
fn part(share: f32, count: u8) -> usize {
    let part = (share * f32::from(count)) as usize;
    part.min(usize::from(count) - 1)
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
