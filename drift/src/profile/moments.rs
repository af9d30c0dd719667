//! Count, minimum, maximum, mean and variance that merge without loss of accuracy.

use serde::{Deserialize, Serialize};

/// Values whose mean and squares are taken in two passes before they are merged.
const BLOCK: usize = 1024;

/// Count, minimum, maximum, mean and sum of squared deviations of finite values.
///
/// Blocks are taken in two passes and merged by Chan, Golub and LeVeque's update
/// (*Updating formulae and a pairwise algorithm for computing sample variances*, 1979), which
/// stays accurate when the mean is large against the spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moments {
    count: u64,
    #[serde(with = "crate::float")]
    min: f64,
    #[serde(with = "crate::float")]
    max: f64,
    #[serde(with = "crate::float")]
    mean: f64,
    #[serde(with = "crate::float")]
    m2: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            m2: 0.0,
        }
    }
}

impl Moments {
    /// The moments of `values`, all of which must be finite.
    pub(crate) fn of_finite(values: &[f64]) -> Self {
        let mut all = Self::default();
        for block in values.chunks(BLOCK) {
            all.merge(&Self::of_block(block));
        }
        all
    }

    fn of_block(block: &[f64]) -> Self {
        let count = block.len() as f64;
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut sums = [0.0; 8];
        let (lanes, rest) = block.as_chunks::<8>();
        for lane in lanes {
            for (sum, value) in sums.iter_mut().zip(lane) {
                *sum += value;
            }
        }
        let sum = sums.iter().sum::<f64>() + rest.iter().sum::<f64>();
        for value in block {
            min = if *value < min { *value } else { min };
            max = if *value > max { *value } else { max };
        }
        let mean = if sum.is_finite() {
            sum / count
        } else {
            block.iter().map(|value| value / count).sum()
        };
        let (mut squares, mut deviations) = ([0.0; 8], [0.0; 8]);
        for lane in lanes {
            for ((square, sum), value) in squares.iter_mut().zip(&mut deviations).zip(lane) {
                let deviation = value - mean;
                *square += deviation * deviation;
                *sum += deviation;
            }
        }
        let mut m2 = squares.iter().sum::<f64>();
        let mut off = deviations.iter().sum::<f64>();
        for value in rest {
            m2 += (value - mean) * (value - mean);
            off += value - mean;
        }
        // The mean is rounded; the deviations' own sum says by how much.
        let correction = off * (off / count);
        if correction.is_finite() && correction < m2 {
            m2 -= correction;
        }
        Self {
            count: block.len() as u64,
            min,
            max,
            mean,
            m2,
        }
    }

    /// Adds another set of values.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (left, right) = (self.count as f64, other.count as f64);
        let total = left + right;
        let delta = other.mean - self.mean;
        self.mean = if delta.is_finite() {
            self.mean + delta * (right / total)
        } else {
            self.mean * (left / total) + other.mean * (right / total)
        };
        self.m2 += other.m2 + delta * delta * (left / total) * right;
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Smallest value, `None` without values.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest value, `None` without values.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// Arithmetic mean, `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Sample variance, divided by n − `ddof`; `None` with no more than `ddof` values. Infinite
    /// when a squared deviation exceeds the range of a float (values beyond about 1e154).
    pub fn variance(&self, ddof: u64) -> Option<f64> {
        (self.count > ddof).then(|| self.m2 / (self.count - ddof) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variance_survives_a_large_mean() {
        let values: Vec<f64> = (0..10_000).map(|i| 1e9 + f64::from(i % 3)).collect();
        let moments = Moments::of_finite(&values);
        let small: Vec<f64> = values.iter().map(|v| v - 1e9).collect();
        let expected = Moments::of_finite(&small).variance(1).unwrap();
        assert!((moments.variance(1).unwrap() / expected - 1.0).abs() < 1e-9);
    }

    #[test]
    fn extremes_do_not_make_nan() {
        let mut moments = Moments::of_finite(&[1.7e308, 1.7e308]);
        moments.merge(&Moments::of_finite(&[-1.7e308, -1.7e308]));
        assert_eq!(moments.mean(), Some(0.0));
        assert_eq!(moments.variance(1), Some(f64::INFINITY));
        let text = serde_json::to_string(&moments).unwrap();
        assert_eq!(serde_json::from_str::<Moments>(&text).unwrap(), moments);
    }
}
