//! Random numbers that any language reproduces bit for bit.
#![allow(dead_code)]

/// SplitMix64, as numbers in [0, 1).
pub(crate) fn splitmix(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 11) as f64 * 2.0_f64.powi(-53)
        })
        .collect()
}

/// Sums of four, nearly normal: mean 2, standard deviation 0.577.
pub(crate) fn ih4(seed: u64, n: usize) -> Vec<f64> {
    splitmix(seed, 4 * n)
        .as_chunks::<4>()
        .0
        .iter()
        .map(|[a, b, c, d]| ((a + b) + c) + d)
        .collect()
}
