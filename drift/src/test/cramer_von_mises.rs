//! The two-sample Cramér–von Mises test.

use std::f64::consts::PI;

use statrs::function::gamma::ln_gamma;

use super::TestResult;
use crate::Result;
use crate::sample::Comparison;
use crate::special::scaled_bessel_k;

/// Up to this many values per sample all orders are counted, as scipy does.
const MAX_EXACT: usize = 20;

/// Two-sample Cramér–von Mises test. The statistic is Anderson's T (*On the distribution of the
/// two-sample Cramér–von Mises criterion*, 1962), 0..∞, symmetric, with midranks for ties.
///
/// With at most 20 values per sample the p-value counts all orders (Xiao, Gordon and Yakovlev,
/// 2006); else it is that of the limiting distribution after matching mean and variance, as
/// scipy's `cramervonmises_2samp`. Where scipy's series ends in rounding noise (p < 10⁻⁶) the
/// tail is integrated instead, so a small p is a true one.
///
/// Weighs the whole distribution, where Kolmogorov–Smirnov looks at one point; like it, it is weak
/// in the tails.
///
/// # Errors
/// [`Error::TooFewValues`](crate::Error::TooFewValues) with fewer than two values in a sample.
pub fn cramer_von_mises(comparison: &Comparison<'_>) -> Result<TestResult> {
    let (reference, current) = (comparison.reference(), comparison.current());
    reference.require("reference", "Cramér–von Mises", 2)?;
    current.require("current", "Cramér–von Mises", 2)?;
    let (n, m) = (reference.len(), current.len());
    let quarters = four_u(reference.values(), current.values());
    let (nf, mf) = (n as f64, m as f64);
    let (k, total) = (nf * mf, nf + mf);
    let u = quarters as f64 / 4.0;
    // U grows as k·(4k − 1)/6 and the statistic is what is left: subtract in integers.
    let product = n as i128 * m as i128;
    let left = 6 * quarters - 4 * product * (4 * product - 1);
    let statistic = left as f64 / (24.0 * k * total);
    let p_value = if n.max(m) <= MAX_EXACT {
        exact_p(u, n, m)
    } else {
        let expected = (1.0 + 1.0 / total) / 6.0;
        let variance = (total + 1.0) * (4.0 * k * total - 3.0 * (nf * nf + mf * mf) - 2.0 * k)
            / (45.0 * total * total * 4.0 * k);
        limiting_sf(1.0 / 6.0 + (statistic - expected) / (45.0 * variance).sqrt())
    };
    Ok(TestResult { statistic, p_value })
}

/// 4·U, U = n·Σ(rᵢ − i)² + m·Σ(sⱼ − j)² with the midranks r and s of the two samples in the
/// merged order; exactly, since midranks are halves.
fn four_u(reference: &[f64], current: &[f64]) -> i128 {
    let (mut i, mut j) = (0_usize, 0_usize);
    let (mut of_reference, mut of_current) = (0_i128, 0_i128);
    while i < reference.len() || j < current.len() {
        let here = match (reference.get(i), current.get(j)) {
            (Some(left), Some(right)) => left.min(*right),
            (Some(left), None) => *left,
            (None, Some(right)) => *right,
            (None, None) => break,
        };
        let (mut next_i, mut next_j) = (i, j);
        while reference.get(next_i) == Some(&here) {
            next_i += 1;
        }
        while current.get(next_j) == Some(&here) {
            next_j += 1;
        }
        // Ranks i + j + 1 ..= next_i + next_j share their mean.
        let double_rank = (i + j + 1 + next_i + next_j) as i128;
        for own in i + 1..=next_i {
            of_reference += (double_rank - 2 * own as i128).pow(2);
        }
        for own in j + 1..=next_j {
            of_current += (double_rank - 2 * own as i128).pow(2);
        }
        (i, j) = (next_i, next_j);
    }
    of_reference * reference.len() as i128 + of_current * current.len() as i128
}

/// Share of all orders of n + m values whose statistic is at least the one of `u`.
fn exact_p(u: f64, n: usize, m: usize) -> f64 {
    let divisor = (1..=n.min(m))
        .rev()
        .find(|d| n.is_multiple_of(*d) && m.is_multiple_of(*d))
        .unwrap_or(1);
    let lcm = (n / divisor * m) as i64;
    let (a, b) = (lcm / n as i64, lcm / m as i64);
    let product = (n * m) as f64;
    let zeta = ((lcm * lcm) as f64 * (n + m) as f64 * (6.0 * u - product * (4.0 * product - 1.0))
        / (6.0 * product * product))
        .floor();
    // orders[v]: which sums u current and v reference values can have, ascending, and in how many
    // orders.
    let mut orders: Vec<Vec<(i64, u64)>> = vec![Vec::new(); n + 1];
    orders[0].push((0, 1));
    for u in 0..=m as i64 {
        let mut below: Vec<(i64, u64)> = Vec::new();
        for (v, cell) in orders.iter_mut().enumerate() {
            let step = (a * v as i64 - b * u).pow(2);
            below = add(&below, cell, step);
            cell.clone_from(&below);
        }
    }
    let reached = orders[n].iter().filter(|(value, _)| *value as f64 >= zeta);
    let reached: u64 = reached.map(|(_, count)| count).sum();
    let all: u64 = orders[n].iter().map(|(_, count)| count).sum();
    reached as f64 / all as f64
}

/// Both frequency tables together, every value raised by `step`.
fn add(left: &[(i64, u64)], right: &[(i64, u64)], step: i64) -> Vec<(i64, u64)> {
    let mut sum: Vec<(i64, u64)> = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    loop {
        let (value, count) = match (left.get(i), right.get(j)) {
            (Some(l), Some(r)) if l.0 == r.0 => (l.0, l.1 + r.1),
            (Some(l), Some(r)) => *l.min(r),
            (Some(one), None) | (None, Some(one)) => *one,
            (None, None) => return sum,
        };
        i += usize::from(left.get(i).is_some_and(|l| l.0 == value));
        j += usize::from(right.get(j).is_some_and(|r| r.0 == value));
        sum.push((value + step, count));
    }
}

/// P(ω² ≥ x) of the limiting distribution.
fn limiting_sf(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x < 0.003 {
        return 1.0;
    }
    let p = if x < 12.0 {
        (1.0 - limiting_cdf(x)).max(0.0)
    } else {
        0.0
    };
    if p >= 1e-6 { p } else { limiting_tail(x) }
}

/// Csörgő and Faraway (*The exact and asymptotic distributions of Cramér–von Mises statistics*,
/// 1996), (1.3); the series ends where scipy's does.
fn limiting_cdf(x: f64) -> f64 {
    let mut sum = 0.0;
    for k in 0..1000 {
        let k = f64::from(k);
        let y = 4.0 * k + 1.0;
        let q = y * y / (16.0 * x);
        let weight = (ln_gamma(k + 0.5) - ln_gamma(k + 1.0)).exp() / (PI.powf(1.5) * x.sqrt());
        let term = weight * y.sqrt() * (-2.0 * q).exp() * scaled_bessel_k(0.25, q);
        sum += term;
        if term < 1e-7 {
            break;
        }
    }
    sum
}

/// Smirnov's formula: P(ω² > x) = (1/π)·Σₖ (−1)^(k+1) ∫ y⁻¹·√(−√y / sin √y)·e^(−xy/2) dy over
/// ((2k−1)²π², (2k)²π²); far in the tail the first interval is all that counts. With √y = s and
/// s = π(1 + (1 − cos θ)/2) the singular ends vanish, and the integrand is periodic, so the
/// midpoint rule converges fast.
fn limiting_tail(x: f64) -> f64 {
    const POINTS: usize = 2000;
    let mut sum = 0.0;
    for i in 0..POINTS {
        let theta = PI * (i as f64 + 0.5) / POINTS as f64;
        let beyond = PI * (1.0 - theta.cos()) / 2.0;
        let s = PI + beyond;
        let sine = beyond.sin();
        // The lower end of the interval is taken out of the exponential to keep digits.
        let exponent = -x * (s * s - PI * PI) / 2.0;
        sum += 2.0 / s * (s / sine).sqrt() * exponent.exp() * PI * theta.sin() / 2.0;
    }
    let integral = sum * PI / POINTS as f64;
    (integral / PI * (-x * PI * PI / 2.0).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_and_series_meet() {
        for x in [0.8, 1.2, 1.8] {
            let series = 1.0 - limiting_cdf(x);
            assert!((limiting_tail(x) / series - 1.0).abs() < 1e-4, "{x}");
        }
        assert!(limiting_tail(20.0) > 0.0 && limiting_tail(20.0) < 1e-40);
    }
}
