//! The tensors of a run, what decoding needs besides them, and the arithmetic that families share.

use crate::detection::Detection;
use crate::detector::classes::ClassMap;
use crate::frame::{Letterbox, Size};

/// One output as the model's file describes it; an open dimension is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputShape {
    /// The output's name in the file.
    pub name: String,
    /// The dimensions, the batch included.
    pub dimensions: Vec<Option<usize>>,
}

/// One output of a run.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// The dimensions, the batch included.
    pub shape: &'a [usize],
    /// The values, as many as the dimensions' product.
    pub values: &'a [f32],
}

/// A difference between the outputs that a family has and those of the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct Mismatch {
    /// The outputs that the family has.
    pub expected: String,
    /// The outputs that the model has.
    pub found: String,
}

/// The facts that decoding needs besides the tensors.
#[derive(Clone, Copy, Debug)]
pub struct DecodeContext<'a> {
    /// The size of the network's input.
    pub input: Size,
    /// The place of the picture in the input.
    pub letterbox: &'a Letterbox,
    /// The outputs that matter, and their classes.
    pub classes: &'a ClassMap,
    /// The least confidence of a detection, 0..1.
    pub confidence_min: f32,
}

impl DecodeContext<'_> {
    /// Adds a detection for every class that matters and scores enough; `corners` in pixels of
    /// the input. Boxes that are not finite or lie outside the picture are skipped.
    pub(super) fn add(
        &self,
        corners: [f32; 4],
        score: impl Fn(usize) -> f32,
        found: &mut Vec<Detection>,
    ) {
        for &(output, class) in self.classes.outputs() {
            let confidence = score(output);
            if confidence.is_finite() && confidence >= self.confidence_min {
                self.add_one(corners, (class, confidence), found);
            }
        }
    }

    pub(super) fn add_one(
        &self,
        corners: [f32; 4],
        (class, confidence): (crate::detection::Class, f32),
        found: &mut Vec<Detection>,
    ) {
        if corners.iter().all(|corner| corner.is_finite()) {
            let bbox = self.letterbox.to_picture(corners);
            if bbox.area() > 0.0 {
                let confidence = confidence.min(1.0);
                found.push(Detection { class, confidence, bbox, appearance: None });
            }
        }
    }
}

/// Corners of a box by its centre and size.
pub(super) fn corners([cx, cy, w, h]: [f32; 4]) -> [f32; 4] {
    let (w, h) = (w.abs() / 2.0, h.abs() / 2.0);
    [cx - w, cy - h, cx + w, cy + h]
}

/// The part of a three-dimensional tensor that belongs to one picture, with its two dimensions.
pub(super) fn item<'a>(
    outputs: &[Tensor<'a>],
    output: usize,
    picture: usize,
) -> Result<(&'a [f32], usize, usize), Mismatch> {
    let wrong = |found: String| Mismatch { expected: "a tensor of three dimensions".into(), found };
    let tensor = outputs.get(output).ok_or_else(|| wrong(format!("{} outputs", outputs.len())))?;
    let [_, rows, columns] = *tensor.shape else {
        return Err(wrong(format!("{:?}", tensor.shape)));
    };
    let size = rows.checked_mul(columns).filter(|size| *size > 0);
    let run =
        size.and_then(|size| Some(picture.checked_mul(size)?..picture.checked_add(1)? * size));
    let part = run.and_then(|run| tensor.values.get(run));
    let values = tensor.values.len();
    let part = part.ok_or_else(|| wrong(format!("{:?} with {values} values", tensor.shape)))?;
    Ok((part, rows, columns))
}
