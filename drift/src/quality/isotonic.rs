//! Isotonic regression: the best fit that never falls.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A calibration curve: monotone, piecewise linear between its knots and constant beyond them.
///
/// Fitted by least squares with the pool-adjacent-violators algorithm (Ayer et al., 1955), equal
/// scores taken together, as scikit-learn's `IsotonicRegression(out_of_bounds="clip")`. Needs
/// hundreds of labels; with few it overfits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    knots: Vec<(f64, f64)>,
}

/// Neighbouring scores that share a fitted value.
struct Block {
    first: f64,
    last: f64,
    sum: f64,
    rows: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.rows
    }
}

impl Isotonic {
    /// Fits outcomes (true is 1) to scores.
    ///
    /// # Errors
    /// [`Error::Length`] if there are not as many labels as scores, [`Error::TooFewValues`] without
    /// any, [`Error::NotFinite`] for a score that is NaN or infinite.
    pub fn fit(scores: &[f64], labels: &[bool]) -> Result<Self> {
        if scores.len() != labels.len() {
            let (found, expected) = (labels.len(), scores.len());
            return Err(Error::Length {
                what: "labels",
                found,
                expected,
            });
        }
        if scores.is_empty() {
            let method = "isotonic regression";
            return Err(Error::TooFewValues {
                sample: "scores",
                method,
                found: 0,
                needed: 1,
            });
        }
        if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::NotFinite {
                sample: "scores",
                value: scores[index],
                index,
            });
        }
        let mut rows: Vec<(f64, f64)> = scores
            .iter()
            .zip(labels)
            .map(|(s, l)| (*s, f64::from(u8::from(*l))))
            .collect();
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut blocks: Vec<Block> = Vec::new();
        for equal in rows.chunk_by(|a, b| a.0 == b.0) {
            let score = equal[0].0;
            let sum = equal.iter().map(|row| row.1).sum();
            let mut block = Block {
                first: score,
                last: score,
                sum,
                rows: equal.len() as f64,
            };
            // A block that is not above the one before it is pooled with it.
            while let Some(before) = blocks.pop_if(|before| before.mean() >= block.mean()) {
                block.first = before.first;
                block.sum += before.sum;
                block.rows += before.rows;
            }
            blocks.push(block);
        }
        let mut knots = Vec::with_capacity(blocks.len() * 2);
        for block in &blocks {
            knots.push((block.first, block.mean()));
            if block.last > block.first {
                knots.push((block.last, block.mean()));
            }
        }
        Ok(Self { knots })
    }

    /// The calibrated probability of a score, in 0..=1; NaN for NaN.
    pub fn predict(&self, score: f64) -> f64 {
        if score.is_nan() {
            return f64::NAN;
        }
        let next = self.knots.partition_point(|knot| knot.0 <= score);
        match (
            next.checked_sub(1).and_then(|i| self.knots.get(i)),
            self.knots.get(next),
        ) {
            (Some(from), Some(to)) => {
                from.1 + (to.1 - from.1) * ((score - from.0) / (to.0 - from.0))
            }
            (Some(end), None) | (None, Some(end)) => end.1,
            (None, None) => f64::NAN,
        }
    }
}
