//! Area under the ROC curve from counts per score.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::special::normal_isf;
use crate::{Error, Result};

/// Distinct scores that are kept exactly.
const MAX_EXACT: usize = 4096;
/// Beyond, scores are rounded to multiples of this.
const GRID: f64 = 4096.0;

/// How many positive and negative rows have which score: all that the area under the ROC curve
/// depends on.
///
/// Exact up to 4,096 distinct scores. Beyond, scores are rounded to multiples of 1/4096, and
/// [`auc_error`](Self::auc_error) bounds what that does to the area. Which of the two applies
/// depends on the scores seen alone, so merging is associative and commutative.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Ranking {
    rounded: bool,
    /// By the bits of the score: for scores in 0..=1 their order is the scores' order.
    cells: BTreeMap<u64, (u64, u64)>,
}

/// `[score, negatives, positives]` in ascending order of the scores.
#[derive(Serialize, Deserialize)]
struct Stored {
    rounded: bool,
    cells: Vec<(f64, u64, u64)>,
}

impl From<Ranking> for Stored {
    fn from(ranking: Ranking) -> Self {
        let cells = ranking.cells.into_iter();
        Self {
            rounded: ranking.rounded,
            cells: cells
                .map(|(bits, (n, p))| (f64::from_bits(bits), n, p))
                .collect(),
        }
    }
}

impl TryFrom<Stored> for Ranking {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let mut ranking = Self {
            rounded: stored.rounded,
            cells: BTreeMap::new(),
        };
        for (score, negatives, positives) in stored.cells {
            if !(0.0..=1.0).contains(&score) {
                return Err(Error::Format(format!("score {score} is not in 0..=1")));
            }
            ranking.add(score, negatives, positives);
        }
        Ok(ranking)
    }
}

/// An area under the ROC curve with a confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Auc {
    /// The area: the chance that a random positive row scores above a random negative one.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Ranking {
    /// Adds a row; `score` must be in 0..=1.
    pub(crate) fn observe(&mut self, label: bool, score: f64) {
        self.add(score, u64::from(!label), u64::from(label));
    }

    fn add(&mut self, score: f64, negatives: u64, positives: u64) {
        // Adding zero turns −0 into +0.
        let score = if self.rounded {
            (score * GRID).round() / GRID
        } else {
            score
        } + 0.0;
        let cell = self.cells.entry(score.to_bits()).or_default();
        cell.0 = cell.0.saturating_add(negatives);
        cell.1 = cell.1.saturating_add(positives);
        if !self.rounded && self.cells.len() > MAX_EXACT {
            self.round();
        }
    }

    fn round(&mut self) {
        self.rounded = true;
        for (bits, (negatives, positives)) in std::mem::take(&mut self.cells) {
            self.add(f64::from_bits(bits), negatives, positives);
        }
    }

    /// Adds another one's rows.
    pub fn merge(&mut self, other: &Self) {
        if other.rounded && !self.rounded {
            self.round();
        }
        for (bits, (negatives, positives)) in &other.cells {
            self.add(f64::from_bits(*bits), *negatives, *positives);
        }
    }

    fn totals(&self) -> (f64, f64) {
        let sum = |pick: fn(&(u64, u64)) -> u64| {
            self.cells
                .values()
                .map(|cell| pick(cell) as f64)
                .sum::<f64>()
        };
        (sum(|cell| cell.0), sum(|cell| cell.1))
    }

    /// Area under the ROC curve in 0..=1, ½ without skill, ties counted half (the Mann–Whitney
    /// statistic); `None` without rows of both labels. It ignores calibration and, when positives
    /// are rare, looks good on a model of little use.
    pub fn auc(&self) -> Option<f64> {
        let (negatives, positives) = self.totals();
        if negatives == 0.0 || positives == 0.0 {
            return None;
        }
        let (mut below, mut won) = (0.0, 0.0);
        for (n, p) in self.cells.values() {
            won += *p as f64 * (below + *n as f64 / 2.0);
            below += *n as f64;
        }
        Some(won / (negatives * positives))
    }

    /// The area with a confidence interval by DeLong's variance (1988), normal approximation, cut
    /// to 0..=1. `None` without two rows of each label, or for a `level` outside (0, 1). The
    /// interval has no width when the classes are fully apart: distrust it near 0 and 1.
    pub fn auc_interval(&self, level: f64) -> Option<Auc> {
        let value = self.auc()?;
        let (negatives, positives) = self.totals();
        if negatives < 2.0 || positives < 2.0 || !(level > 0.0 && level < 1.0) {
            return None;
        }
        let (mut below, mut above) = (0.0, positives);
        let (mut of_positives, mut of_negatives) = (0.0, 0.0);
        for (n, p) in self.cells.values() {
            let (n, p) = (*n as f64, *p as f64);
            above -= p;
            of_positives += p * ((below + n / 2.0) / negatives - value).powi(2);
            of_negatives += n * ((above + p / 2.0) / positives - value).powi(2);
            below += n;
        }
        let variance = of_positives / (positives - 1.0) / positives
            + of_negatives / (negatives - 1.0) / negatives;
        let half = normal_isf((1.0 - level) / 2.0) * variance.sqrt();
        Some(Auc {
            value,
            low: (value - half).max(0.0),
            high: (value + half).min(1.0),
        })
    }

    /// By how much the area may be off because scores were rounded: half the share of
    /// positive–negative pairs in one cell; 0 while scores are exact.
    pub fn auc_error(&self) -> f64 {
        let (negatives, positives) = self.totals();
        if !self.rounded || negatives == 0.0 || positives == 0.0 {
            return 0.0;
        }
        let tied: f64 = self
            .cells
            .values()
            .map(|(n, p)| *n as f64 * *p as f64)
            .sum();
        tied / (negatives * positives) / 2.0
    }
}
