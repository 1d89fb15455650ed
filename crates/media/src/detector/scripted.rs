//! A detector that needs no model: it finds patches of pure colour. For tests of what stands
//! around a detector, and for demonstrations without one.
//!
//! It sees what the scripted test models see: cells of 8x8 pixels of the input, in which red
//! stands for fire, green for smoke, blue for a person. Cells of one class that touch (not over
//! corners) make one detection, and the shades of a person's patch are what the person looks like.
//! The same pixels always give the same boxes.

use super::Detector;
use super::appearance;
use super::nms;
use super::onnx::Error;
use crate::detection::Class;
use crate::detection::Detection;
use crate::frame::Frame;
use crate::frame::InputFormat;
use crate::frame::Placement;
use crate::frame::Size;

/// Side of a cell in pixels of the input.
const CELL: usize = 8;

/// Scores below are nothing.
const SCORE_MIN: f32 = 0.3;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct ScriptedDetector {
    input: InputFormat,
}

impl ScriptedDetector {
    /// A detector for inputs of this size, which must be whole cells of 8x8 pixels.
    pub fn new(size: Size) -> Self {
        Self { input: InputFormat { size, placement: Placement::Center, pad: 114 } }
    }

    fn detect_one(&self, frame: &Frame) -> Vec<Detection> {
        let grid = CellGrid::new(frame, self.input.size);
        let mut seen = vec![false; grid.cells.len()];
        let mut found = Vec::new();
        for start in 0..grid.cells.len() {
            if let Some((class, _)) = grid.cells[start]
                && !seen[start]
            {
                found.push(grid.patch(start, class, &mut seen).to_detection(class, frame));
            }
        }
        nms::sort(&mut found);
        appearance::note(frame, &mut found);
        found
    }
}

impl Detector for ScriptedDetector {
    fn input(&self) -> InputFormat {
        self.input
    }

    fn detect(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, Error> {
        let Size { width, height } = self.input.size;
        let expected = 3 * width as usize * height as usize;
        let sized = |frame: &&Frame| {
            if frame.pixels.len() == expected {
                return Ok(self.detect_one(frame));
            }
            let (camera, found) = (frame.camera.clone(), frame.pixels.len());
            Err(Error::Frame { camera, expected, found })
        };
        frames.iter().map(sized).collect()
    }
}

/// The colours of all cells, row by row.
struct CellGrid {
    columns: usize,
    cells: Vec<Option<(Class, f32)>>,
}

impl CellGrid {
    fn new(frame: &Frame, size: Size) -> Self {
        let (width, height) = (size.width as usize, size.height as usize);
        let (columns, rows) = (width / CELL, height / CELL);
        let plane = width * height;
        let mean = |channel: usize, index: usize| {
            let (x, y) = (index % columns * CELL, index / columns * CELL);
            let row = |y: usize| channel * plane + y * width + x;
            let sum = (y..y + CELL).map(|y| &frame.pixels[row(y)..row(y) + CELL]);
            let sum: u32 = sum.flatten().map(|byte| u32::from(*byte)).sum();
            f32::from(u16::try_from(sum).unwrap_or(u16::MAX)) / (255.0 * 64.0)
        };
        let cells = (0..columns * rows).map(|i| classify([mean(0, i), mean(1, i), mean(2, i)]));
        Self { columns, cells: cells.collect() }
    }

    /// All cells that hang together with `start`.
    fn patch(&self, start: usize, class: Class, seen: &mut [bool]) -> ColourPatch {
        let mut patch = ColourPatch::default();
        let mut open = vec![start];
        while let Some(cell) = open.pop() {
            let same = self.cells[cell].filter(|(other, _)| *other == class);
            let Some((_, score)) = same.filter(|_| !seen[cell]) else { continue };
            seen[cell] = true;
            let (x, y) = (cell % self.columns, cell / self.columns);
            patch.add(x, y, score);
            open.extend((x > 0).then(|| cell - 1));
            open.extend((x + 1 < self.columns).then(|| cell + 1));
            open.extend((y > 0).then(|| cell - self.columns));
            open.extend((cell + self.columns < self.cells.len()).then(|| cell + self.columns));
        }
        patch
    }
}

/// Cells of one class that hang together: `x0..x1`, `y0..y1`, and the best score.
#[derive(Default)]
struct ColourPatch {
    extent: Option<[usize; 4]>,
    score: f32,
}

impl ColourPatch {
    fn add(&mut self, x: usize, y: usize, score: f32) {
        let [x0, y0, x1, y1] = self.extent.unwrap_or([x, y, x + 1, y + 1]);
        self.extent = Some([x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1)]);
        self.score = self.score.max(score);
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
    fn to_detection(&self, class: Class, frame: &Frame) -> Detection {
        let corners = self.extent.unwrap_or_default().map(|cells| (cells * CELL) as f32);
        let bbox = frame.letterbox.to_picture(corners);
        Detection { class, confidence: self.score, bbox, appearance: None }
    }
}

/// Returns the class of a colour, and how far its primary stands out of the other two.
fn classify([r, g, b]: [f32; 3]) -> Option<(Class, f32)> {
    let stands_out = [
        (Class::Fire, (r - g).min(r - b)),
        (Class::Smoke, (g - r).min(g - b)),
        (Class::Person, (b - r).min(b - g)),
    ];
    let score = |by: f32| (2.25 * by - 0.45).clamp(0.0, 0.95);
    let (class, by) = stands_out.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (score(by) >= SCORE_MIN).then(|| (class, score(by)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Letterbox;
    use crate::frame::Picture;
    use crate::geometry::BoundingBox;
    use crate::time::Stamp;
    use crate::ward::Id;

    const SIZE: Size = Size { width: 64, height: 32 };

    /// A frame painted cell by cell: r, g, b pure colours, w white, else black.
    fn frame(rows: [&str; 4]) -> Frame {
        let mut pixels = vec![0; 3 * 64 * 32];
        for (index, pixel) in pixels.iter_mut().enumerate() {
            let (channel, place) = (index / (64 * 32), index % (64 * 32));
            let cell = rows[place / 64 / CELL].as_bytes()[place % 64 / CELL];
            *pixel = if cell == b"rgb"[channel] || cell == b'w' { 255 } else { 0 };
        }
        Frame {
            camera: Id::new("test").unwrap(),
            sequence: 1,
            at: Stamp::default(),
            pixels: pixels.into(),
            letterbox: Letterbox::none(SIZE),
            picture: Picture::empty(),
            statistics: None,
            thumbnail: None,
            decode_us: 0,
        }
    }

    #[test]
    fn patches_of_pure_colour_are_found_and_nothing_else() {
        let frame = frame(["rr....w.", "r..ww...", "...ggr..", "b......."]);
        let found = ScriptedDetector::new(SIZE).detect(&[&frame]).unwrap().remove(0);
        let seen: Vec<(Class, BoundingBox)> = found.iter().map(|d| (d.class, d.bbox)).collect();
        let cells = |x0: f32, y0: f32, x1: f32, y1: f32| {
            BoundingBox::new(x0 / 8.0, y0 / 4.0, x1 / 8.0, y1 / 4.0)
        };
        assert_eq!(
            seen,
            [
                (Class::Fire, cells(0.0, 0.0, 2.0, 2.0)),
                (Class::Smoke, cells(3.0, 2.0, 5.0, 3.0)),
                (Class::Fire, cells(5.0, 2.0, 6.0, 3.0)),
                (Class::Person, cells(0.0, 3.0, 1.0, 4.0)),
            ]
        );
    }

    #[test]
    fn a_frame_of_another_size_is_refused() {
        let mut frame = frame(["........"; 4]);
        frame.pixels = vec![0; 6].into();
        assert!(ScriptedDetector::new(SIZE).detect(&[&frame]).is_err());
    }
}
