//! Where to cut: rules that turn a reference sample into inner histogram edges.

use crate::{Error, Result};

/// The largest number of bins that a rule may ask for. Freedman–Diaconis asks for millions when
/// a column has far outliers.
pub const MAX_BINS: usize = 256;

/// How the edges of a numeric column are chosen from the reference.
///
/// Every rule yields *inner* edges: the outer bins are open (see
/// [`Histogram`](super::Histogram)), so live values beyond the reference's range stay visible.
/// A column with a single value gets a bin for that value alone and one on either side.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BinRule {
    /// `n` bins with equal shares of the reference, cut at linearly interpolated quantiles. A
    /// value that two or more quantiles fall on (a frequent zero, a constant) gets a bin of its
    /// own, so there may be a few bins more or less. The default, with ten bins: PSI's
    /// customary form. A shift is seen best where the reference has its mass.
    Quantile(usize),
    /// `n` bins of equal width between the reference's minimum and maximum.
    EqualWidth(usize),
    /// ⌈(log₂ n + 1)⌉ bins of equal width, as numpy's `sturges`. Too few for large or skewed
    /// samples.
    Sturges,
    /// Sturges' rule with a term for skewness, as numpy's `doane`.
    Doane,
    /// Bins 2·IQR·n^(−1/3) wide, as numpy's `fd`; at most [`MAX_BINS`]. Falls back to Sturges
    /// when the interquartile range is zero.
    FreedmanDiaconis,
    /// These inner edges, finite and strictly increasing.
    Given(Vec<f64>),
}

impl BinRule {
    /// Checks the rule's own arguments.
    ///
    /// # Errors
    /// [`Error::Argument`] if a number of bins is outside 2..=[`MAX_BINS`].
    pub(crate) fn validate(&self) -> Result<()> {
        match self {
            Self::Quantile(bins) | Self::EqualWidth(bins) if !(2..=MAX_BINS).contains(bins) => {
                Err(Error::Argument {
                    name: "bins",
                    value: bins.to_string(),
                    allowed: "2 to 256",
                })
            }
            Self::Given(edges) => super::Histogram::new(edges.clone()).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Inner edges for a sorted sample of finite values that stands for `n` values.
    pub(crate) fn edges(&self, sorted: &[f64], n: u64) -> Vec<f64> {
        if let Self::Given(edges) = self {
            return edges.clone();
        }
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Vec::new();
        };
        if min == max {
            return atoms(vec![min, min]);
        }
        let n = n as f64;
        match self {
            Self::Quantile(bins) => {
                let cuts = (1..*bins).map(|i| quantile(sorted, i as f64 / *bins as f64));
                atoms(cuts.collect())
            }
            Self::EqualWidth(bins) => equal_width(min, max, *bins),
            Self::Sturges => by_width(min, max, width_sturges(min, max, n)),
            Self::Doane => by_width(min, max, width_doane(sorted, min, max, n)),
            Self::FreedmanDiaconis => {
                let range = quantile(sorted, 0.75) - quantile(sorted, 0.25);
                let width = 2.0 * range * n.powf(-1.0 / 3.0);
                let width = if width > 0.0 {
                    width
                } else {
                    width_sturges(min, max, n)
                };
                by_width(min, max, width)
            }
            Self::Given(edges) => edges.clone(),
        }
    }
}

/// The `p`-quantile of a sorted sample by linear interpolation between closest ranks (numpy's
/// default, Hyndman and Fan's type 7). The sample must not be empty.
pub(crate) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let (low, high) = (sorted[below], sorted[above]);
    let t = position - below as f64;
    if low == high {
        low
    } else if (high - low).is_finite() {
        low + (high - low) * t
    } else {
        low * (1.0 - t) + high * t
    }
}

/// Counts of two sorted samples over the `bins` quantile bins of the first.
pub(crate) fn quantile_counts(
    reference: &[f64],
    current: &[f64],
    bins: usize,
) -> (Vec<u64>, Vec<u64>) {
    let edges = BinRule::Quantile(bins).edges(reference, reference.len() as u64);
    let count = |sorted: &[f64]| {
        let mut counts = Vec::with_capacity(edges.len() + 1);
        let mut counted = 0;
        for edge in &edges {
            let below = sorted.partition_point(|value| value < edge);
            counts.push((below - counted) as u64);
            counted = below;
        }
        counts.push((sorted.len() - counted) as u64);
        counts
    };
    (count(reference), count(current))
}

/// Strictly increasing edges from ascending cuts; a cut that repeats becomes the bin [v, v⁺) of
/// that single value, where v⁺ is the next float.
fn atoms(cuts: Vec<f64>) -> Vec<f64> {
    let mut edges: Vec<f64> = Vec::with_capacity(cuts.len() * 2);
    for equal in cuts.chunk_by(|a, b| a == b) {
        // Adding zero turns −0 into +0, so that both zeros fall into one bin.
        let value = equal[0] + 0.0;
        let after = value.next_up();
        if edges.last().is_none_or(|last| *last < value) {
            edges.push(value);
        }
        if equal.len() > 1 && after.is_finite() {
            edges.push(after);
        }
    }
    edges
}

fn equal_width(min: f64, max: f64, bins: usize) -> Vec<f64> {
    let step = if (max - min).is_finite() {
        (max - min) / bins as f64
    } else {
        max / bins as f64 - min / bins as f64
    };
    let mut edges: Vec<f64> = Vec::with_capacity(bins);
    for i in 1..bins {
        let edge = min + i as f64 * step;
        if edge > min && edge.is_finite() && edges.last().is_none_or(|last| *last < edge) {
            edges.push(edge);
        }
    }
    edges
}

fn by_width(min: f64, max: f64, width: f64) -> Vec<f64> {
    let bins = ((max - min) / width).ceil();
    let bins = if bins.is_nan() {
        1.0
    } else {
        bins.clamp(1.0, MAX_BINS as f64)
    };
    equal_width(min, max, bins as usize)
}

fn width_sturges(min: f64, max: f64, n: f64) -> f64 {
    (max - min) / (n.log2() + 1.0)
}

/// numpy's `doane`: (max − min) / (1 + log₂ n + log₂(1 + |g₁|/σ_g₁)).
fn width_doane(sorted: &[f64], min: f64, max: f64, n: f64) -> f64 {
    if n <= 2.0 {
        return width_sturges(min, max, n);
    }
    let count = sorted.len() as f64;
    let mean = sorted.iter().map(|value| value / count).sum::<f64>();
    let sigma = (sorted
        .iter()
        .map(|v| (v - mean).powi(2) / count)
        .sum::<f64>())
    .sqrt();
    let skewness = sorted
        .iter()
        .map(|v| ((v - mean) / sigma).powi(3) / count)
        .sum::<f64>();
    let spread = (6.0 * (n - 2.0) / ((n + 1.0) * (n + 3.0))).sqrt();
    let bins = 1.0 + n.log2() + (1.0 + skewness.abs() / spread).log2();
    if bins.is_finite() {
        (max - min) / bins
    } else {
        width_sturges(min, max, n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(n: u32) -> Vec<f64> {
        (0..n).map(f64::from).collect()
    }

    #[test]
    fn quantile_bins_have_equal_shares() {
        let edges = BinRule::Quantile(10).edges(&range(1000), 1000);
        assert_eq!(edges.len(), 9);
        assert!((edges[0] - 99.9).abs() < 1e-9);
    }

    #[test]
    fn a_frequent_value_gets_its_own_bin() {
        let mut sample = vec![0.0; 600];
        sample.extend(range(400).iter().map(|v| v + 1.0));
        let edges = BinRule::Quantile(10).edges(&sample, 1000);
        assert_eq!(&edges[..2], [0.0, f64::from_bits(1)]);
        let constant = BinRule::Quantile(10).edges(&[7.0; 20], 20);
        assert_eq!(constant, [7.0, 7.0_f64.next_up()]);
    }

    #[test]
    fn extreme_samples_give_valid_edges() {
        let samples = [
            vec![-f64::MAX, 0.0, f64::MAX],
            vec![0.0, f64::from_bits(1)],
            vec![f64::MAX.next_down(), f64::MAX],
            vec![1.0],
            vec![],
        ];
        let rules = [
            BinRule::Quantile(10),
            BinRule::EqualWidth(10),
            BinRule::Sturges,
            BinRule::Doane,
            BinRule::FreedmanDiaconis,
        ];
        for sample in &samples {
            for rule in &rules {
                let edges = rule.edges(sample, sample.len() as u64);
                assert!(
                    super::super::Histogram::new(edges).is_ok(),
                    "{rule:?} {sample:?}"
                );
            }
        }
    }
}
