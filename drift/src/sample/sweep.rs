//! One pass over two sorted samples gives everything that depends on their distribution
//! functions.

use super::Sorted;
use crate::Result;

/// Terms that are added before they join the total, so that rounding errors don't add up.
const BLOCK: usize = 4096;

/// Two samples compared: Kolmogorov–Smirnov statistic, Wasserstein-1 and energy distance, all
/// from one pass over the merged order.
#[derive(Debug, Clone)]
pub struct Comparison<'a> {
    reference: &'a Sorted,
    current: &'a Sorted,
    largest: u64,
    absolute: f64,
    squared: f64,
}

impl<'a> Comparison<'a> {
    /// Compares two samples, in time linear in their length.
    ///
    /// # Errors
    /// [`Error::TooFewValues`](crate::Error::TooFewValues) if one is empty.
    pub fn new(reference: &'a Sorted, current: &'a Sorted) -> Result<Self> {
        reference.require("reference", "a comparison", 1)?;
        current.require("current", "a comparison", 1)?;
        let (r, c) = (reference.values(), current.values());
        // Differences of values up to ±1.8e308 overflow: then work on a quarter of them.
        let low = r[0].min(c[0]);
        let high = r[r.len() - 1].max(c[c.len() - 1]);
        let scale = if (high - low).is_finite() { 1.0 } else { 0.25 };
        let sums = sweep(r, c, scale);
        Ok(Self {
            reference,
            current,
            largest: sums.largest,
            absolute: sums.absolute / scale,
            squared: sums.squared / scale,
        })
    }

    fn product(&self) -> f64 {
        self.reference.len() as f64 * self.current.len() as f64
    }

    /// The reference.
    pub fn reference(&self) -> &'a Sorted {
        self.reference
    }

    /// The current sample.
    pub fn current(&self) -> &'a Sorted {
        self.current
    }

    /// The largest |i·m − j·n| over the merged order, exactly: D·n·m.
    pub(crate) fn largest(&self) -> u64 {
        self.largest
    }

    /// D = sup |F_ref(x) − F_cur(x)|, in 0..=1. Ties are right: the functions are compared where
    /// they jump, after the jump. See [`crate::test::kolmogorov_smirnov`] for its p-value.
    pub fn ks_statistic(&self) -> f64 {
        self.largest as f64 / self.product()
    }

    /// Wasserstein-1 (earth mover's) distance ∫ |F_ref − F_cur| dx, 0..∞ in the column's unit, as
    /// scipy's `wasserstein_distance`. A single far outlier can dominate it. Infinite if the
    /// distance exceeds the range of a float.
    ///
    /// # Errors
    /// [`Error::NotFinite`](crate::Error::NotFinite) if a sample holds an infinity.
    pub fn wasserstein(&self) -> Result<f64> {
        self.require_finite()?;
        Ok(self.absolute)
    }

    /// Wasserstein-1 divided by max(σ_ref, `least`), σ_ref being the reference's population
    /// standard deviation: a shift by one standard deviation has distance 1, whatever the
    /// column's unit. Evidently and this crate's verdicts use `least` = 0.001, so a constant
    /// reference does not divide by zero; for a column whose spread is smaller than that by
    /// nature pass a smaller one.
    ///
    /// # Errors
    /// [`Error::NotFinite`](crate::Error::NotFinite) if a sample holds an infinity.
    pub fn scaled_wasserstein(&self, least: f64) -> Result<f64> {
        let distance = self.wasserstein()?;
        let deviation = self.reference.standard_deviation().unwrap_or(0.0);
        Ok(distance / deviation.max(least))
    }

    /// Energy distance √(2·∫ (F_ref − F_cur)² dx), 0..∞ in the root of the column's unit, as
    /// scipy's `energy_distance`. It does not have the unit of the column, so a fixed threshold
    /// depends on the unit chosen.
    ///
    /// # Errors
    /// [`Error::NotFinite`](crate::Error::NotFinite) if a sample holds an infinity.
    pub fn energy(&self) -> Result<f64> {
        self.require_finite()?;
        Ok((2.0 * self.squared).sqrt())
    }

    /// How often each distinct value occurs in the reference and in the current sample, in
    /// ascending order of the values.
    pub fn value_counts(&self) -> (Vec<u64>, Vec<u64>) {
        let (r, c) = (self.reference.values(), self.current.values());
        let (mut of_reference, mut of_current) = (Vec::new(), Vec::new());
        let (mut i, mut j) = (0, 0);
        while i < r.len() || j < c.len() {
            let here = match (r.get(i), c.get(j)) {
                (Some(left), Some(right)) => left.min(*right),
                (Some(value), None) | (None, Some(value)) => *value,
                (None, None) => break,
            };
            let (from_i, from_j) = (i, j);
            while r.get(i) == Some(&here) {
                i += 1;
            }
            while c.get(j) == Some(&here) {
                j += 1;
            }
            of_reference.push((i - from_i) as u64);
            of_current.push((j - from_j) as u64);
        }
        (of_reference, of_current)
    }

    fn require_finite(&self) -> Result<()> {
        self.reference.require_finite("reference")?;
        self.current.require_finite("current")
    }
}

struct Sums {
    largest: u64,
    absolute: f64,
    squared: f64,
}

/// Walks through both samples in merged order. `gap` is i·m − j·n after i reference and j current
/// values, so it is exact; it counts only where the next value differs.
fn sweep(r: &[f64], c: &[f64], scale: f64) -> Sums {
    let (n, m) = (r.len() as i64, c.len() as i64);
    let per_product = 1.0 / (n as f64 * m as f64);
    let mut sums = Sums {
        largest: 0,
        absolute: 0.0,
        squared: 0.0,
    };
    let (mut i, mut j, mut gap) = (0, 0, 0_i64);
    let mut here = r[0].min(c[0]);
    while i < r.len() && j < c.len() {
        let (mut absolute, mut squared) = (0.0, 0.0);
        // So many steps cannot use up either sample. There is no branch on the data in them: it
        // would be mispredicted every other time.
        let steps = (r.len() - i).min(c.len() - j).min(BLOCK);
        for _ in 0..steps {
            let (left, right) = (r[i], c[j]);
            let from_left = left <= right;
            let next = if from_left { left } else { right };
            let size = gap.unsigned_abs();
            let reached = if next > here { size } else { 0 };
            sums.largest = sums.largest.max(reached);
            let width = (next * scale) - (here * scale);
            let share = size as f64 * per_product;
            absolute += share * width;
            squared += share * (share * width);
            here = next;
            i += usize::from(from_left);
            j += usize::from(!from_left);
            gap += i64::from(from_left) * (n + m) - n;
        }
        sums.absolute += absolute;
        sums.squared += squared;
    }
    // One sample is used up: what remains of the other pulls the gap back to zero.
    let (rest, step) = if i < r.len() {
        (&r[i..], m)
    } else {
        (&c[j..], -n)
    };
    for block in rest.chunks(BLOCK) {
        let (mut absolute, mut squared) = (0.0, 0.0);
        for &next in block {
            let size = gap.unsigned_abs();
            if next > here {
                sums.largest = sums.largest.max(size);
            }
            let width = (next * scale) - (here * scale);
            let share = size as f64 * per_product;
            absolute += share * width;
            squared += share * (share * width);
            here = next;
            gap += step;
        }
        sums.absolute += absolute;
        sums.squared += squared;
    }
    sums
}
