//! A picture in a few numbers: enough to tell a camera that is covered, turned, out of focus or
//! stuck from one that merely sees little. Pure.
//!
//! The picture is cut into a grid of cells; each keeps the sum of its brightness and of its
//! texture (differences of neighbouring pixels). The sums are exact, so that two pictures with the
//! same sums in nearly all cells are the same picture: a sensor's noise never repeats itself.

use super::Letterbox;
use super::Size;

/// Cells across the picture.
pub const ACROSS: usize = 16;
/// Cells down the picture.
pub const DOWN: usize = 9;
/// All cells, row by row from the top left.
pub const CELLS: usize = ACROSS * DOWN;

/// Mean difference of red, green and blue below which a picture has no colour: infrared light.
const GREY_BELOW: u64 = 4;
/// Every so many pixels and rows are asked for their colour.
const COLOUR_STEP: usize = 7;

/// One cell's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cell {
    /// Of the brightness (the green channel) of all its pixels.
    pub light: u32,
    /// Of the differences between neighbours, to the right and below.
    pub texture: u32,
}

/// The statistics of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameStatistics {
    /// Row by row.
    pub cells: [Cell; CELLS],
    /// Pixels a cell, on average; at least 1.
    pub pixels_a_cell: f32,
    /// No colour anywhere: a camera's night vision.
    pub grey: bool,
}

impl FrameStatistics {
    /// Of the part of a detector's input (planar red, green, blue) that shows the picture. `None`
    /// where it is too small to have cells, or `pixels` is not what `letterbox` says.
    pub fn of(pixels: &[u8], letterbox: &Letterbox) -> Option<Self> {
        let Size { width, height } = letterbox.content;
        let (width, height) = (width as usize, height as usize);
        let stride = letterbox.input.width as usize;
        let plane = stride * letterbox.input.height as usize;
        let fits = letterbox.x as usize + width <= stride
            && letterbox.y as usize + height <= letterbox.input.height as usize;
        if pixels.len() != 3 * plane || !fits || width < 2 * ACROSS || height < 2 * DOWN {
            return None;
        }
        let start = letterbox.y as usize * stride + letterbox.x as usize;
        let rows = |channel: usize| {
            let from = &pixels[channel * plane + start..(channel + 1) * plane];
            from.chunks(stride).take(height).map(move |row| &row[..width])
        };
        let mut cells = [Cell::default(); CELLS];
        for (y, (row, below)) in rows(1).zip(rows(1).skip(1)).enumerate() {
            let line = &mut cells[y * DOWN / height * ACROSS..][..ACROSS];
            for (x, cell) in line.iter_mut().enumerate() {
                let (from, until) = (x * width / ACROSS, ((x + 1) * width / ACROSS).min(width - 1));
                add(cell, &row[from..=until], &below[from..until]);
            }
        }
        let (mut differences, mut asked) = (0u64, 0u64);
        for ((red, green), blue) in rows(0).zip(rows(1)).zip(rows(2)).step_by(COLOUR_STEP) {
            for x in (0..width).step_by(COLOUR_STEP) {
                differences +=
                    u64::from(red[x].abs_diff(green[x])) + u64::from(blue[x].abs_diff(green[x]));
                asked += 1;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "pixels of a small picture")]
        let pixels_a_cell = ((width - 1) * (height - 1)) as f32 / CELLS as f32;
        Some(Self { cells, pixels_a_cell, grey: differences < GREY_BELOW * asked })
    }

    /// Mean brightness of each cell, 0..255, row by row.
    #[expect(clippy::cast_precision_loss, reason = "a measure, not an account")]
    pub fn brightness(&self) -> [f32; CELLS] {
        self.cells.map(|cell| cell.light as f32 / self.pixels_a_cell)
    }

    /// Mean brightness of the picture, 0..255.
    #[expect(clippy::cast_precision_loss, reason = "a measure, not an account")]
    pub fn light(&self) -> f32 {
        let sum: u64 = self.cells.iter().map(|cell| u64::from(cell.light)).sum();
        sum as f32 / (self.pixels_a_cell * CELLS as f32)
    }
}

/// Adds one row of a cell: `row` has one pixel more to the right than is counted.
fn add(cell: &mut Cell, row: &[u8], below: &[u8]) {
    let (mut light, mut texture) = (0u32, 0u32);
    for ((here, right), under) in row.iter().zip(&row[1..]).zip(below) {
        light += u32::from(*here);
        texture += u32::from(here.abs_diff(*right)) + u32::from(here.abs_diff(*under));
    }
    cell.light += light;
    cell.texture += texture;
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "patterns have no wrong values")]
mod tests {
    use super::*;
    use crate::picture::InputFormat;
    use crate::picture::Placement;

    const SIZE: Size = Size { width: 128, height: 96 };

    fn letterbox() -> Letterbox {
        let format = InputFormat { size: SIZE, placement: Placement::Center, pad: 114 };
        Letterbox::fit(Size { width: 640, height: 360 }, &format)
    }

    /// Planar pixels of `paint(x, y)` inside the letterbox, padding outside.
    fn picture(paint: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
        let Letterbox { x: left, y: top, content, .. } = letterbox();
        let (width, height) = (SIZE.width as usize, SIZE.height as usize);
        let mut pixels = vec![114; 3 * width * height];
        for y in 0..content.height as usize {
            for x in 0..content.width as usize {
                for (channel, value) in paint(x, y).into_iter().enumerate() {
                    let at = (top as usize + y) * width + left as usize + x;
                    pixels[channel * width * height + at] = value;
                }
            }
        }
        pixels
    }

    #[test]
    fn an_even_picture_has_light_but_no_texture() {
        let look = FrameStatistics::of(&picture(|_, _| [90, 90, 90]), &letterbox()).unwrap();
        assert!((look.light() - 90.0).abs() < 1.0, "{}", look.light());
        assert!(look.cells.iter().all(|cell| cell.texture == 0));
        assert!(look.grey);
    }

    #[test]
    fn texture_stands_in_the_cells_where_it_is() {
        let board = |x: usize, y: usize| {
            let value = if x < 64 && (x + y).is_multiple_of(2) { 200 } else { 100 };
            [value, value, value / 2]
        };
        let look = FrameStatistics::of(&picture(board), &letterbox()).unwrap();
        for (i, cell) in look.cells.iter().enumerate() {
            // The cell left of the seam and the one right of it share a column of pixels.
            match i % ACROSS {
                0..=7 => assert!(cell.texture > 0, "cell {i}"),
                _ => assert_eq!(cell.texture, 0, "cell {i}"),
            }
        }
        assert!(!look.grey);
    }

    #[test]
    fn one_pixel_changes_one_cell() {
        let noise = |x: usize, y: usize| [((x * 31 + y * 17) % 251) as u8; 3];
        let mut other = picture(noise);
        let plane = (SIZE.width * SIZE.height) as usize;
        let at = (letterbox().y as usize + 40) * SIZE.width as usize + 50;
        other[plane + at] ^= 1;
        let before = FrameStatistics::of(&picture(noise), &letterbox()).unwrap();
        let after = FrameStatistics::of(&other, &letterbox()).unwrap();
        let changed = before.cells.iter().zip(&after.cells).filter(|(a, b)| a != b).count();
        assert!((1..=4).contains(&changed), "{changed} cells changed");
    }

    #[test]
    fn what_is_no_picture_has_no_look() {
        assert_eq!(FrameStatistics::of(&[0; 12], &letterbox()), None);
        let tiny = Letterbox::none(Size { width: 20, height: 20 });
        assert_eq!(FrameStatistics::of(&[0; 1200], &tiny), None);
    }
}
