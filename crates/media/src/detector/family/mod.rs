//! Decodes the output tensors of the model families. Pure.
//!
//! | family | outputs | boxes | suppressed here |
//! | --- | --- | --- | --- |
//! | `yolox` | `[N, A, 5 + C]` | offsets in grid cells, log sizes; objectness | yes |
//! | `yolov5` | `[N, A, 5 + C]` | centre and size in input pixels; objectness | yes |
//! | `yolov8` | `[N, 4 + C, A]` or `[N, A, 4 + C]` | centre and size in input pixels | yes |
//! | `end2end` | `[N, K, 6]` | corners in input pixels, score, class | no |
//! | `detr` | boxes `[N, Q, 4]` and scores `[N, Q, C]` | centre and size, 0..1 of the input | no |
//!
//! N pictures, A anchors, C classes, K or Q rows. Scores are probabilities; `detr` may give
//! logits, where the tensor's name says so.
//!
//! Nothing here trusts a tensor: shapes are checked against lengths, rows with a number that is
//! not finite are skipped.

mod tensor;
mod detr;
mod end_to_end;
mod yolov8;
mod yolox;

use super::classes::{COCO_CLASSES, ClassMap};
use super::nms;
use crate::detection::Detection;
use crate::frame::Size;

pub use tensor::{DecodeContext, Mismatch, OutputShape, Tensor};

/// Boxes of one class that overlap by more show the same thing.
const IOU_MAX: f32 = 0.5;

/// The coarse-to-fine grids of nearly every model.
const STRIDES_DEFAULT: [u32; 3] = [8, 16, 32];

/// A family with what its decoding needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Family {
    /// Raw grid offsets with objectness, on these strides in this order.
    Yolox {
        /// Input pixels a cell, finest grid first.
        strides: Vec<u32>,
    },
    /// Decoded boxes with objectness.
    Yolov5,
    /// Decoded boxes without objectness.
    Yolov8 {
        /// `[N, 4 + C, A]`, as exported; else `[N, A, 4 + C]`.
        channels_first: bool,
    },
    /// The best rows, already suppressed.
    EndToEnd,
    /// Boxes and scores in two tensors.
    Detr {
        /// The index of the output that holds the boxes; the other one holds the scores.
        boxes: usize,
        /// The scores still need the logistic function.
        logits: bool,
    },
}

impl Family {
    /// The family by its name, checked against the outputs that the file describes.
    ///
    /// # Errors
    /// [`Mismatch`] where there is no such family or the outputs are not its.
    pub fn named(
        name: &str,
        outputs: &[OutputShape],
        classes: &ClassMap,
        strides: Option<&[u32]>,
    ) -> Result<Self, Mismatch> {
        let strides = strides.unwrap_or(&STRIDES_DEFAULT).to_vec();
        let total = classes.total();
        let family = match name {
            "yolox" => Self::Yolox { strides },
            "yolov5" => Self::Yolov5,
            "yolov8" => {
                Self::Yolov8 { channels_first: !is_surely(outputs, &[None, Some(total + 4)]) }
            }
            "end2end" => Self::EndToEnd,
            "detr" => Self::detr(outputs).ok_or_else(|| mismatch("detr", total, outputs))?,
            _ => {
                let expected = "family yolox, yolov5, yolov8, end2end or detr".to_owned();
                return Err(Mismatch { expected, found: format!("family {name:?}") });
            }
        };
        if family.fits(outputs, total) { Ok(family) } else { Err(mismatch(name, total, outputs)) }
    }

    /// The family and classes by the outputs' shapes alone; `classes` where the file names them.
    ///
    /// # Errors
    /// [`Mismatch`] where the shapes fit no family, or more than one.
    pub fn inferred(
        outputs: &[OutputShape],
        classes: Option<&ClassMap>,
        input: Size,
    ) -> Result<(Self, ClassMap), Mismatch> {
        let coco = ClassMap::coco();
        let map = classes.unwrap_or(&coco);
        let total = classes.map_or(COCO_CLASSES, ClassMap::total);
        let cells: usize = STRIDES_DEFAULT
            .iter()
            .map(|s| (input.width / s) as usize * (input.height / s) as usize)
            .sum();
        let family = if is_surely(outputs, &[Some(cells), Some(total + 5)]) {
            Some(Self::Yolox { strides: STRIDES_DEFAULT.to_vec() })
        } else if is_surely(outputs, &[Some(cells * 3), Some(total + 5)]) {
            Some(Self::Yolov5)
        } else if is_surely(outputs, &[Some(total + 4), None]) {
            Some(Self::Yolov8 { channels_first: true })
        } else if is_surely(outputs, &[Some(cells), Some(total + 4)]) {
            Some(Self::Yolov8 { channels_first: false })
        } else if is_surely(outputs, &[None, Some(6)]) && classes.is_some() {
            Some(Self::EndToEnd)
        } else {
            Self::detr(outputs).filter(|family| family.fits(outputs, total))
        };
        let family = family.ok_or_else(|| mismatch("any", total, outputs))?;
        Ok((family, map.clone()))
    }

    /// Decodes what one picture of a run shows, best first.
    ///
    /// # Errors
    /// [`Mismatch`] where a tensor is not what the file promised.
    pub fn decode(
        &self,
        outputs: &[Tensor<'_>],
        picture: usize,
        context: &DecodeContext<'_>,
    ) -> Result<Vec<Detection>, Mismatch> {
        let mut found = Vec::new();
        match self {
            Self::Yolox { strides } => {
                yolox::decode_grid(outputs, picture, strides, context, &mut found)?;
            }
            Self::Yolov5 => yolox::decode_pixels(outputs, picture, context, &mut found)?,
            Self::Yolov8 { channels_first } => {
                yolov8::decode(outputs, picture, *channels_first, context, &mut found)?;
            }
            Self::EndToEnd => {
                end_to_end::decode(outputs, picture, context, &mut found)?;
                nms::sort(&mut found);
                return Ok(found);
            }
            Self::Detr { boxes, logits } => {
                detr::decode(outputs, picture, (*boxes, *logits), context, &mut found)?;
                nms::sort(&mut found);
                return Ok(found);
            }
        }
        Ok(nms::suppress(found, IOU_MAX))
    }

    fn detr(outputs: &[OutputShape]) -> Option<Self> {
        let (boxes, logits) = detr::roles(outputs)?;
        Some(Self::Detr { boxes, logits })
    }

    fn fits(&self, outputs: &[OutputShape], classes: usize) -> bool {
        match self {
            Self::Yolox { .. } | Self::Yolov5 => is(outputs, &[None, Some(classes + 5)]),
            Self::Yolov8 { channels_first: true } => is(outputs, &[Some(classes + 4), None]),
            Self::Yolov8 { channels_first: false } => is(outputs, &[None, Some(classes + 4)]),
            Self::EndToEnd => is(outputs, &[None, Some(6)]),
            Self::Detr { boxes, .. } => {
                let scores = outputs.get(1 - boxes).and_then(|o| *o.dimensions.get(2)?);
                scores.is_none_or(|scores| scores >= classes)
            }
        }
    }
}

/// Returns whether there is one output of three dimensions whose last two may be these: what the
/// file leaves open may be anything.
fn is(outputs: &[OutputShape], expected: &[Option<usize>; 2]) -> bool {
    compare(outputs, expected, |found, expected| found.is_none_or(|found| found == expected))
}

/// As [`is`], but what the file leaves open is nothing.
fn is_surely(outputs: &[OutputShape], expected: &[Option<usize>; 2]) -> bool {
    compare(outputs, expected, |found, expected| found == Some(expected))
}

fn compare(
    outputs: &[OutputShape],
    expected: &[Option<usize>; 2],
    same: impl Fn(Option<usize>, usize) -> bool,
) -> bool {
    let [output] = outputs else { return false };
    let [_, rows, columns] = output.dimensions[..] else { return false };
    let same = |found, expected: Option<usize>| expected.is_none_or(|side| same(found, side));
    same(rows, expected[0]) && same(columns, expected[1])
}

fn mismatch(family: &str, classes: usize, outputs: &[OutputShape]) -> Mismatch {
    let (objectness, plain) = (classes + 5, classes + 4);
    let expected = match family {
        "yolox" | "yolov5" => format!("one output [N, A, {objectness}] for {classes} classes"),
        "yolov8" => {
            format!("one output [N, {plain}, A] or [N, A, {plain}] for {classes} classes")
        }
        "end2end" => "one output [N, K, 6]".to_owned(),
        "detr" => format!("two outputs [N, Q, 4] and [N, Q, {classes}]"),
        _ => format!(
            "one output [N, A, {objectness}] (yolox, yolov5), [N, {plain}, A] or [N, A, {plain}] \
             (yolov8) or [N, K, 6] (end2end, with named classes), or two outputs [N, Q, 4] and \
             [N, Q, {classes}] (detr), for {classes} classes"
        ),
    };
    let found: Vec<String> = outputs.iter().map(describe).collect();
    Mismatch { expected, found: format!("{} outputs: {}", outputs.len(), found.join(", ")) }
}

fn describe(output: &OutputShape) -> String {
    let side = |side: &Option<usize>| side.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let sides: Vec<String> = output.dimensions.iter().map(side).collect();
    format!("{} [{}]", output.name, sides.join(", "))
}

#[cfg(test)]
mod tests;
