//! Tests on counts over the same categories or bins.

use super::TestResult;
use crate::special::{chi_squared_sf, normal_two_sided};
use crate::{Error, Result};

/// Whether a table of two categories gets Yates' correction for continuity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Correction2x2 {
    /// Observed counts move up to ½ towards the expected ones: scipy's default, on the safe side.
    #[default]
    Yates,
    /// No correction: the test is then the square of [`two_proportions`].
    None,
}

/// Counts of both sides over the categories that either side has.
struct Table {
    pairs: Vec<(f64, f64)>,
    reference: f64,
    current: f64,
}

impl Table {
    fn new(reference: &[u64], current: &[u64], method: &'static str) -> Result<Self> {
        if reference.len() != current.len() {
            return Err(Error::Length {
                what: "current counts",
                found: current.len(),
                expected: reference.len(),
            });
        }
        let pairs: Vec<(f64, f64)> = reference
            .iter()
            .zip(current)
            .filter(|(r, c)| **r > 0 || **c > 0)
            .map(|(r, c)| (*r as f64, *c as f64))
            .collect();
        let table = Self {
            reference: pairs.iter().map(|pair| pair.0).sum(),
            current: pairs.iter().map(|pair| pair.1).sum(),
            pairs,
        };
        for (sample, total) in [("reference", table.reference), ("current", table.current)] {
            if total == 0.0 {
                return Err(Error::TooFewValues {
                    sample,
                    method,
                    found: 0,
                    needed: 1,
                });
            }
        }
        Ok(table)
    }

    fn degrees(&self) -> f64 {
        (self.pairs.len() - 1) as f64
    }

    fn total(&self) -> f64 {
        self.reference + self.current
    }

    /// Observed and expected count of every cell under equal distributions.
    fn cells(&self, correction: Correction2x2) -> impl Iterator<Item = (f64, f64)> {
        let yates = correction == Correction2x2::Yates && self.pairs.len() == 2;
        let total = self.total();
        self.pairs.iter().flat_map(move |(r, c)| {
            [(*r, self.reference), (*c, self.current)].map(|(observed, side)| {
                let expected = side * (r + c) / total;
                let difference: f64 = expected - observed;
                let moved = if yates {
                    difference.clamp(-0.5, 0.5)
                } else {
                    0.0
                };
                (observed + moved, expected)
            })
        })
    }
}

/// χ² test of homogeneity on the 2 × k table of both sides' counts. The statistic is
/// Σ (O − E)²/E, 0..∞, symmetric; k − 1 degrees of freedom. Categories that neither side has are
/// left out.
///
/// This is the right test for two samples: both are noisy. Agrees with scipy's
/// `chi2_contingency`. The χ² distribution is an approximation that is poor when many expected
/// counts are below five: put rare categories together.
///
/// # Errors
/// [`Error::Length`] for lists of different length, [`Error::TooFewValues`] if a side is empty.
pub fn chi_squared(
    reference: &[u64],
    current: &[u64],
    correction: Correction2x2,
) -> Result<TestResult> {
    let table = Table::new(reference, current, "χ²")?;
    let statistic = table
        .cells(correction)
        .map(|(o, e)| (o - e) * (o - e) / e)
        .sum();
    Ok(TestResult {
        statistic,
        p_value: chi_squared_sf(statistic, table.degrees()),
    })
}

/// χ² goodness of fit of the current counts against the reference scaled to their number:
/// Σ (c − E)²/E, E = r·(Σc/Σr), 0..∞, not symmetric; k − 1 degrees of freedom.
///
/// What Evidently calls `chisquare`. It treats the reference as free of noise, so with a reference
/// no larger than the current sample it alarms far too often, and one value of a category that
/// the reference lacks gives p = 0. Use it when the reference is a specification, not a sample.
///
/// # Errors
/// [`Error::Length`] for lists of different length, [`Error::TooFewValues`] if a side is empty.
pub fn goodness_of_fit(reference: &[u64], current: &[u64]) -> Result<TestResult> {
    let table = Table::new(reference, current, "goodness of fit")?;
    let scale = table.current / table.reference;
    let statistic = table
        .pairs
        .iter()
        .map(|(r, c)| {
            let expected = r * scale;
            (c - expected) * (c - expected) / expected
        })
        .sum();
    Ok(TestResult {
        statistic,
        p_value: chi_squared_sf(statistic, table.degrees()),
    })
}

/// G-test (likelihood ratio) of homogeneity: 2·Σ O·ln(O/E), 0..∞, symmetric; k − 1 degrees of
/// freedom. As scipy's `chi2_contingency(lambda_="log-likelihood")`.
///
/// Close to [`chi_squared()`] on large counts, worse than it on small ones.
///
/// # Errors
/// [`Error::Length`] for lists of different length, [`Error::TooFewValues`] if a side is empty.
pub fn g_test(reference: &[u64], current: &[u64], correction: Correction2x2) -> Result<TestResult> {
    let table = Table::new(reference, current, "G-test")?;
    let sum: f64 = table
        .cells(correction)
        .map(|(o, e)| if o > 0.0 { o * (o / e).ln() } else { 0.0 })
        .sum();
    let statistic = (2.0 * sum).max(0.0);
    Ok(TestResult {
        statistic,
        p_value: chi_squared_sf(statistic, table.degrees()),
    })
}

/// Two-proportion z-test with the pooled variance: z = (p₁ − p₂) / √(p(1 − p)(1/n₁ + 1/n₂)),
/// two-sided. The sign says which proportion is larger. If all or none of the rows count, z is 0.
///
/// # Errors
/// [`Error::TooFewValues`] if a side has no rows, [`Error::Argument`] if more rows count than
/// there are.
pub fn two_proportions(
    (hits_reference, rows_reference): (u64, u64),
    (hits_current, rows_current): (u64, u64),
) -> Result<TestResult> {
    for (sample, hits, rows) in [
        ("reference", hits_reference, rows_reference),
        ("current", hits_current, rows_current),
    ] {
        if rows == 0 {
            let method = "two proportions";
            return Err(Error::TooFewValues {
                sample,
                method,
                found: 0,
                needed: 1,
            });
        }
        if hits > rows {
            return Err(Error::Argument {
                name: "hits",
                value: format!("{hits} of {rows}"),
                allowed: "at most the number of rows",
            });
        }
    }
    let (n1, n2) = (rows_reference as f64, rows_current as f64);
    let (p1, p2) = (hits_reference as f64 / n1, hits_current as f64 / n2);
    let pooled = (hits_reference as f64 + hits_current as f64) / (n1 + n2);
    let variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2);
    let statistic = if variance > 0.0 {
        (p1 - p2) / variance.sqrt()
    } else {
        0.0
    };
    Ok(TestResult {
        statistic,
        p_value: normal_two_sided(statistic),
    })
}

/// Cramér's V between side and category, in 0..=1: how strongly a value tells which side it is
/// from. It depends on how many rows each side has, the shares being the same: to compare windows
/// of different sizes use [`balanced_cramers_v`]. Corrected for bias (Bergsma, *A bias-correction for
/// Cramér's V and Tschuprow's T*, 2013), so that it is about 0, not √((k − 1)/n), between equal
/// distributions. Cohen's customary reading: 0.1 small, 0.3 medium, 0.5 large.
///
/// # Errors
/// [`Error::Length`] for lists of different length, [`Error::TooFewValues`] if a side is empty.
pub fn cramers_v(reference: &[u64], current: &[u64]) -> Result<f64> {
    let table = Table::new(reference, current, "Cramér's V")?;
    let rows = table.total();
    let freedom = table.degrees();
    if rows < 2.0 || freedom == 0.0 {
        return Ok(0.0);
    }
    let statistic: f64 = table
        .cells(Correction2x2::None)
        .map(|(o, e)| (o - e) * (o - e) / e)
        .sum();
    let phi2 = (statistic / rows - freedom / (rows - 1.0)).max(0.0);
    // Corrected numbers of categories and of sides, less one.
    let categories = freedom - freedom * freedom / (rows - 1.0);
    let sides = 1.0 - 1.0 / (rows - 1.0);
    let least = categories.min(sides);
    Ok(if least > 0.0 {
        (phi2 / least).sqrt().min(1.0)
    } else {
        0.0
    })
}

/// Cramér's V as it would be with equally many rows on both sides: √(½·Σ (r − c)²/(r + c)) over
/// the shares, in 0..=1, symmetric. It depends on the shares alone, so a threshold means the same
/// for any two sizes: the effect size of this crate's verdicts. Less its expectation between
/// equal distributions, (k − 1)·(1/n + 1/m)/4 under the root, so that it is about 0 there.
///
/// # Errors
/// [`Error::Length`] for lists of different length, [`Error::TooFewValues`] if a side is empty.
pub fn balanced_cramers_v(reference: &[u64], current: &[u64]) -> Result<f64> {
    let table = Table::new(reference, current, "Cramér's V")?;
    let sum: f64 = table
        .pairs
        .iter()
        .map(|(r, c)| (r / table.reference, c / table.current))
        .map(|(r, c)| (r - c) * (r - c) / (r + c))
        .sum();
    let noise = table.degrees() * (1.0 / table.reference + 1.0 / table.current) / 4.0;
    Ok((sum / 2.0 - noise).clamp(0.0, 1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balanced_effect_does_not_depend_on_the_sizes() {
        let share = |rows: u64| [rows * 40 / 100, rows * 35 / 100, rows * 25 / 100];
        let other = |rows: u64| [rows * 25 / 100, rows * 35 / 100, rows * 40 / 100];
        let v = |n, m| balanced_cramers_v(&share(n), &other(m)).unwrap();
        let plain = |n, m| cramers_v(&share(n), &other(m)).unwrap();
        assert!((v(1_000_000, 1_000_000) - v(1_000_000, 10_000)).abs() < 1e-3);
        assert!((v(1_000_000, 1_000_000) - plain(1_000_000, 1_000_000)).abs() < 1e-5);
        assert!(plain(1_000_000, 10_000) < 0.3 * plain(1_000_000, 1_000_000));
    }
}
