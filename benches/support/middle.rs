//! The middle of several figures, whatever disturbed a few.

/// The middle of `values`, which are sorted by this; of two middles the lower one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
