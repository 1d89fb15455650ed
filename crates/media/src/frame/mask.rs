//! Privacy masks: polygons of a camera's view that nobody shall look into. Pure.
//!
//! A mask is painted black on the scaled picture, never on the decoder's own (which the next
//! frames are predicted from). So it is grown by what scaling and chroma subsampling can carry
//! over its edge: no pixel that comes out depends on anything inside the polygon.

use super::Size;
use crate::geometry::Point;
use crate::geometry::Polygon;

/// The distance to which a pixel of the source reaches into its neighbours, in source pixels: two
/// for a chroma sample shared by four luma pixels, two more for the scaler's filter.
const REACH_SOURCE_PX: f32 = 4.0;

/// The masks of one camera.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Masks {
    polygons: Vec<Polygon>,
}

impl Masks {
    /// Masks by their polygons; none is allowed.
    pub fn new(polygons: Vec<Polygon>) -> Self {
        Self { polygons }
    }

    /// Returns whether nothing is masked.
    pub fn is_empty(&self) -> bool {
        self.polygons.is_empty()
    }

    /// The polygons.
    pub fn polygons(&self) -> &[Polygon] {
        &self.polygons
    }

    /// Returns the pixels to paint in a picture that was scaled from `source` to `scaled`.
    #[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
    #[expect(clippy::cast_possible_truncation, reason = "a reach of a few pixels")]
    #[expect(clippy::cast_sign_loss, reason = "a reach is positive")]
    pub fn raster(&self, source: Size, scaled: Size) -> Raster {
        if self.is_empty() {
            return Raster::default();
        }
        let reach = |from: u32, to: u32| {
            (REACH_SOURCE_PX * to as f32 / from.max(1) as f32).ceil() as usize + 1
        };
        let mut grid = PixelGrid::new(scaled);
        for polygon in &self.polygons {
            grid.fill(polygon);
            grid.outline(polygon);
        }
        grid.grow(reach(source.width, scaled.width), reach(source.height, scaled.height));
        grid.runs()
    }
}

/// Pixels to paint, as runs of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raster {
    runs: Vec<PixelRun>,
}

/// One run: the pixels `from..to` of row `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PixelRun {
    y: usize,
    from: usize,
    to: usize,
}

impl Raster {
    /// Paints zeros on `channels` bytes a pixel; the picture's top left pixel is at byte `start`
    /// and its rows are `stride` bytes apart. What lies outside `bytes` is left out.
    pub fn paint(&self, bytes: &mut [u8], start: usize, stride: usize, channels: usize) {
        for span in &self.runs {
            let row = start + span.y * stride;
            let run = row + span.from * channels..row + span.to * channels;
            if let Some(pixels) = bytes.get_mut(run) {
                pixels.fill(0);
            }
        }
    }

    /// Returns whether the pixel is painted.
    pub fn covers(&self, x: usize, y: usize) -> bool {
        self.runs.iter().any(|span| span.y == y && (span.from..span.to).contains(&x))
    }
}

/// One flag a pixel.
struct PixelGrid {
    width: usize,
    height: usize,
    set: Vec<bool>,
}

impl PixelGrid {
    fn new(size: Size) -> Self {
        let (width, height) = (size.width as usize, size.height as usize);
        Self { width, height, set: vec![false; width * height] }
    }

    /// Sets every pixel whose middle lies in the polygon.
    #[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
    fn fill(&mut self, polygon: &Polygon) {
        for y in 0..self.height {
            for x in 0..self.width {
                let middle = Point {
                    x: (x as f32 + 0.5) / self.width as f32,
                    y: (y as f32 + 0.5) / self.height as f32,
                };
                if polygon.contains(middle) {
                    self.set[y * self.width + x] = true;
                }
            }
        }
    }

    /// Sets every pixel that an edge touches, by steps of a quarter pixel: thin polygons have
    /// pixels too.
    #[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
    #[expect(clippy::cast_possible_truncation, reason = "clamped before the cast")]
    #[expect(clippy::cast_sign_loss, reason = "clamped before the cast")]
    fn outline(&mut self, polygon: &Polygon) {
        if self.set.is_empty() {
            return;
        }
        let (width, height) = (self.width as f32, self.height as f32);
        let corners = polygon.corners();
        for (a, b) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            let (dx, dy) = ((b.x - a.x) * width, (b.y - a.y) * height);
            let steps = (dx.abs().max(dy.abs()) * 4.0).ceil().clamp(1.0, 100_000.0) as usize;
            for step in 0..=steps {
                let t = step as f32 / steps as f32;
                let x = (a.x * width + dx * t).clamp(0.0, width - 1.0) as usize;
                let y = (a.y * height + dy * t).clamp(0.0, height - 1.0) as usize;
                self.set[y * self.width + x] = true;
            }
        }
    }

    /// Sets every pixel within `reach_x` and `reach_y` of one that is set.
    fn grow(&mut self, reach_x: usize, reach_y: usize) {
        let before = std::mem::replace(&mut self.set, vec![false; self.width * self.height]);
        let mut wide = vec![false; before.len()];
        for (index, _) in before.iter().enumerate().filter(|(_, set)| **set) {
            let (x, row) = (index % self.width, index - index % self.width);
            let from = row + x.saturating_sub(reach_x);
            wide[from..=row + (x + reach_x).min(self.width - 1)].fill(true);
        }
        for (index, _) in wide.iter().enumerate().filter(|(_, set)| **set) {
            let (x, y) = (index % self.width, index / self.width);
            for y in y.saturating_sub(reach_y)..=(y + reach_y).min(self.height - 1) {
                self.set[y * self.width + x] = true;
            }
        }
    }

    fn runs(&self) -> Raster {
        let mut runs = Vec::new();
        for (y, row) in self.set.chunks(self.width.max(1)).enumerate() {
            let mut x = 0;
            while let Some(skipped) = row[x..].iter().position(|set| *set) {
                let from = x + skipped;
                let run = row[from..].iter().take_while(|set| **set).count();
                runs.push(PixelRun { y, from, to: from + run });
                x = from + run;
            }
        }
        Raster { runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(corners: &[(f32, f32)]) -> Masks {
        let corners = corners.iter().map(|&(x, y)| Point { x, y }).collect();
        Masks::new(vec![Polygon::new(corners).unwrap()])
    }

    const SIZE: Size = Size { width: 100, height: 50 };

    #[test]
    fn no_mask_paints_nothing() {
        assert_eq!(Masks::default().raster(SIZE, SIZE), Raster::default());
    }

    #[test]
    fn every_pixel_inside_and_its_margin_are_covered() {
        let square = masks(&[(0.2, 0.2), (0.5, 0.2), (0.5, 0.6), (0.2, 0.6)]);
        let raster = square.raster(SIZE, SIZE);
        for y in 10..30 {
            for x in 20..50 {
                assert!(raster.covers(x, y), "{x},{y} is inside");
            }
        }
        assert!(raster.covers(16, 6) && raster.covers(54, 34));
        assert!(!raster.covers(10, 20) && !raster.covers(60, 20) && !raster.covers(30, 40));
    }

    #[test]
    fn a_polygon_thinner_than_a_pixel_still_hides_something() {
        let sliver = masks(&[(0.1, 0.501), (0.9, 0.501), (0.9, 0.502)]);
        assert!(sliver.raster(SIZE, SIZE).covers(50, 25));
    }

    #[test]
    fn painting_keeps_to_the_picture_inside_its_frame() {
        let whole = masks(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]);
        let size = Size { width: 4, height: 2 };
        let mut bytes = vec![9; 6 * 4];
        whole.raster(size, size).paint(&mut bytes, 6 + 1, 6, 1);
        let painted: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] == 0).collect();
        assert_eq!(painted, [7, 8, 9, 10, 13, 14, 15, 16]);
    }
}
