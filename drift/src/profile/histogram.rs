//! Counts over stored edges.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Values that are binned together, so that the compiler can count them in vector registers.
const BLOCK: usize = 2048;
/// Beyond this many edges a binary search per value is faster than comparing with each.
const LINEAR: usize = 40;

/// Counts of finite values over fixed inner edges.
///
/// `edges` e₁ < e₂ < … < eₖ cut the real line into k+1 bins, closed on the left:
/// (−∞, e₁), [e₁, e₂), …, [eₖ, ∞). The outer bins are open, so every finite value falls into
/// exactly one bin and values beyond the reference's range are counted at its ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Histogram {
    edges: Vec<f64>,
    counts: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct Unchecked {
    edges: Vec<f64>,
    counts: Vec<u64>,
}

impl From<Histogram> for Unchecked {
    fn from(histogram: Histogram) -> Self {
        Self {
            edges: histogram.edges,
            counts: histogram.counts,
        }
    }
}

impl TryFrom<Unchecked> for Histogram {
    type Error = Error;

    fn try_from(raw: Unchecked) -> Result<Self> {
        Self::from_counts(raw.edges, raw.counts)
    }
}

impl Histogram {
    /// An empty histogram over inner `edges`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the edges are not finite and strictly increasing.
    pub fn new(edges: Vec<f64>) -> Result<Self> {
        let counts = vec![0; edges.len() + 1];
        Self::from_counts(edges, counts)
    }

    /// A histogram with known counts, one more than there are edges.
    ///
    /// # Errors
    /// [`Error::Argument`] if the edges are not finite and strictly increasing,
    /// [`Error::Length`] if `counts` does not have one entry more than `edges`.
    pub fn from_counts(edges: Vec<f64>, counts: Vec<u64>) -> Result<Self> {
        let ordered = edges.windows(2).all(|pair| pair[0] < pair[1]);
        if !ordered || edges.iter().any(|edge| !edge.is_finite()) {
            return Err(Error::Argument {
                name: "edges",
                value: format!("{edges:?}"),
                allowed: "finite and strictly increasing",
            });
        }
        if counts.len() != edges.len() + 1 {
            return Err(Error::Length {
                what: "counts",
                found: counts.len(),
                expected: edges.len() + 1,
            });
        }
        Ok(Self { edges, counts })
    }

    /// The inner edges, strictly increasing.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The counts, one more than there are edges.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Sum of the counts.
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Counts values. NaN and infinities are left out.
    pub fn observe(&mut self, values: &[f64]) {
        let mut finite = [0.0; BLOCK];
        for block in values.chunks(BLOCK) {
            if block.iter().all(|value| value.is_finite()) {
                self.observe_finite(block);
            } else {
                let mut length = 0;
                for value in block.iter().filter(|value| value.is_finite()) {
                    finite[length] = *value;
                    length += 1;
                }
                self.observe_finite(&finite[..length]);
            }
        }
    }

    /// Counts values that are known to be finite.
    pub(crate) fn observe_finite(&mut self, values: &[f64]) {
        if self.edges.len() > LINEAR {
            for value in values {
                self.counts[self.edges.partition_point(|edge| edge <= value)] += 1;
            }
            return;
        }
        for block in values.chunks(BLOCK) {
            // Counting "how many reach this edge" needs no scatter and no branch, and becomes two
            // vector instructions per edge and register.
            let mut above = block.len() as u64;
            for (bin, edge) in self.edges.iter().enumerate() {
                let reach = block
                    .iter()
                    .fold(0_u64, |sum, value| sum + u64::from(value >= edge));
                self.counts[bin] += above - reach;
                above = reach;
            }
            if let Some(last) = self.counts.last_mut() {
                *last += above;
            }
        }
    }

    /// Adds the counts of a histogram with the same edges.
    ///
    /// # Errors
    /// [`Error::DifferentBins`] if the edges differ in any bit.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.edges != other.edges {
            return Err(Error::DifferentBins {
                column: "histogram".into(),
            });
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        Ok(())
    }

    /// Same edges, no counts.
    pub fn cleared(&self) -> Self {
        Self {
            edges: self.edges.clone(),
            counts: vec![0; self.counts.len()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_closed_on_the_left_and_open_at_the_ends() {
        let mut histogram = Histogram::new(vec![0.0, 1.0]).unwrap();
        histogram.observe(&[-1e308, -0.0, 0.0, 0.5, 1.0, 1e308, f64::NAN, f64::INFINITY]);
        assert_eq!(histogram.counts(), [1, 3, 2]);
    }

    #[test]
    fn without_edges_there_is_one_bin() {
        let mut histogram = Histogram::new(vec![]).unwrap();
        histogram.observe(&[1.0, 2.0]);
        assert_eq!(histogram.counts(), [2]);
    }

    #[test]
    fn refuses_edges_out_of_order() {
        assert!(Histogram::new(vec![1.0, 1.0]).is_err());
        assert!(Histogram::new(vec![f64::NAN]).is_err());
        assert!(serde_json::from_str::<Histogram>(r#"{"edges":[1.0],"counts":[1]}"#).is_err());
    }
}
