//! The profile of a text column.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sketch::{Distinct, Frequent};
use crate::{Error, Result};

/// The longest category kept, in bytes. Longer texts are cut there, so texts that differ only
/// further on count as one.
pub const MAX_CATEGORY_BYTES: usize = 256;

/// The part of a text that is counted.
pub(crate) fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_CATEGORY_BYTES)]
}

/// Sketches of a text column: number of distinct values, and frequent ones by name, also those
/// that the counts hold only as "other".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalSketches {
    /// Number of distinct values.
    pub distinct: Distinct,
    /// Frequent values.
    pub frequent: Frequent,
}

impl CategoricalSketches {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            distinct: Distinct::new()?,
            frequent: Frequent::new()?,
        })
    }

    pub(crate) fn observe(&mut self, value: &str) {
        self.distinct.observe_text(value);
        self.frequent.observe(value);
    }
}

/// What a text column looks like: counts of the reference's categories, and "other" for all
/// values that the reference does not list, new ones among them.
///
/// About 20 bytes of JSON per category; with sketches at most 10 kB more for short texts. Merges
/// exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CategoricalProfile {
    #[serde(default)]
    nulls: u64,
    counts: BTreeMap<String, u64>,
    #[serde(default)]
    other: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sketches: Option<CategoricalSketches>,
}

impl CategoricalProfile {
    pub(crate) fn new(
        nulls: u64,
        counts: BTreeMap<String, u64>,
        other: u64,
        sketches: Option<CategoricalSketches>,
    ) -> Self {
        Self {
            nulls,
            counts,
            other,
            sketches,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        if !self.counts.keys().eq(other.counts.keys()) {
            return Err(Error::DifferentBins {
                column: "categories".into(),
            });
        }
        self.nulls = self.nulls.saturating_add(other.nulls);
        self.other = self.other.saturating_add(other.other);
        for (count, more) in self.counts.values_mut().zip(other.counts.values()) {
            *count = count.saturating_add(*more);
        }
        self.sketches = match (self.sketches.take(), &other.sketches) {
            (Some(mut mine), Some(theirs)) => {
                mine.distinct.merge(&theirs.distinct)?;
                mine.frequent.merge(&theirs.frequent);
                Some(mine)
            }
            // Half a sketch would be a wrong one.
            _ => None,
        };
        Ok(())
    }

    /// Number of values that are not null.
    pub fn count(&self) -> u64 {
        self.counts
            .values()
            .fold(self.other, |sum, count| sum.saturating_add(*count))
    }

    /// Number of missing values.
    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    /// Counts of the reference's categories, in order of their names.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Number of values outside the listed categories.
    pub fn other(&self) -> u64 {
        self.other
    }

    /// Share in 0..=1 of the rows without a value; 0 without rows.
    pub fn unusable_share(&self) -> f64 {
        let rows = self.nulls.saturating_add(self.count());
        if rows == 0 {
            0.0
        } else {
            self.nulls as f64 / rows as f64
        }
    }

    pub(super) fn forget_sketches(&mut self) {
        self.sketches = None;
    }

    /// Distinct and frequent values, if the profile was built with sketches.
    pub fn sketches(&self) -> Option<&CategoricalSketches> {
        self.sketches.as_ref()
    }

    /// The counts in order of the categories' names, "other" last.
    pub(crate) fn bins(&self) -> Vec<u64> {
        self.counts.values().copied().chain([self.other]).collect()
    }
}
