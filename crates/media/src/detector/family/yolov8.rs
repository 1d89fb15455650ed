//! `[N, 4 + C, A]` (or transposed): centre and size in input pixels, classes; no objectness.

use super::tensor::{DecodeContext, Mismatch, Tensor, corners, item};
use crate::detection::Detection;

pub(super) fn decode(
    outputs: &[Tensor<'_>],
    picture: usize,
    channels_first: bool,
    context: &DecodeContext<'_>,
    found: &mut Vec<Detection>,
) -> Result<(), Mismatch> {
    let (values, rows, columns) = item(outputs, 0, picture)?;
    let (channels, anchors) = if channels_first { (rows, columns) } else { (columns, rows) };
    let at = |channel: usize, anchor: usize| {
        let place =
            if channels_first { channel * anchors + anchor } else { anchor * channels + channel };
        if channel < channels { values.get(place).copied().unwrap_or(f32::NAN) } else { f32::NAN }
    };
    for anchor in 0..anchors {
        let score = |class: usize| at(4 + class, anchor);
        let worth = context.classes.outputs().iter();
        if worth.into_iter().any(|(class, _)| score(*class) >= context.confidence_min) {
            let center_and_size = [0, 1, 2, 3].map(|channel| at(channel, anchor));
            context.add(corners(center_and_size), score, found);
        }
    }
    Ok(())
}
