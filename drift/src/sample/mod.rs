//! Raw samples, sorted once and compared as often as needed.

mod radix;
mod sweep;

pub(crate) use radix::sorted;
pub use sweep::Comparison;

use crate::{Error, Result};

/// A sample in ascending order, without NaN. Infinities are kept at the ends.
///
/// ```
/// use drift::sample::{Comparison, Sorted};
/// let reference = Sorted::new(&[3.0, 1.0, 2.0])?;
/// let current = Sorted::new(&[4.0, 2.0, 3.0])?;
/// let comparison = Comparison::new(&reference, &current)?;
/// assert_eq!(comparison.ks_statistic(), 1.0 / 3.0);
/// assert_eq!(comparison.wasserstein()?, 1.0);
/// # Ok::<(), drift::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts a copy of the values, in time linear in their number.
    ///
    /// # Errors
    /// [`Error::NotFinite`] names the first NaN; [`Error::Argument`] beyond 2³⁰ values.
    pub fn new(values: &[f64]) -> Result<Self> {
        if let Some(index) = values.iter().position(|value| value.is_nan()) {
            return Err(Error::NotFinite {
                sample: "the sample",
                value: f64::NAN,
                index,
            });
        }
        // Ranks of two samples are multiplied exactly in 64 bits.
        if values.len() > 1 << 30 {
            return Err(Error::Argument {
                name: "number of values",
                value: values.len().to_string(),
                allowed: "up to 2^30; use profiles for more",
            });
        }
        Ok(Self(sorted(values)))
    }

    /// Leaves out NaN and infinities, and sorts the rest.
    ///
    /// # Errors
    /// [`Error::Argument`] beyond 2³⁰ values.
    pub fn finite(values: &[f64]) -> Result<Self> {
        if values.iter().all(|value| value.is_finite()) {
            return Self::new(values);
        }
        let finite: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect();
        Self::new(&finite)
    }

    /// The values, ascending.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `p`-quantile, `p` in 0..=1, by linear interpolation between closest ranks (type 7, as
    /// numpy's default); `None` without values or for `p` out of range.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        ((0.0..=1.0).contains(&p) && !self.is_empty()).then(|| crate::profile::quantile(&self.0, p))
    }

    /// Population standard deviation √(Σ(x − x̄)²/n), numpy's default (`ddof = 0`); `None`
    /// without values.
    pub fn standard_deviation(&self) -> Option<f64> {
        crate::profile::Moments::of_finite(&self.0)
            .variance(0)
            .map(f64::sqrt)
    }

    /// Number of distinct values, counted up to `limit`.
    pub fn distinct(&self, limit: usize) -> usize {
        self.0.chunk_by(|a, b| a == b).take(limit).count()
    }

    pub(crate) fn require(
        &self,
        sample: &'static str,
        method: &'static str,
        needed: u64,
    ) -> Result<()> {
        if self.len() as u64 >= needed {
            return Ok(());
        }
        Err(Error::TooFewValues {
            sample,
            method,
            found: self.len() as u64,
            needed,
        })
    }

    pub(crate) fn require_finite(&self, sample: &'static str) -> Result<()> {
        for index in [0, self.len().saturating_sub(1)] {
            if let Some(value) = self.0.get(index).filter(|value| value.is_infinite()) {
                return Err(Error::NotFinite {
                    sample,
                    value: *value,
                    index,
                });
            }
        }
        Ok(())
    }
}
