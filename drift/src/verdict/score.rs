//! Computes a column's score by a rule.

use super::noise::{self, Sizes};
use super::{Method, Outcome, Rule, Score};
use crate::distance::{self, PSI_FLOOR, ZeroBins};
use crate::profile::ColumnProfile;
use crate::sample::{Comparison, Sorted};
use crate::test::{self, Correction2x2, Exactness, TestResult};
use crate::{Error, Result};

/// Numbers with no more distinct values are taken as categories by `Auto`.
const FEW_VALUES: usize = 10;
/// Bins that raw values are cut into for distances that need bins.
const BINS: usize = 10;
/// Fewer expected rows than this make a χ² cell unreliable (Cochran's rule).
const LEAST_EXPECTED: f64 = 5.0;
/// A reference's standard deviation below this counts as this.
const LEAST_DEVIATION: f64 = 0.001;

/// A column of both sides, reference first.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// Profiles over the same bins.
    Profiles(&'a ColumnProfile, &'a ColumnProfile),
    /// Sorted numbers. Methods on counts cut them into ten quantile bins of the reference.
    Numbers(&'a Sorted, &'a Sorted),
    /// Counts of the same categories.
    Counts(&'a [u64], &'a [u64]),
}

impl Rule {
    /// The score of one column, decided by itself; for several columns see
    /// [`judge`](super::judge).
    ///
    /// # Errors
    /// [`Error::Argument`] for an `alpha` outside (0, 1) or a threshold that is NaN;
    /// [`Error::ColumnKind`] if the method does not work on this kind of data;
    /// [`Error::DifferentBins`] and [`Error::Length`] if the sides don't belong together.
    pub fn score(&self, data: Data<'_>) -> Result<Score> {
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            let value = self.alpha.to_string();
            return Err(Error::Argument {
                name: "alpha",
                value,
                allowed: "above 0 and below 1",
            });
        }
        if self.threshold.is_some_and(f64::is_nan) {
            let value = "NaN".into();
            return Err(Error::Argument {
                name: "threshold",
                value,
                allowed: "a number",
            });
        }
        let method = data.resolve(self.method);
        let (reference, current) = data.sizes();
        let mut score = Score {
            method,
            value: 0.0,
            threshold: self.threshold.unwrap_or(method.default_threshold()),
            p_value: None,
            reference,
            current,
            outcome: Outcome::TooFewSamples,
        };
        if reference.min(current) < self.min_samples.max(1) {
            return Ok(score);
        }
        let pooled = self.method == Method::Auto && method == Method::ChiSquared;
        let (value, p_value, sizes) = data.measure(method, pooled)?;
        score.value = value;
        score.p_value = p_value;
        if self.threshold.is_none() {
            score.threshold = score.threshold.max(noise::level(method, sizes));
        }
        score.outcome = score.decide(self.alpha);
        Ok(score)
    }
}

/// Sum of counts; counts read from elsewhere may be anything.
fn total(counts: &[u64]) -> u64 {
    counts
        .iter()
        .fold(0, |sum, count| count.saturating_add(sum))
}

type Measured = (f64, Option<f64>, Sizes);

impl Data<'_> {
    fn resolve(self, method: Method) -> Method {
        match (method, self) {
            (Method::Auto, Self::Profiles(ColumnProfile::Numeric(_), _)) => Method::Psi,
            (Method::Auto, Self::Numbers(r, c))
                if r.distinct(FEW_VALUES + 1).max(c.distinct(FEW_VALUES + 1)) > FEW_VALUES =>
            {
                Method::KolmogorovSmirnov
            }
            (Method::Auto, _) => Method::ChiSquared,
            (method, _) => method,
        }
    }

    fn sizes(self) -> (u64, u64) {
        match self {
            Self::Profiles(r, c) => (r.count(), c.count()),
            Self::Numbers(r, c) => (r.len() as u64, c.len() as u64),
            Self::Counts(r, c) => (total(r), total(c)),
        }
    }

    fn measure(self, method: Method, pooled: bool) -> Result<Measured> {
        let (reference, current) = self.sizes();
        let sizes = Sizes {
            reference,
            current,
            bins: 1,
            largest: 1.0,
        };
        match (method, self) {
            (
                Method::KolmogorovSmirnov | Method::CramerVonMises | Method::AndersonDarling,
                Self::Numbers(r, c),
            ) => {
                let comparison = Comparison::new(r, c)?;
                let result = match method {
                    Method::CramerVonMises => test::cramer_von_mises(&comparison)?,
                    Method::AndersonDarling => test::anderson_darling(&comparison)?,
                    _ => test::kolmogorov_smirnov(&comparison, Exactness::Auto)?,
                };
                Ok((comparison.ks_statistic(), Some(result.p_value), sizes))
            }
            (Method::KolmogorovSmirnov, Self::Profiles(r, c)) => {
                let (r, c) = numeric(r, c)?;
                let statistic = r.ks_statistic(c)?;
                let p_value = test::ks_p_value(reference, current, statistic);
                Ok((statistic, Some(p_value), sizes))
            }
            (Method::Wasserstein, Self::Numbers(r, c)) => {
                let value = Comparison::new(r, c)?.scaled_wasserstein(LEAST_DEVIATION)?;
                Ok((value, None, sizes))
            }
            (Method::Wasserstein, Self::Profiles(r, c)) => {
                let (r, c) = numeric(r, c)?;
                Ok((r.scaled_wasserstein(c, LEAST_DEVIATION)?, None, sizes))
            }
            (
                Method::KolmogorovSmirnov
                | Method::CramerVonMises
                | Method::AndersonDarling
                | Method::Wasserstein,
                _,
            ) => Err(Error::ColumnKind {
                column: "given".into(),
                found: "counts",
                expected: "numbers for this method",
            }),
            (method, data) => {
                let (r, c) = data.counts(method)?;
                on_counts(method, &r, &c, pooled)
            }
        }
    }

    fn counts(self, method: Method) -> Result<(Vec<u64>, Vec<u64>)> {
        match self {
            Self::Profiles(r, c) => r.paired_counts(c),
            Self::Counts(r, c) => Ok((r.to_vec(), c.to_vec())),
            Self::Numbers(r, c) => {
                let tests = matches!(
                    method,
                    Method::ChiSquared | Method::GTest | Method::TwoProportions
                );
                let few = r.distinct(FEW_VALUES + 1).max(c.distinct(FEW_VALUES + 1)) <= FEW_VALUES;
                if tests && few {
                    return Ok(Comparison::new(r, c)?.value_counts());
                }
                Ok(crate::profile::quantile_counts(
                    r.values(),
                    c.values(),
                    BINS,
                ))
            }
        }
    }
}

fn numeric<'a>(
    reference: &'a ColumnProfile,
    current: &'a ColumnProfile,
) -> Result<(
    &'a crate::profile::NumericProfile,
    &'a crate::profile::NumericProfile,
)> {
    match (reference, current) {
        (ColumnProfile::Numeric(r), ColumnProfile::Numeric(c)) => Ok((r, c)),
        _ => Err(Error::ColumnKind {
            column: "given".into(),
            found: "categorical",
            expected: "numeric for this method",
        }),
    }
}

fn on_counts(method: Method, r: &[u64], c: &[u64], pooled: bool) -> Result<Measured> {
    let (reference, current) = (total(r), total(c));
    let filled = r.iter().zip(c).filter(|(r, c)| **r > 0 || **c > 0);
    let rows = (reference as f64 + current as f64).max(1.0);
    let sizes = Sizes {
        reference,
        current,
        bins: filled.clone().count(),
        largest: filled
            .map(|(r, c)| (*r as f64 + *c as f64) / rows)
            .fold(0.0, f64::max),
    };
    let floor = ZeroBins::Floor(PSI_FLOOR);
    let distance = |value: Result<f64>| Ok((value?, None, sizes));
    let tested = |effect: f64, result: TestResult| Ok((effect, Some(result.p_value), sizes));
    match method {
        Method::Psi => distance(distance::psi(r, c, floor)),
        Method::KullbackLeibler => distance(distance::kullback_leibler(r, c, floor)),
        Method::JensenShannon => distance(distance::jensen_shannon(r, c, std::f64::consts::E)),
        Method::Hellinger => distance(distance::hellinger(r, c)),
        Method::TotalVariation => distance(distance::total_variation(r, c)),
        Method::LInfinity => distance(distance::l_infinity(r, c)),
        Method::GTest => tested(
            test::balanced_cramers_v(r, c)?,
            test::g_test(r, c, Correction2x2::Yates)?,
        ),
        Method::TwoProportions
            if r.iter().zip(c).filter(|(r, c)| **r > 0 || **c > 0).count() <= 2 =>
        {
            let index = r
                .iter()
                .zip(c)
                .position(|(r, c)| *r > 0 || *c > 0)
                .unwrap_or(0);
            let result = test::two_proportions((r[index], reference), (c[index], current))?;
            let change = r[index] as f64 / reference as f64 - c[index] as f64 / current as f64;
            tested(change.abs(), result)
        }
        Method::TwoProportions => Err(Error::ColumnKind {
            column: "given".into(),
            found: "of more than two categories",
            expected: "two categories for this method",
        }),
        _ => {
            let (r, c) = if pooled {
                pool_rare(r, c)
            } else {
                (r.to_vec(), c.to_vec())
            };
            tested(
                test::balanced_cramers_v(&r, &c)?,
                test::chi_squared(&r, &c, Correction2x2::Yates)?,
            )
        }
    }
}

/// Counts categories together in which either side would expect fewer than five rows.
fn pool_rare(r: &[u64], c: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (n, m) = (total(r) as f64, total(c) as f64);
    let smaller = n.min(m) / (n + m);
    let (mut reference, mut current) = (vec![0_u64], vec![0_u64]);
    for (r, c) in r.iter().zip(c) {
        if (*r as f64 + *c as f64) * smaller < LEAST_EXPECTED {
            reference[0] = r.saturating_add(reference[0]);
            current[0] = c.saturating_add(current[0]);
        } else {
            reference.push(*r);
            current.push(*c);
        }
    }
    (reference, current)
}
