//! Several columns at once: what changes only in how columns go together.
//!
//! Columns can keep their distributions while their relation changes (humidity and temperature
//! stop rising together), and many small changes can add up. A *domain classifier* tries to tell
//! current rows from reference rows; if it can, they differ. It is preferred here to PCA
//! reconstruction error, because its score has a scale of its own (AUC, ½ is no drift) and an
//! honest interval, and because it also sees shifts along the main components, to which
//! reconstruction error is blind.
//!
//! The classifier is linear in pooled ranks, their squares and their products, which is enough
//! for shifts, changes of spread and changes of correlation, is not disturbed by outliers or
//! units, and has no randomness. It is fitted by ridge regression and scored out of fold, so a
//! model that learned nothing scores ½.

use crate::quality::{Auc, Ranking};
use crate::sample::Sorted;
use crate::{Error, Result};

/// Rows per side that are used; more are thinned evenly.
const MAX_ROWS: usize = 10_000;
/// Rows per side below which the folds are too small.
const MIN_ROWS: usize = 50;
/// Up to this many columns products of pairs are used too.
const MAX_PAIRED: usize = 20;
const MAX_COLUMNS: usize = 200;
const FOLDS: usize = 5;
/// Ridge penalty as a share of a feature's mean square.
const RIDGE: f64 = 1e-3;

/// How well current rows can be told from reference rows: the area under the ROC curve with its
/// 99 % confidence interval. ½ means not at all, 1 means always. Drift is what has the whole
/// interval above ½; 0.55 is the customary line for a material difference.
///
/// `reference` and `current` are columns of equal length within a side, in the same order. NaN
/// stands for a missing value and is a feature itself. Independent rows are assumed. Sees nothing
/// beyond pairs of columns, and pairs only up to 20 columns.
///
/// # Errors
/// [`Error::Length`] if the sides differ in the number of columns or columns differ in length,
/// [`Error::Argument`] for no columns or more than 200, [`Error::TooFewValues`] below 50 rows on a
/// side.
pub fn domain_classifier(reference: &[&[f64]], current: &[&[f64]]) -> Result<Auc> {
    let (n, m) = check(reference, current)?;
    let rows: Vec<(bool, usize)> = thinned(n)
        .map(|row| (false, row))
        .chain(thinned(m).map(|row| (true, row)))
        .collect();
    let ranks = reference
        .iter()
        .zip(current)
        .map(|(r, c)| pooled_ranks(r, c, &rows))
        .collect::<Result<Vec<_>>>()?;
    let features = features(&ranks, rows.len());
    let of_reference = rows.iter().filter(|row| !row.0).count();
    let size = features.first().map_or(0, Vec::len);
    let mut folds: Vec<Normal> = (0..FOLDS).map(|_| Normal::new(size)).collect();
    let share = (rows.len() - of_reference) as f64 / rows.len() as f64;
    for (row, x) in features.iter().enumerate() {
        folds[fold_of(row)].add(x, f64::from(u8::from(rows[row].0)) - share);
    }
    let mut scores = vec![0.0; rows.len()];
    for fold in 0..FOLDS {
        let mut training = Normal::new(size);
        folds
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != fold)
            .for_each(|(_, f)| training.join(f));
        let weights = training.solve();
        for row in (0..rows.len()).filter(|row| fold_of(*row) == fold) {
            scores[row] = features[row].iter().zip(&weights).map(|(x, w)| x * w).sum();
        }
    }
    let mut ranking = Ranking::default();
    for ((is_current, _), score) in rows.iter().zip(&scores) {
        // The logistic function keeps the order and brings scores into 0..=1.
        ranking.observe(*is_current, 1.0 / (1.0 + (-score * 4.0).exp()));
    }
    ranking.auc_interval(0.99).ok_or(Error::TooFewValues {
        sample: "current",
        method: "a domain classifier",
        found: m as u64,
        needed: MIN_ROWS as u64,
    })
}

fn check(reference: &[&[f64]], current: &[&[f64]]) -> Result<(usize, usize)> {
    if reference.len() != current.len() {
        let (found, expected) = (current.len(), reference.len());
        return Err(Error::Length {
            what: "current columns",
            found,
            expected,
        });
    }
    if reference.is_empty() || reference.len() > MAX_COLUMNS {
        let value = reference.len().to_string();
        return Err(Error::Argument {
            name: "columns",
            value,
            allowed: "1 to 200",
        });
    }
    for side in [reference, current] {
        let expected = side[0].len();
        if let Some(column) = side.iter().find(|column| column.len() != expected) {
            return Err(Error::Length {
                what: "a column",
                found: column.len(),
                expected,
            });
        }
    }
    let (n, m) = (reference[0].len(), current[0].len());
    for (sample, found) in [("reference", n), ("current", m)] {
        if found < MIN_ROWS {
            return Err(Error::TooFewValues {
                sample,
                method: "a domain classifier",
                found: found as u64,
                needed: MIN_ROWS as u64,
            });
        }
    }
    Ok((n, m))
}

/// The fold of a row. Scrambled (SplitMix64's finish), because data may repeat with a period.
fn fold_of(row: usize) -> usize {
    let mut z = (row as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) % FOLDS as u64) as usize
}

/// At most [`MAX_ROWS`] row numbers, evenly spread.
fn thinned(rows: usize) -> impl Iterator<Item = usize> {
    let kept = rows.min(MAX_ROWS);
    (0..kept).map(move |i| i * rows / kept)
}

/// Ranks of the chosen rows among both sides together, scaled to −1..=1, ties in the middle; NaN
/// for a missing value. Ranks of both sides together know nothing of the sides.
fn pooled_ranks(r: &[f64], c: &[f64], rows: &[(bool, usize)]) -> Result<Vec<f64>> {
    let values: Vec<f64> = rows
        .iter()
        .map(|(current, row)| if *current { c[*row] } else { r[*row] })
        .collect();
    let known: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| !value.is_nan())
        .collect();
    let sorted = Sorted::new(&known)?;
    let sorted = sorted.values();
    let rank = |value: &f64| {
        if value.is_nan() {
            return f64::NAN;
        }
        let below = sorted.partition_point(|other| other < value);
        let up_to = sorted.partition_point(|other| other <= value);
        (below + up_to) as f64 / sorted.len() as f64 - 1.0
    };
    Ok(values.iter().map(rank).collect())
}

/// One row of features per row: ranks, squares, missing values, products. All about centred.
fn features(ranks: &[Vec<f64>], rows: usize) -> Vec<Vec<f64>> {
    let missing: Vec<f64> = ranks
        .iter()
        .map(|column| column.iter().filter(|rank| rank.is_nan()).count() as f64 / rows as f64)
        .collect();
    (0..rows)
        .map(|row| {
            let known = |column: &Vec<f64>| {
                if column[row].is_nan() {
                    0.0
                } else {
                    column[row]
                }
            };
            let x: Vec<f64> = ranks.iter().map(known).collect();
            let mut features = x.clone();
            for ((column, rank), missing) in ranks.iter().zip(&x).zip(&missing) {
                let is_missing = column[row].is_nan();
                features.push(if is_missing {
                    0.0
                } else {
                    rank * rank - 1.0 / 3.0
                });
                if *missing > 0.0 {
                    features.push(f64::from(u8::from(is_missing)) - missing);
                }
            }
            if x.len() <= MAX_PAIRED {
                for (i, left) in x.iter().enumerate() {
                    features.extend(x[i + 1..].iter().map(|right| left * right));
                }
            }
            features
        })
        .collect()
}

/// Normal equations of a least-squares fit.
struct Normal {
    size: usize,
    gram: Vec<f64>,
    moment: Vec<f64>,
}

impl Normal {
    fn new(size: usize) -> Self {
        Self {
            size,
            gram: vec![0.0; size * size],
            moment: vec![0.0; size],
        }
    }

    fn add(&mut self, x: &[f64], y: f64) {
        for (i, xi) in x.iter().enumerate() {
            self.moment[i] += xi * y;
            let row = &mut self.gram[i * self.size..i * self.size + i + 1];
            for (cell, xj) in row.iter_mut().zip(x) {
                *cell += xi * xj;
            }
        }
    }

    fn join(&mut self, other: &Self) {
        self.gram
            .iter_mut()
            .zip(&other.gram)
            .for_each(|(a, b)| *a += b);
        self.moment
            .iter_mut()
            .zip(&other.moment)
            .for_each(|(a, b)| *a += b);
    }

    /// Weights by Cholesky's factorisation of the penalised Gram matrix (lower triangle).
    fn solve(mut self) -> Vec<f64> {
        let size = self.size;
        let trace: f64 = (0..size).map(|i| self.gram[i * size + i]).sum();
        let penalty = RIDGE * trace / size as f64 + f64::MIN_POSITIVE;
        for i in 0..size {
            self.gram[i * size + i] += penalty;
            for j in 0..=i {
                let (row_i, row_j) = (i * size, j * size);
                let done: f64 = (0..j)
                    .map(|k| self.gram[row_i + k] * self.gram[row_j + k])
                    .sum();
                let left = self.gram[row_i + j] - done;
                self.gram[row_i + j] = if i == j {
                    left.max(penalty * 1e-9).sqrt()
                } else {
                    left / self.gram[row_j + j]
                };
            }
        }
        let mut weights = self.moment;
        for i in 0..size {
            let done: f64 = (0..i).map(|k| self.gram[i * size + k] * weights[k]).sum();
            weights[i] = (weights[i] - done) / self.gram[i * size + i];
        }
        for i in (0..size).rev() {
            let done: f64 = (i + 1..size)
                .map(|k| self.gram[k * size + i] * weights[k])
                .sum();
            weights[i] = (weights[i] - done) / self.gram[i * size + i];
        }
        weights
    }
}
