//! Kolmogorov–Smirnov and Wasserstein from counts over the same edges.

use super::NumericProfile;
use crate::{Error, Result};

impl NumericProfile {
    /// The largest difference of the distribution functions at the shared edges, in 0..=1: a lower
    /// bound of Kolmogorov–Smirnov's D. With ten quantile bins of the reference it misses at most
    /// 0.1.
    ///
    /// # Errors
    /// [`Error::DifferentBins`] if the edges differ, [`Error::TooFewValues`] if a side is empty.
    pub fn ks_statistic(&self, live: &Self) -> Result<f64> {
        Ok(self
            .gaps(live)?
            .into_iter()
            .map(f64::abs)
            .fold(0.0, f64::max))
    }

    /// Wasserstein-1 distance in the column's unit, with values taken to be spread evenly within
    /// each bin, and each side's outer bins to end at its smallest and largest value. A shift
    /// within one bin is not seen.
    ///
    /// # Errors
    /// [`Error::DifferentBins`] if the edges differ, [`Error::TooFewValues`] if a side is empty.
    pub fn wasserstein(&self, live: &Self) -> Result<f64> {
        self.gaps(live)?;
        let (mine, theirs) = (self.knots(), live.knots());
        let mut at: Vec<f64> = mine.iter().chain(&theirs).map(|knot| knot.0).collect();
        at.sort_unstable_by(f64::total_cmp);
        at.dedup();
        let gap =
            |x: f64, after: bool| share_below(&mine, x, after) - share_below(&theirs, x, after);
        let pieces = at.windows(2).map(|ends| {
            (ends[1] - ends[0]) * mean_absolute(gap(ends[0], true), gap(ends[1], false))
        });
        Ok(pieces.sum())
    }

    /// The distribution function as points to be joined by straight lines.
    fn knots(&self) -> Vec<(f64, f64)> {
        let (Some(min), Some(max)) = (self.moments().min(), self.moments().max()) else {
            return Vec::new();
        };
        let mut knots = vec![(min, 0.0)];
        let mut below = 0_u64;
        for (edge, count) in self
            .histogram()
            .edges()
            .iter()
            .zip(self.histogram().counts())
        {
            below = count.saturating_add(below);
            if min < *edge && *edge < max {
                knots.push((*edge, below as f64 / self.count() as f64));
            }
        }
        knots.push((max, 1.0));
        knots
    }

    /// [`wasserstein`](Self::wasserstein) divided by max(σ of this reference, `least`).
    ///
    /// # Errors
    /// As [`wasserstein`](Self::wasserstein).
    pub fn scaled_wasserstein(&self, live: &Self, least: f64) -> Result<f64> {
        let deviation = self.moments().variance(0).map_or(0.0, f64::sqrt);
        Ok(self.wasserstein(live)? / deviation.max(least))
    }

    /// F_reference − F_live at every edge.
    fn gaps(&self, live: &Self) -> Result<Vec<f64>> {
        if self.histogram().edges() != live.histogram().edges() {
            return Err(Error::DifferentBins {
                column: "numeric".into(),
            });
        }
        let (n, m) = (self.count(), live.count());
        for (sample, found) in [("reference", n), ("current", m)] {
            if found == 0 {
                let method = "a comparison of profiles";
                return Err(Error::TooFewValues {
                    sample,
                    method,
                    found,
                    needed: 1,
                });
            }
        }
        let (mut below, mut live_below) = (0_u64, 0_u64);
        let counts = self
            .histogram()
            .counts()
            .iter()
            .zip(live.histogram().counts());
        let gaps = counts.take(self.histogram().edges().len()).map(|(r, c)| {
            below = r.saturating_add(below);
            live_below = c.saturating_add(live_below);
            below as f64 / n as f64 - live_below as f64 / m as f64
        });
        Ok(gaps.collect())
    }
}

/// The distribution function just before or just after `x`; they differ where all values are one.
fn share_below(knots: &[(f64, f64)], x: f64, after: bool) -> f64 {
    let reached = |knot: &(f64, f64)| if after { knot.0 <= x } else { knot.0 < x };
    match knots.partition_point(reached) {
        0 => 0.0,
        next if next == knots.len() => 1.0,
        next => {
            let (from, to) = (knots[next - 1], knots[next]);
            from.1 + (to.1 - from.1) * ((x - from.0) / (to.0 - from.0))
        }
    }
}

/// Mean of |linear function| from `a` to `b`.
fn mean_absolute(a: f64, b: f64) -> f64 {
    if a * b >= 0.0 {
        (a.abs() + b.abs()) / 2.0
    } else {
        (a * a + b * b) / (2.0 * (a.abs() + b.abs()))
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::{ColumnProfile, LiveBuilder, ReferenceBuilder};

    #[test]
    fn a_shift_is_measured_in_its_unit() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i) / 100.0).collect();
        let mut builder = ReferenceBuilder::default();
        builder.observe_numeric("x", &values).unwrap();
        let reference = builder.finish().unwrap();
        let shifted: Vec<f64> = values.iter().map(|v| v + 10.0).collect();
        let mut live = LiveBuilder::new(&reference);
        live.observe_numeric("x", &shifted).unwrap();
        let live = live.finish();
        let (ColumnProfile::Numeric(r), ColumnProfile::Numeric(l)) =
            (reference.column("x").unwrap(), live.column("x").unwrap())
        else {
            panic!("x is numeric");
        };
        assert!((r.wasserstein(l).unwrap() - 10.0).abs() < 0.2);
        assert!((r.ks_statistic(l).unwrap() - 0.1).abs() < 0.001);
        assert_eq!(r.wasserstein(r).unwrap(), 0.0);
    }
}
