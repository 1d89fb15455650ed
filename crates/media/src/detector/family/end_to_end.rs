//! `[N, K, 6]`: corners in input pixels, score, class; suppressed by the network itself.

use super::tensor::{DecodeContext, Mismatch, Tensor, item};
use crate::detection::Detection;

#[expect(clippy::cast_possible_truncation, reason = "the class was rounded and is in range")]
#[expect(clippy::cast_sign_loss, reason = "the class was rounded and is in range")]
pub(super) fn decode(
    outputs: &[Tensor<'_>],
    picture: usize,
    context: &DecodeContext<'_>,
    found: &mut Vec<Detection>,
) -> Result<(), Mismatch> {
    let (values, _, columns) = item(outputs, 0, picture)?;
    if columns != 6 {
        let found = format!("{columns}");
        return Err(Mismatch { expected: "6 numbers a row".to_owned(), found });
    }
    for row in values.chunks_exact(6) {
        let [x0, y0, x1, y1, score, class] = row else { continue };
        if !class.is_finite() || !(0.0..1e6).contains(&class.round()) {
            continue;
        }
        if let Some(class) = context.classes.class(class.round() as usize)
            && score.is_finite()
            && *score >= context.confidence_min
        {
            context.add_one([*x0, *y0, *x1, *y1], (class, *score), found);
        }
    }
    Ok(())
}
