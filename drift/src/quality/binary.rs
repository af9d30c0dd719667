//! Quality of predicted probabilities of two classes.

use serde::{Deserialize, Serialize};

use super::ClassMetrics;
use super::ranking::{Auc, Ranking};
use super::sum::Sum;
use crate::{Error, Result};

/// Bins of equal width for the calibration error.
const CALIBRATION_BINS: usize = 10;
/// Probabilities are kept this far from 0 and 1 in the log loss, so that one sure and wrong
/// prediction does not make it infinite.
const CLIP: f64 = 1e-15;

/// Labels against predicted probabilities of the positive class: AUC, log loss, Brier score,
/// calibration error, and accuracy, precision, recall and F1 at a threshold.
///
/// Scores outside 0..=1 and NaN are counted as `skipped`. At most about 100 kB, for any number of
/// rows.
///
/// ```
/// use drift::quality::Binary;
/// let mut quality = Binary::default();
/// for (label, score) in [(true, 0.9), (false, 0.4), (true, 0.4), (false, 0.1)] {
///     quality.observe(label, score);
/// }
/// assert_eq!(quality.auc(), Some(0.875)); // one tie of four pairs
/// assert_eq!(quality.accuracy(), Some(0.75));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binary {
    threshold: f64,
    positive: ClassMetrics,
    true_negatives: u64,
    log_loss: Sum,
    brier: Sum,
    calibration: [CalibrationBin; CALIBRATION_BINS],
    ranking: Ranking,
    #[serde(default)]
    skipped: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct CalibrationBin {
    scores: Sum,
    positives: u64,
    rows: u64,
}

impl Default for Binary {
    fn default() -> Self {
        Self::at(0.5)
    }
}

impl Binary {
    /// With another threshold than 0.5.
    ///
    /// # Errors
    /// [`Error::Argument`] if it is outside 0..=1.
    pub fn with_threshold(threshold: f64) -> Result<Self> {
        if (0.0..=1.0).contains(&threshold) {
            return Ok(Self::at(threshold));
        }
        let value = threshold.to_string();
        Err(Error::Argument {
            name: "threshold",
            value,
            allowed: "0 to 1",
        })
    }

    fn at(threshold: f64) -> Self {
        Self {
            threshold,
            positive: ClassMetrics::default(),
            true_negatives: 0,
            log_loss: Sum::default(),
            brier: Sum::default(),
            calibration: Default::default(),
            ranking: Ranking::default(),
            skipped: 0,
        }
    }

    /// Adds one label and the probability predicted for its being true.
    pub fn observe(&mut self, label: bool, score: f64) {
        if !(0.0..=1.0).contains(&score) {
            self.skipped += 1;
            return;
        }
        match (label, score >= self.threshold) {
            (true, true) => self.positive.true_positives += 1,
            (true, false) => self.positive.false_negatives += 1,
            (false, true) => self.positive.false_positives += 1,
            (false, false) => self.true_negatives += 1,
        }
        let likelihood = if label { score } else { 1.0 - score };
        self.log_loss.add(-likelihood.clamp(CLIP, 1.0 - CLIP).ln());
        self.brier.add((1.0 - likelihood) * (1.0 - likelihood));
        let bin = ((score * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        let bin = &mut self.calibration[bin];
        bin.scores.add(score);
        bin.positives += u64::from(label);
        bin.rows += 1;
        self.ranking.observe(label, score);
    }

    /// Adds another accumulator's rows.
    ///
    /// # Errors
    /// [`Error::DifferentSettings`] if the thresholds differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.threshold != other.threshold {
            return Err(Error::DifferentSettings {
                what: "thresholds",
                left: self.threshold.to_string(),
                right: other.threshold.to_string(),
            });
        }
        self.positive.add(&other.positive);
        self.true_negatives = self.true_negatives.saturating_add(other.true_negatives);
        self.log_loss.merge(&other.log_loss);
        self.brier.merge(&other.brier);
        for (mine, theirs) in self.calibration.iter_mut().zip(&other.calibration) {
            mine.scores.merge(&theirs.scores);
            mine.positives = mine.positives.saturating_add(theirs.positives);
            mine.rows = mine.rows.saturating_add(theirs.rows);
        }
        self.ranking.merge(&other.ranking);
        self.skipped = self.skipped.saturating_add(other.skipped);
        Ok(())
    }

    /// Number of rows that count.
    pub fn count(&self) -> u64 {
        self.positive.support() + self.positive.false_positives + self.true_negatives
    }

    /// Number of rows left out because the score was no probability.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The positive class at the threshold: precision, recall, F1.
    pub fn positive(&self) -> &ClassMetrics {
        &self.positive
    }

    /// Scores by label: area under the ROC curve with interval and error bound.
    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        (self.count() > 0).then(|| sum / self.count() as f64)
    }

    /// Share in 0..=1 of the rows on the right side of the threshold; `None` without rows.
    pub fn accuracy(&self) -> Option<f64> {
        self.mean((self.positive.true_positives + self.true_negatives) as f64)
    }

    /// See [`Ranking::auc`].
    pub fn auc(&self) -> Option<f64> {
        self.ranking.auc()
    }

    /// See [`Ranking::auc_interval`].
    pub fn auc_interval(&self, level: f64) -> Option<Auc> {
        self.ranking.auc_interval(level)
    }

    /// Mean of −ln of the probability given to what happened, in nats, 0..=34.5; `None` without
    /// rows. Probabilities are kept 10⁻¹⁵ from 0 and 1.
    pub fn log_loss(&self) -> Option<f64> {
        self.mean(self.log_loss.value())
    }

    /// Mean squared difference of probability and outcome, in 0..=1, lower is better; `None`
    /// without rows.
    pub fn brier(&self) -> Option<f64> {
        self.mean(self.brier.value())
    }

    /// Expected calibration error in 0..=1 over ten bins of equal width: Σ (rows in bin / rows) ·
    /// |mean probability − share of positives|; `None` without rows. Never quite zero: with n rows
    /// a perfect model has about √(10 p(1 − p)/n)·0.8.
    pub fn calibration_error(&self) -> Option<f64> {
        let off = |bin: &CalibrationBin| (bin.scores.value() - bin.positives as f64).abs();
        self.mean(self.calibration.iter().map(off).sum())
    }
}
