//! Chance that repeats: a number in 0..1 for each tuple of numbers, without any state.

/// Uniform in 0..1 (SplitMix64's finaliser over the tuple).
pub(crate) fn uniform(of: &[u64]) -> f64 {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for value in of {
        state = state.wrapping_add(*value).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 29;
        state = state.wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 32;
    }
    (state >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform between two bounds.
pub(crate) fn between(low: f64, high: f64, of: &[u64]) -> f64 {
    low + (high - low) * uniform(of)
}

/// Roughly normal: the sum of four uniforms.
pub(crate) fn around(mean: f64, deviation: f64, of: &[u64]) -> f64 {
    let more = |n: u64| {
        let mut key = of.to_vec();
        key.push(n);
        uniform(&key)
    };
    let sum: f64 = (0..4).map(more).sum();
    mean + (sum - 2.0) * deviation * 3f64.sqrt()
}

/// A whole number below `count`.
pub(crate) fn choice(count: usize, of: &[u64]) -> usize {
    ((uniform(of) * count as f64) as usize).min(count - 1)
}
