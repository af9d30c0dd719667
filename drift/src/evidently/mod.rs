//! What Evidently 0.7 would say: its choice of method, its binning and zero filling, its
//! thresholds.
//!
//! For comparing with reports made by Evidently, and for moving from it. The crate's own
//! [`verdict`](crate::verdict) is the better default: here χ² takes the reference for free of
//! noise, p-values have no effect size beside them, and bins depend on the current window.
//!
//! Left out are the tests that Evidently offers but never chooses and that need random
//! permutations or equal sample sizes (`TVD`, `g_test`, `fisher_exact`, …). Where Evidently rounds
//! a tiny p-value to zero (`z`, `cramer_von_mises`) the true one is given here.
//!
//! ```
//! use drift::evidently::{Column, StatTest, dataset_drift};
//! let reference: Vec<f64> = (0..2000).map(f64::from).collect();
//! let current: Vec<f64> = reference.iter().map(|v| v + 200.0).collect();
//! let column = Column::numeric(&reference, &current)?;
//! assert_eq!(column.default_test(), StatTest::Wasserstein);
//! let drift = column.run(column.default_test(), None)?;
//! assert!(drift.drifted);
//! assert!(dataset_drift(&[drift], 0.5).drifted);
//! # Ok::<(), drift::Error>(())
//! ```

mod bins;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

use bins::{distinct, sturges_counts};

use crate::distance::{self, ZeroBins};
use crate::sample::{Comparison, Sorted};
use crate::test::{self, Exactness};
use crate::{Error, Result};

/// Up to this many reference rows Evidently chooses tests, beyond it distances.
const SMALL_REFERENCE: u64 = 1000;
/// Numeric columns with no more distinct values are treated as categories by default.
const FEW_VALUES: usize = 5;
/// Numeric columns whose reference has no more distinct values are not binned.
const UNBINNED_VALUES: usize = 20;
/// Wasserstein is divided by at least this.
const LEAST_DEVIATION: f64 = 0.001;

/// Evidently's name of a method, and its default threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatTest {
    /// `ks`: p ≤ 0.05. Numeric.
    Ks,
    /// `wasserstein`: divided by the reference's standard deviation, ≥ 0.1. Numeric.
    Wasserstein,
    /// `ed`: energy distance, > 0.1. Numeric.
    EnergyDistance,
    /// `cramer_von_mises`: p ≤ 0.1. Numeric.
    CramerVonMises,
    /// `anderson`: p < 0.1. Numeric.
    Anderson,
    /// `psi`: ≥ 0.1.
    Psi,
    /// `jensenshannon`: distance to base e, ≥ 0.1.
    JensenShannon,
    /// `kl_div`: KL(reference ‖ current), ≥ 0.1.
    KlDiv,
    /// `hellinger`: ≥ 0.1.
    Hellinger,
    /// `chisquare`: goodness of fit against the scaled reference, p < 0.05. Categories.
    ChiSquare,
    /// `z`: two proportions, of all values but the smallest, p < 0.05. Categories.
    Z,
}

impl StatTest {
    /// Evidently's default threshold.
    pub fn default_threshold(self) -> f64 {
        match self {
            Self::Ks | Self::ChiSquare | Self::Z => 0.05,
            _ => 0.1,
        }
    }

    fn drifted(self, score: f64, threshold: f64) -> bool {
        match self {
            Self::Ks | Self::CramerVonMises => score <= threshold,
            Self::ChiSquare | Self::Z | Self::Anderson => score < threshold,
            Self::EnergyDistance => score > threshold,
            _ => score >= threshold,
        }
    }
}

/// The verdict on one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnDrift {
    /// The method.
    pub test: StatTest,
    /// A p-value or a distance.
    pub score: f64,
    /// What the score was compared with.
    pub threshold: f64,
    /// Whether the column drifts.
    pub drifted: bool,
}

/// The verdict on all columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DatasetDrift {
    /// How many columns drift.
    pub columns: usize,
    /// Their share in 0..=1.
    pub share: f64,
    /// Whether the share reaches the threshold.
    pub drifted: bool,
}

/// A dataset drifts when at least a share of its columns does; Evidently's default is 0.5. Without
/// columns nothing drifts.
pub fn dataset_drift(columns: &[ColumnDrift], drift_share: f64) -> DatasetDrift {
    let drifted = columns.iter().filter(|column| column.drifted).count();
    let share = if columns.is_empty() {
        0.0
    } else {
        drifted as f64 / columns.len() as f64
    };
    let enough = !columns.is_empty() && share >= drift_share;
    DatasetDrift {
        columns: drifted,
        share,
        drifted: enough,
    }
}

/// Reference and current values of a column, cleaned as Evidently does.
#[derive(Debug)]
pub struct Column<'a>(Values<'a>);

#[derive(Debug)]
enum Values<'a> {
    Numeric {
        reference: Cow<'a, [f64]>,
        current: Cow<'a, [f64]>,
        sorted: OnceCell<(Sorted, Sorted)>,
        binned: OnceCell<(Vec<u64>, Vec<u64>)>,
    },
    Categorical {
        reference: Vec<u64>,
        current: Vec<u64>,
    },
}

impl<'a> Column<'a> {
    /// A numeric column; NaN and infinities are dropped.
    ///
    /// # Errors
    /// [`Error::TooFewValues`] if a side has no finite value.
    pub fn numeric(reference: &'a [f64], current: &'a [f64]) -> Result<Self> {
        let (reference, current) = (clean(reference), clean(current));
        require(reference.len() as u64, "reference")?;
        require(current.len() as u64, "current")?;
        Ok(Self(Values::Numeric {
            reference,
            current,
            sorted: OnceCell::new(),
            binned: OnceCell::new(),
        }))
    }

    /// A column of categories, missing ones left out.
    ///
    /// # Errors
    /// [`Error::TooFewValues`] if a side has no value.
    pub fn categorical<K: Ord>(
        reference: impl IntoIterator<Item = K>,
        current: impl IntoIterator<Item = K>,
    ) -> Result<Self> {
        let mut counts: BTreeMap<K, (u64, u64)> = BTreeMap::new();
        for key in reference {
            counts.entry(key).or_default().0 += 1;
        }
        for key in current {
            counts.entry(key).or_default().1 += 1;
        }
        let (reference, current): (Vec<u64>, Vec<u64>) = counts.into_values().unzip();
        require(reference.iter().sum(), "reference")?;
        require(current.iter().sum(), "current")?;
        Ok(Self(Values::Categorical { reference, current }))
    }

    /// The method that Evidently chooses. Up to 1,000 reference rows: Kolmogorov–Smirnov for
    /// numbers; χ² for categories and for up to 5 distinct numbers; z for two values. Beyond:
    /// Wasserstein for numbers; Jensen–Shannon for categories and for up to 5 distinct numbers.
    pub fn default_test(&self) -> StatTest {
        let (rows, distinct, categorical) = match &self.0 {
            Values::Numeric {
                reference, current, ..
            } => {
                let both = reference.iter().chain(current.iter());
                (
                    reference.len() as u64,
                    distinct(both, FEW_VALUES + 1),
                    false,
                )
            }
            Values::Categorical { reference, .. } => {
                (reference.iter().sum(), reference.len(), true)
            }
        };
        let few = categorical || distinct <= FEW_VALUES;
        match (rows <= SMALL_REFERENCE, few) {
            (true, true) if distinct <= 2 => StatTest::Z,
            (true, true) => StatTest::ChiSquare,
            (true, false) => StatTest::Ks,
            (false, true) => StatTest::JensenShannon,
            (false, false) => StatTest::Wasserstein,
        }
    }

    /// Runs a method against a threshold, by default Evidently's.
    ///
    /// # Errors
    /// [`Error::ColumnKind`] if the method is not for this kind of column; [`Error::TooFewValues`]
    /// and [`Error::Argument`] as the method itself.
    pub fn run(&self, test: StatTest, threshold: Option<f64>) -> Result<ColumnDrift> {
        let threshold = threshold.unwrap_or(test.default_threshold());
        let score = self.score(test)?;
        Ok(ColumnDrift {
            test,
            score,
            threshold,
            drifted: test.drifted(score, threshold),
        })
    }

    fn score(&self, test: StatTest) -> Result<f64> {
        match test {
            StatTest::Ks => {
                Ok(test::kolmogorov_smirnov(&self.comparison()?, Exactness::Auto)?.p_value)
            }
            StatTest::Wasserstein => self.comparison()?.scaled_wasserstein(LEAST_DEVIATION),
            StatTest::EnergyDistance => self.comparison()?.energy(),
            StatTest::CramerVonMises => Ok(test::cramer_von_mises(&self.comparison()?)?.p_value),
            StatTest::Anderson => Ok(test::anderson_darling(&self.comparison()?)?.p_value),
            StatTest::Psi => {
                let (r, c) = self.binned()?;
                distance::psi(&r, &c, ZeroBins::Evidently)
            }
            StatTest::JensenShannon => {
                let (r, c) = self.binned()?;
                distance::jensen_shannon(&r, &c, std::f64::consts::E)
            }
            StatTest::KlDiv => {
                let (r, c) = self.binned()?;
                distance::kullback_leibler(&r, &c, ZeroBins::Evidently)
            }
            StatTest::Hellinger => {
                let (r, c) = self.hellinger_bins()?;
                distance::hellinger(&r, &c)
            }
            StatTest::ChiSquare => {
                let (r, c) = self.value_counts()?;
                Ok(test::goodness_of_fit(&r, &c)?.p_value)
            }
            StatTest::Z => {
                let (r, c) = self.value_counts()?;
                let others = |counts: &[u64]| (counts.iter().skip(1).sum(), counts.iter().sum());
                Ok(test::two_proportions(others(&r), others(&c))?.p_value)
            }
        }
    }

    fn sorted(&self) -> Result<&(Sorted, Sorted)> {
        match &self.0 {
            Values::Numeric {
                reference,
                current,
                sorted,
                ..
            } => once(sorted, || {
                Ok((Sorted::new(reference)?, Sorted::new(current)?))
            }),
            Values::Categorical { .. } => Err(Error::ColumnKind {
                column: "given".into(),
                found: "categorical",
                expected: "numeric for this method",
            }),
        }
    }

    fn comparison(&self) -> Result<Comparison<'_>> {
        let (reference, current) = self.sorted()?;
        Comparison::new(reference, current)
    }

    /// Counts of every value that occurs.
    fn value_counts(&self) -> Result<(Vec<u64>, Vec<u64>)> {
        match &self.0 {
            Values::Numeric { .. } => Ok(self.comparison()?.value_counts()),
            Values::Categorical { reference, current } => Ok((reference.clone(), current.clone())),
        }
    }

    /// Counts over numpy's Sturges bins of both samples together, or of every value.
    fn binned(&self) -> Result<(Vec<u64>, Vec<u64>)> {
        match &self.0 {
            Values::Numeric {
                reference,
                current,
                binned,
                ..
            } if distinct(reference.iter(), UNBINNED_VALUES + 1) > UNBINNED_VALUES => {
                let rows = reference.len() + current.len();
                once(binned, || sturges_counts(reference, current, rows)).cloned()
            }
            _ => self.value_counts(),
        }
    }

    /// As [`binned`](Self::binned), but numbers always in bins, as many as the number of distinct
    /// values asks for.
    fn hellinger_bins(&self) -> Result<(Vec<u64>, Vec<u64>)> {
        match &self.0 {
            Values::Numeric {
                reference, current, ..
            } => {
                let values = self.comparison()?.value_counts().0.len();
                sturges_counts(reference, current, values)
            }
            Values::Categorical { .. } => self.value_counts(),
        }
    }
}

/// What the cell holds, made if it is empty.
fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

/// The finite values; borrowed if all are.
fn clean(values: &[f64]) -> Cow<'_, [f64]> {
    // x·0 is NaN for a value that is not finite; a sum of a block is quicker than a search.
    let finite = |block: &[f64]| block.iter().map(|value| value * 0.0).sum::<f64>() == 0.0;
    if values.chunks(4096).all(finite) {
        return Cow::Borrowed(values);
    }
    values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect()
}

fn require(found: u64, sample: &'static str) -> Result<()> {
    if found > 0 {
        return Ok(());
    }
    Err(Error::TooFewValues {
        sample,
        method: "Evidently's rules",
        found,
        needed: 1,
    })
}
