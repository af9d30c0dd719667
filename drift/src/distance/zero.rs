//! What to do with bins that one side leaves empty.

use crate::{Error, Result};

/// What an empty bin's share is taken for where a logarithm or a ratio needs a positive one.
///
/// None of these scales the other shares to make them sum to one again.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ZeroBins {
    /// Leave zeros. PSI and KL become infinite when only one side of a bin is empty. What
    /// NannyML and scipy do (for distances that stay finite, such as Jensen–Shannon).
    Keep,
    /// An empty bin's share becomes this value, in (0, 1).
    Floor(f64),
    /// Evidently 0.7: per side, with m the smallest positive share, an empty bin's share becomes
    /// m/10⁶ if m ≤ 10⁻⁴, else 10⁻⁴.
    Evidently,
    /// Adds this many pseudo-counts, above zero, to every bin of both sides (Laplace: 1,
    /// Jeffreys: ½).
    Additive(f64),
}

impl ZeroBins {
    /// Turns counts into shares.
    pub(crate) fn shares(self, sample: &'static str, counts: &[u64]) -> Result<Vec<f64>> {
        let total: f64 = counts.iter().map(|count| *count as f64).sum();
        if total == 0.0 {
            return Err(Error::TooFewValues {
                sample,
                method: "a distance",
                found: 0,
                needed: 1,
            });
        }
        let shares = |counts: &[u64]| counts.iter().map(|c| *c as f64 / total).collect::<Vec<_>>();
        let filled = |fill: f64| {
            let mut shares = shares(counts);
            shares
                .iter_mut()
                .filter(|share| **share == 0.0)
                .for_each(|share| *share = fill);
            shares
        };
        match self {
            Self::Keep => Ok(shares(counts)),
            Self::Floor(floor) if floor > 0.0 && floor < 1.0 => Ok(filled(floor)),
            Self::Floor(floor) => Err(Error::Argument {
                name: "floor",
                value: floor.to_string(),
                allowed: "above 0 and below 1",
            }),
            Self::Evidently => {
                let least = counts
                    .iter()
                    .filter(|c| **c > 0)
                    .min()
                    .map_or(0.0, |c| *c as f64);
                let least = least / total;
                Ok(filled(if least <= 1e-4 { least / 1e6 } else { 1e-4 }))
            }
            Self::Additive(pseudo) if pseudo > 0.0 && pseudo.is_finite() => {
                let total = total + pseudo * counts.len() as f64;
                Ok(counts
                    .iter()
                    .map(|c| (*c as f64 + pseudo) / total)
                    .collect())
            }
            Self::Additive(pseudo) => Err(Error::Argument {
                name: "pseudo-counts",
                value: pseudo.to_string(),
                allowed: "above 0 and finite",
            }),
        }
    }
}
