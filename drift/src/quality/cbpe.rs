//! Performance without labels.

use serde::{Deserialize, Serialize};

use super::isotonic::Isotonic;
use crate::{Error, Result};

/// Confidence-based performance estimation for classifiers of two classes: what accuracy,
/// precision, recall, F1 and AUC are *expected* to be, from the probabilities alone.
///
/// Scores are first calibrated on labelled reference data by isotonic regression; then a row with
/// calibrated probability p is p of a positive and 1 − p of a negative.
///
/// It holds if the relation between score and outcome stays what it was in the reference: the
/// inputs may drift into harder or easier regions, as long as the reference covered them
/// (covariate shift). It is blind to concept drift (the same inputs now have other outcomes) and
/// wrong for inputs unlike any in the reference. It can replace labels that come late, not labels.
///
/// After Kivimäki et al., *Confidence-based estimators for predictive performance in model
/// monitoring* (2024); NannyML's CBPE.
///
/// ```
/// use drift::quality::Cbpe;
/// let scores: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
/// let labels: Vec<bool> = (0..1000).map(|i| (i * 7919) % 1000 < i).collect();
/// let cbpe = Cbpe::fit(&scores, &labels, 0.5)?;
/// let hard: Vec<f64> = vec![0.45, 0.55];
/// let easy: Vec<f64> = vec![0.05, 0.95];
/// assert!(cbpe.estimate(&hard)?.accuracy < cbpe.estimate(&easy)?.accuracy);
/// # Ok::<(), drift::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cbpe {
    calibration: Isotonic,
    threshold: f64,
}

/// Expected performance on rows without labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Rows that the estimate is over.
    pub rows: u64,
    /// Rows left out because the score was NaN or infinite.
    pub skipped: u64,
    /// Expected accuracy.
    pub accuracy: f64,
    /// Standard deviation of the accuracy that these rows will show once labelled, if the
    /// assumptions hold: √(Σ p(1 − p)) / rows.
    pub accuracy_deviation: f64,
    /// Expected precision; `None` if no row reaches the threshold.
    pub precision: Option<f64>,
    /// Expected recall; `None` if no positives are expected.
    pub recall: Option<f64>,
    /// Expected F1; `None` if neither are there.
    pub f1: Option<f64>,
    /// Expected area under the ROC curve; `None` if one class is not expected at all.
    pub auc: Option<f64>,
}

impl Cbpe {
    /// Calibrates on labelled reference rows that the model was not trained on. `threshold` is the
    /// score from which on the model says "positive".
    ///
    /// # Errors
    /// As [`Isotonic::fit`], and [`Error::Argument`] for a threshold that is NaN.
    pub fn fit(scores: &[f64], labels: &[bool], threshold: f64) -> Result<Self> {
        if threshold.is_nan() {
            let value = "NaN".into();
            return Err(Error::Argument {
                name: "threshold",
                value,
                allowed: "a number",
            });
        }
        Ok(Self {
            calibration: Isotonic::fit(scores, labels)?,
            threshold,
        })
    }

    /// The calibration curve.
    pub fn calibration(&self) -> &Isotonic {
        &self.calibration
    }

    /// What to expect of rows with these scores.
    ///
    /// # Errors
    /// [`Error::TooFewValues`] without a finite score.
    pub fn estimate(&self, scores: &[f64]) -> Result<Estimate> {
        let mut rows: Vec<(f64, f64)> = scores
            .iter()
            .filter(|score| score.is_finite())
            .map(|score| (*score, self.calibration.predict(*score)))
            .collect();
        if rows.is_empty() {
            return Err(Error::TooFewValues {
                sample: "scores",
                method: "performance estimation",
                found: 0,
                needed: 1,
            });
        }
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut hits, mut alarms, mut misses, mut rejections) = (0.0, 0.0, 0.0, 0.0);
        let mut variance = 0.0;
        for (score, p) in &rows {
            if *score >= self.threshold {
                hits += p;
                alarms += 1.0 - p;
            } else {
                misses += p;
                rejections += 1.0 - p;
            }
            variance += p * (1.0 - p);
        }
        let count = rows.len() as f64;
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        Ok(Estimate {
            rows: rows.len() as u64,
            skipped: (scores.len() - rows.len()) as u64,
            accuracy: (hits + rejections) / count,
            accuracy_deviation: variance.sqrt() / count,
            precision: ratio(hits, hits + alarms),
            recall: ratio(hits, hits + misses),
            f1: ratio(2.0 * hits, 2.0 * hits + alarms + misses),
            auc: expected_auc(&rows),
        })
    }
}

/// Expected Mann–Whitney statistic of rows in ascending order of their scores. A row is no pair
/// with itself.
fn expected_auc(rows: &[(f64, f64)]) -> Option<f64> {
    let (mut below, mut won, mut own) = (0.0, 0.0, 0.0);
    let mut positives = 0.0;
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let p: f64 = tied.iter().map(|row| row.1).sum();
        let n = tied.len() as f64 - p;
        let alone: f64 = tied.iter().map(|row| row.1 * (1.0 - row.1)).sum();
        won += p * below + (p * n - alone) / 2.0;
        own += alone;
        below += n;
        positives += p;
    }
    let pairs = positives * below - own;
    (pairs > 0.0).then(|| (won / pairs).clamp(0.0, 1.0))
}
