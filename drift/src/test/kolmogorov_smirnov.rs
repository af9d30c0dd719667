//! The two-sample Kolmogorov–Smirnov test.

use super::TestResult;
use super::kolmogorov;
use crate::Result;
use crate::sample::Comparison;

/// Up to this many values per sample [`Exactness::Auto`] counts lattice paths, as scipy does.
const MAX_EXACT: usize = 10_000;

/// How the p-value is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exactness {
    /// Exact if both samples have at most 10,000 values, else asymptotic: scipy's rule.
    #[default]
    Auto,
    /// Exact for continuous data, whatever the sizes: time grows with n·m·D.
    Exact,
    /// The finite-n distribution of the one-sample statistic at n·m/(n+m), as scipy's
    /// `method="asymp"`.
    Asymptotic,
}

/// Two-sample Kolmogorov–Smirnov test, two-sided. The statistic is D = sup |F_ref − F_cur| in
/// 0..=1, symmetric.
///
/// Exact p-values follow Hodges (*The significance probability of the Smirnov two-sample test*,
/// 1958) in the numerically stable form of Viehmann (2021); they are exact for continuous data
/// and too large (never too small) with ties. Asymptotic ones follow Simard and L'Ecuyer
/// (*Computing the two-sided Kolmogorov–Smirnov distribution*, 2011). Both agree with scipy's
/// `ks_2samp`.
///
/// Most sensitive near the median, weak in the tails. On discrete data with few values use
/// [`chi_squared`](super::chi_squared()).
pub fn kolmogorov_smirnov(comparison: &Comparison<'_>, exactness: Exactness) -> Result<TestResult> {
    let n = comparison.reference().len();
    let m = comparison.current().len();
    let statistic = comparison.ks_statistic();
    let exact = match exactness {
        Exactness::Auto => n.max(m) <= MAX_EXACT,
        Exactness::Exact => true,
        Exactness::Asymptotic => false,
    };
    let p_value = if exact {
        exact_p(n as u64, m as u64, comparison.largest())
    } else {
        ks_p_value(n as u64, m as u64, statistic)
    };
    Ok(TestResult {
        statistic,
        p_value: p_value.clamp(0.0, 1.0),
    })
}

/// Asymptotic p-value of a Kolmogorov–Smirnov statistic D between `n` and `m` values, as scipy's
/// `ks_2samp(method="asymp")`: for D from profiles, where the values are gone. D at stored edges
/// is a lower bound, which makes this an upper bound of p. 1 if a side is empty.
pub fn ks_p_value(n: u64, m: u64, statistic: f64) -> f64 {
    if n == 0 || m == 0 {
        return 1.0;
    }
    let (n, m) = (n as f64, m as f64);
    // numpy rounds halves to even.
    let effective = (n * m / (n + m)).round_ties_even().max(1.0);
    kolmogorov::sf(effective, statistic).clamp(0.0, 1.0)
}

/// Share of the lattice paths from (0, 0) to (n, m) that reach |i·m − j·n| ≥ `reach`.
///
/// a(i, j) is the share of the paths to (i, j) that have reached it before or there:
/// 1 outside, else (i·a(i−1, j) + j·a(i, j−1)) / (i + j). Only sums of positive terms, so small
/// probabilities keep their digits. Each row is kept only where it is inside.
fn exact_p(n: u64, m: u64, reach: u64) -> f64 {
    if reach == 0 {
        return 1.0;
    }
    // Rows run along the shorter sample.
    let (n, m) = (n.max(m), n.min(m));
    let (n_signed, m_signed, reach) = (n as i64, m as i64, reach as i64);
    let mut row = vec![1.0_f64; m as usize + 1];
    for i in 0..=n_signed {
        // Inside: i·m − j·n < reach and j·n − i·m < reach.
        let first = ((i * m_signed - reach).div_euclid(n_signed) + 1).max(0);
        let last = ((i * m_signed + reach + n_signed - 1).div_euclid(n_signed) - 1).min(m_signed);
        if first > last {
            return 1.0;
        }
        // Left of the inside the share is 1. Cells right of it still hold the 1 of the start.
        let mut before = 1.0;
        if first > 0 {
            row[first as usize - 1] = 1.0;
        }
        let (first, last) = (first as usize, last as usize);
        let i = i as f64;
        let start = if i == 0.0 && first == 0 {
            row[0] = 0.0;
            before = 0.0;
            1
        } else if first == 0 {
            // Down the edge j = 0 there is one path.
            before = row[0];
            1
        } else {
            first
        };
        for (offset, cell) in row[start..=last].iter_mut().enumerate() {
            let j = (start + offset) as f64;
            let share = 1.0 / (i + j);
            before = (i * share) * *cell + (j * share) * before;
            *cell = before;
        }
    }
    row[m as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sorted;

    fn p(reference: &[f64], current: &[f64], exactness: Exactness) -> f64 {
        let (r, c) = (
            Sorted::new(reference).unwrap(),
            Sorted::new(current).unwrap(),
        );
        let comparison = Comparison::new(&r, &c).unwrap();
        kolmogorov_smirnov(&comparison, exactness).unwrap().p_value
    }

    #[test]
    fn counts_the_paths_of_small_samples() {
        // Two against two, fully apart: 2 of the 6 orders.
        assert!((p(&[1.0, 2.0], &[3.0, 4.0], Exactness::Auto) - 2.0 / 6.0).abs() < 1e-15);
        assert_eq!(p(&[1.0], &[2.0], Exactness::Auto), 1.0);
        assert_eq!(p(&[1.0, 2.0], &[1.0, 2.0], Exactness::Auto), 1.0);
        // Three against one, all on one side: 2 of the 4 orders.
        assert!((p(&[1.0, 2.0, 3.0], &[4.0], Exactness::Auto) - 0.5).abs() < 1e-15);
    }
}
