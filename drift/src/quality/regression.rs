//! Errors of numeric predictions.

use serde::{Deserialize, Serialize};

use super::sum::Sum;
use crate::profile::Moments;

/// Errors of numeric predictions: MAE, MSE, RMSE, bias and R².
///
/// Pairs in which the label or the prediction is NaN or infinite are counted as `skipped` and
/// enter nothing else: watch that number, a model that answers NaN has no error otherwise.
///
/// ```
/// use drift::quality::Regression;
/// let mut monday = Regression::default();
/// monday.observe(10.0, 12.0); // label, prediction
/// let mut tuesday = Regression::default();
/// tuesday.observe(20.0, 19.0);
/// monday.merge(&tuesday);
/// assert_eq!(monday.mae(), Some(1.5));
/// assert_eq!(monday.bias(), Some(0.5));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Regression {
    absolute: Sum,
    squared: Sum,
    signed: Sum,
    labels: Moments,
    #[serde(default)]
    skipped: u64,
}

impl Regression {
    /// Adds one label and the prediction made for it.
    pub fn observe(&mut self, label: f64, prediction: f64) {
        if !(label.is_finite() && prediction.is_finite()) {
            self.skipped += 1;
            return;
        }
        let error = prediction - label;
        self.absolute.add(error.abs());
        self.squared.add(error * error);
        self.signed.add(error);
        self.labels.merge(&Moments::of_finite(&[label]));
    }

    /// Adds another accumulator's pairs.
    pub fn merge(&mut self, other: &Self) {
        self.absolute.merge(&other.absolute);
        self.squared.merge(&other.squared);
        self.signed.merge(&other.signed);
        self.labels.merge(&other.labels);
        self.skipped = self.skipped.saturating_add(other.skipped);
    }

    /// Number of pairs that count.
    pub fn count(&self) -> u64 {
        self.labels.count()
    }

    /// Number of pairs left out because one of the two was NaN or infinite.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn mean(&self, sum: &Sum) -> Option<f64> {
        (self.count() > 0).then(|| sum.value() / self.count() as f64)
    }

    /// Mean absolute error Σ|p − y| / n in the label's unit; `None` without pairs.
    pub fn mae(&self) -> Option<f64> {
        self.mean(&self.absolute)
    }

    /// Mean squared error Σ(p − y)² / n in the label's unit squared; `None` without pairs.
    pub fn mse(&self) -> Option<f64> {
        self.mean(&self.squared)
    }

    /// Root of the mean squared error, in the label's unit; `None` without pairs.
    pub fn rmse(&self) -> Option<f64> {
        self.mse().map(f64::sqrt)
    }

    /// Mean signed error Σ(p − y) / n: positive when the model predicts too much; `None` without
    /// pairs.
    pub fn bias(&self) -> Option<f64> {
        self.mean(&self.signed)
    }

    /// Coefficient of determination 1 − Σ(p − y)² / Σ(y − ȳ)², at most 1, negative when the mean
    /// label would have been the better prediction. `None` with fewer than two pairs or when all
    /// labels are equal. It compares with this window's own mean, so a window with little spread
    /// in its labels has a low R² at the same error.
    pub fn r2(&self) -> Option<f64> {
        let mse = self.mse()?;
        let spread = self.labels.variance(0)?;
        (self.count() > 1 && spread > 0.0).then(|| 1.0 - mse / spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definitions() {
        let mut quality = Regression::default();
        for (label, prediction) in [(1.0, 1.5), (2.0, 2.0), (3.0, 2.0), (f64::NAN, 1.0)] {
            quality.observe(label, prediction);
        }
        assert_eq!((quality.count(), quality.skipped()), (3, 1));
        assert_eq!(quality.mae(), Some(0.5));
        assert_eq!(quality.mse(), Some(1.25 / 3.0));
        assert!((quality.r2().unwrap() - (1.0 - 1.25 / 2.0)).abs() < 1e-12);
    }

    #[test]
    fn empty_and_constant_labels_have_no_r2() {
        let mut quality = Regression::default();
        assert_eq!((quality.mae(), quality.r2()), (None, None));
        quality.observe(1.0, 1.0);
        quality.observe(1.0, 2.0);
        assert_eq!(quality.r2(), None);
    }

    #[test]
    fn overflow_survives_json() {
        let mut quality = Regression::default();
        quality.observe(-1e200, 1e200);
        let text = serde_json::to_string(&quality).unwrap();
        let back: Regression = serde_json::from_str(&text).unwrap();
        assert_eq!(back, quality);
        assert_eq!(back.mse(), Some(f64::INFINITY));
        assert_eq!(back.mae(), Some(2e200));
    }
}
