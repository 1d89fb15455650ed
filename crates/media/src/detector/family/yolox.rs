//! `[N, A, 5 + C]`: box, objectness, classes. YOLOX as exported (grid offsets), YOLOv5 (pixels).

use super::tensor::{DecodeContext, Mismatch, Tensor, corners, item};
use crate::detection::Detection;

/// YOLOX: `x = (cell + dx) * stride`, `w = exp(log w) * stride` (arXiv 2107.08430, section 2.2);
/// grids of falling resolution, rows before columns.
pub(super) fn decode_grid(
    outputs: &[Tensor<'_>],
    picture: usize,
    strides: &[u32],
    context: &DecodeContext<'_>,
    found: &mut Vec<Detection>,
) -> Result<(), Mismatch> {
    let (values, anchors, columns) = item(outputs, 0, picture)?;
    let grids = || strides.iter().map(|s| (*s, context.input.width / s, context.input.height / s));
    let cells: usize = grids().map(|(_, w, h)| w as usize * h as usize).sum();
    if cells != anchors {
        return Err(Mismatch {
            expected: format!("{cells} anchors on strides {strides:?}"),
            found: format!("{anchors} anchors"),
        });
    }
    let mut rows = values.chunks_exact(columns);
    for (stride, width, height) in grids() {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let Some(row) = rows.next() else { return Ok(()) };
            add(row, context, found, |[dx, dy, log_w, log_h]| {
                let stride = to_f32(stride);
                let center = [(to_f32(x) + dx) * stride, (to_f32(y) + dy) * stride];
                [center[0], center[1], log_w.exp() * stride, log_h.exp() * stride]
            });
        }
    }
    Ok(())
}

/// YOLOv5: centre and size in input pixels.
pub(super) fn decode_pixels(
    outputs: &[Tensor<'_>],
    picture: usize,
    context: &DecodeContext<'_>,
    found: &mut Vec<Detection>,
) -> Result<(), Mismatch> {
    let (values, _, columns) = item(outputs, 0, picture)?;
    for row in values.chunks_exact(columns) {
        add(row, context, found, |center_and_size| center_and_size);
    }
    Ok(())
}

fn add(
    row: &[f32],
    context: &DecodeContext<'_>,
    found: &mut Vec<Detection>,
    center_and_size: impl Fn([f32; 4]) -> [f32; 4],
) {
    let [a, b, c, d, objectness, scores @ ..] = row else { return };
    // Most anchors see nothing at all: a class can only score less than the objectness.
    if *objectness >= context.confidence_min {
        let score = |class: usize| scores.get(class).map_or(f32::NAN, |score| score * objectness);
        context.add(corners(center_and_size([*a, *b, *c, *d])), score, found);
    }
}

#[expect(clippy::cast_precision_loss, reason = "cells and strides are far below 2^24")]
fn to_f32(value: u32) -> f32 {
    value as f32
}
