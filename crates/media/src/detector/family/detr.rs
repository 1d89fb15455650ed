//! Boxes `[N, Q, 4]` (centre and size, 0..1 of the input) and scores `[N, Q, C]`, in two tensors.

use super::tensor::{DecodeContext, Mismatch, OutputShape, Tensor, corners, item};
use crate::detection::Detection;

/// Finds the one of two outputs that holds the boxes, and whether the other one's scores are
/// logits; `None` where neither can hold boxes.
pub(super) fn roles(outputs: &[OutputShape]) -> Option<(usize, bool)> {
    let [a, b] = outputs else { return None };
    let sides = |output: &OutputShape| match output.dimensions[..] {
        [_, rows, columns] => Some((rows, columns)),
        _ => None,
    };
    let ((rows_a, columns_a), (rows_b, columns_b)) = (sides(a)?, sides(b)?);
    if rows_a.is_some() && rows_b.is_some() && rows_a != rows_b {
        return None;
    }
    let boxes = match (columns_a == Some(4), columns_b == Some(4)) {
        (true, false) => 0,
        (false, true) => 1,
        // Four classes: only the name tells.
        (true, true) => usize::from(!a.name.contains("box")),
        (false, false) => return None,
    };
    let logits = outputs[1 - boxes].name.contains("logit");
    Some((boxes, logits))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of pictures are far below 2^24")]
pub(super) fn decode(
    outputs: &[Tensor<'_>],
    picture: usize,
    (boxes, logits): (usize, bool),
    context: &DecodeContext<'_>,
    found: &mut Vec<Detection>,
) -> Result<(), Mismatch> {
    let (boxes_of, queries, four) = item(outputs, boxes, picture)?;
    let (scores_of, scored, classes) = item(outputs, 1 - boxes.min(1), picture)?;
    if four != 4 || scored != queries {
        return Err(Mismatch {
            expected: "as many boxes of 4 numbers as scores".to_owned(),
            found: format!("{queries} boxes of {four} numbers, {scored} scores"),
        });
    }
    let (width, height) = (context.input.width as f32, context.input.height as f32);
    for (row, scores) in boxes_of.chunks_exact(4).zip(scores_of.chunks_exact(classes)) {
        let [cx, cy, w, h] = row else { continue };
        let score = |class: usize| {
            let raw = scores.get(class).copied().unwrap_or(f32::NAN);
            if logits { 1.0 / (1.0 + (-raw).exp()) } else { raw }
        };
        context.add(corners([cx * width, cy * height, w * width, h * height]), score, found);
    }
    Ok(())
}
