//! The two-sample Anderson–Darling test.

use super::TestResult;
use crate::sample::Comparison;
use crate::{Error, Result};

/// Significance levels of the table of critical values.
const LEVELS: [f64; 7] = [0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001];
/// Critical values for two samples: b₀ + b₁ + b₂ of Scholz and Stephens' table 2.
const CRITICAL: [f64; 7] = [
    0.675 - 0.245 - 0.105,
    1.281 + 0.25 - 0.305,
    1.645 + 0.678 - 0.362,
    1.96 + 1.149 - 0.391,
    2.326 + 1.822 - 0.396,
    2.573 + 2.364 - 0.345,
    3.085 + 3.615 - 0.154,
];

/// Two-sample Anderson–Darling test with midranks for ties (Scholz and Stephens, *K-sample
/// Anderson–Darling tests*, 1987, equation 7). The statistic is standardised by its mean and
/// standard deviation under equality, so it can be negative; symmetric.
///
/// Gives the tails more weight than Kolmogorov–Smirnov and Cramér–von Mises do. The p-value is
/// interpolated in the paper's table, as scipy's `anderson_ksamp` does, so it is never above
/// 0.25 or below 0.001: no use where many columns are corrected for.
///
/// # Errors
/// [`Error::TooFewValues`] if a sample is empty or both together have fewer than four values,
/// [`Error::Argument`] if all values are equal.
pub fn anderson_darling(comparison: &Comparison<'_>) -> Result<TestResult> {
    let samples = [
        comparison.reference().values(),
        comparison.current().values(),
    ];
    let total = samples[0].len() + samples[1].len();
    if total < 4 {
        return Err(Error::TooFewValues {
            sample: "reference and current together",
            method: "Anderson–Darling",
            found: total as u64,
            needed: 4,
        });
    }
    let raw = midrank_statistic(samples[0], samples[1]).ok_or_else(|| Error::Argument {
        name: "number of distinct values",
        value: "1".into(),
        allowed: "at least 2",
    })?;
    let statistic = (raw - 1.0) / variance(samples[0].len(), samples[1].len()).sqrt();
    Ok(TestResult {
        statistic,
        p_value: p_value(statistic),
    })
}

/// A²; `None` if there is but one distinct value.
fn midrank_statistic(reference: &[f64], current: &[f64]) -> Option<f64> {
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let total = n + m;
    let (mut i, mut j) = (0, 0);
    let (mut sum, mut distinct) = (0.0, 0_u64);
    while i < reference.len() || j < current.len() {
        let here = match (reference.get(i), current.get(j)) {
            (Some(left), Some(right)) => left.min(*right),
            (Some(value), None) | (None, Some(value)) => *value,
            (None, None) => break,
        };
        let (from_i, from_j) = (i, j);
        while reference.get(i) == Some(&here) {
            i += 1;
        }
        while current.get(j) == Some(&here) {
            j += 1;
        }
        distinct += 1;
        let tied = (i - from_i + j - from_j) as f64;
        let below = (from_i + from_j) as f64 + tied / 2.0;
        let own = (from_i + i) as f64 / 2.0;
        // With two samples the deviations are opposite, so one term serves both.
        let deviation = total * own - below * n;
        let spread = below * (total - below) - total * tied / 4.0;
        if spread > 0.0 {
            sum += tied / total * deviation * deviation / spread;
        }
    }
    (distinct > 1).then(|| (total - 1.0) / total * sum * (1.0 / n + 1.0 / m))
}

/// Variance of A² under equality (equation 4 with k = 2).
fn variance(n: usize, m: usize) -> f64 {
    let total = n + m;
    let inverse = 1.0 / n as f64 + 1.0 / m as f64;
    let (mut harmonic, mut g) = (0.0, 0.0);
    for i in (2..total).rev() {
        harmonic += 1.0 / i as f64;
        g += harmonic / (total + 1 - i) as f64;
    }
    let h = harmonic + 1.0;
    let a = (4.0 * g - 6.0) + (10.0 - 6.0 * g) * inverse;
    let b = (2.0 * g - 4.0) * 4.0 + 16.0 * h + (2.0 * g - 14.0 * h - 4.0) * inverse - 8.0 * h
        + 4.0 * g
        - 6.0;
    let c = (6.0 * h + 2.0 * g - 2.0) * 4.0
        + (4.0 * h - 4.0 * g + 6.0) * 2.0
        + (2.0 * h - 6.0) * inverse
        + 4.0 * h;
    let d = (2.0 * h + 6.0) * 4.0 - 8.0 * h;
    let t = total as f64;
    (a * t.powi(3) + b * t * t + c * t + d) / ((t - 1.0) * (t - 2.0) * (t - 3.0))
}

/// The logarithm of the level is fitted by a parabola in the critical value, least squares.
fn p_value(statistic: f64) -> f64 {
    if statistic < CRITICAL[0] {
        return LEVELS[0];
    }
    if statistic > CRITICAL[6] {
        return LEVELS[6];
    }
    // Orthogonal polynomials on the critical values make the fit well conditioned.
    let count = CRITICAL.len() as f64;
    let center = CRITICAL.iter().sum::<f64>() / count;
    let linear = |x: f64| x - center;
    let square: f64 = CRITICAL.iter().map(|x| linear(*x).powi(2)).sum();
    let cube: f64 = CRITICAL.iter().map(|x| linear(*x).powi(3)).sum();
    let quadratic = |x: f64| linear(x).powi(2) - cube / square * linear(x) - square / count;
    let coefficient = |basis: &dyn Fn(f64) -> f64| {
        let product: f64 = CRITICAL
            .iter()
            .zip(LEVELS)
            .map(|(x, p)| basis(*x) * p.ln())
            .sum();
        product / CRITICAL.iter().map(|x| basis(*x).powi(2)).sum::<f64>()
    };
    let log = coefficient(&|_| 1.0)
        + coefficient(&linear) * linear(statistic)
        + coefficient(&quadratic) * quadratic(statistic);
    log.exp()
}
