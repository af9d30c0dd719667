//! Evidently's binning: numpy's Sturges edges over both samples together.

use crate::Result;
use crate::profile::Histogram;

/// Number of distinct values, counted up to `limit`.
pub(super) fn distinct<'a>(values: impl Iterator<Item = &'a f64>, limit: usize) -> usize {
    let mut seen: Vec<f64> = Vec::with_capacity(limit);
    for value in values {
        if !seen.contains(value) {
            seen.push(*value);
            if seen.len() >= limit {
                break;
            }
        }
    }
    seen.len()
}

/// Counts over the edges of numpy's `histogram_bin_edges(bins="sturges")` for `n` values between
/// the least and the largest of both samples.
pub(super) fn sturges_counts(
    reference: &[f64],
    current: &[f64],
    n: usize,
) -> Result<(Vec<u64>, Vec<u64>)> {
    let (low_r, high_r) = range(reference);
    let (low_c, high_c) = range(current);
    let (mut low, mut high) = (low_r.min(low_c), high_r.max(high_c));
    let width = (high - low) / ((n as f64).log2() + 1.0);
    let mut bins = 1.0;
    if low == high {
        (low, high) = (low - 0.5, high + 0.5);
    } else if width > 0.0 && width.is_finite() {
        bins = ((high - low) / width).ceil();
    }
    let step = (high - low) / bins;
    // Every value is within the outer edges, so the inner ones are enough.
    let mut inner: Vec<f64> = (1..bins as usize).map(|i| i as f64 * step + low).collect();
    inner.dedup();
    let mut counts = [Histogram::new(inner)?, Histogram::new(Vec::new())?];
    counts[1] = counts[0].clone();
    counts[0].observe_finite(reference);
    counts[1].observe_finite(current);
    Ok((counts[0].counts().to_vec(), counts[1].counts().to_vec()))
}

/// Least and largest value.
fn range(values: &[f64]) -> (f64, f64) {
    let (mut low, mut high) = ([f64::INFINITY; 8], [f64::NEG_INFINITY; 8]);
    let (lanes, rest) = values.as_chunks::<8>();
    for lane in lanes {
        for ((low, high), value) in low.iter_mut().zip(&mut high).zip(lane) {
            *low = if *value < *low { *value } else { *low };
            *high = if *value > *high { *value } else { *high };
        }
    }
    let all = low.iter().chain(rest);
    let least = all.fold(f64::INFINITY, |a, b| a.min(*b));
    let largest = high
        .iter()
        .chain(rest)
        .fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    (least, largest)
}
