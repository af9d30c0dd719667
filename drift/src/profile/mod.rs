//! Column profiles: bounded memory, mergeable over replicas and time windows, serializable.
//!
//! [`ReferenceBuilder`] reads the training data once and chooses bins. [`LiveBuilder`] counts live
//! values over those bins. Profiles over the same reference add up by [`Profile::merge`] and are
//! compared bin by bin. [`Profile::encode`] gives bytes with a version and a checksum;
//! `serde` gives the same content as JSON.

mod categorical;
mod compare;
mod edges;
mod file;
mod histogram;
mod live;
mod moments;
mod numeric;
mod reference;
mod sketch;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use categorical::{CategoricalProfile, CategoricalSketches, MAX_CATEGORY_BYTES};
pub use edges::{BinRule, MAX_BINS};
pub(crate) use edges::{quantile, quantile_counts};
pub use file::FORMAT_VERSION;
pub use histogram::Histogram;
pub use live::LiveBuilder;
pub use moments::Moments;
pub use numeric::{NumericProfile, NumericSketches};
pub use reference::{ReferenceBuilder, ReferenceOptions};
pub use sketch::{Distinct, Frequent, FrequentValue, Quantiles};

use crate::distance::{self, ZeroBins};
use crate::{Error, Result};

/// Profiles of the columns of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "file::Document", into = "file::Document")]
pub struct Profile {
    columns: BTreeMap<String, ColumnProfile>,
}

/// The profile of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ColumnProfile {
    /// A column of numbers.
    Numeric(NumericProfile),
    /// A column of texts.
    Categorical(CategoricalProfile),
}

impl Profile {
    pub(crate) fn from_columns(columns: BTreeMap<String, ColumnProfile>) -> Self {
        Self { columns }
    }

    /// The columns in order of their names.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &ColumnProfile)> {
        self.columns
            .iter()
            .map(|(name, column)| (name.as_str(), column))
    }

    /// Leaves out the sketches, the larger part of a profile that has them. What compares histograms
    /// and counts, as drift does, says the same without.
    pub fn forget_sketches(&mut self) {
        for column in self.columns.values_mut() {
            match column {
                ColumnProfile::Numeric(numeric) => numeric.forget_sketches(),
                ColumnProfile::Categorical(categorical) => categorical.forget_sketches(),
            }
        }
    }

    /// One column.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] if the profile has no such column.
    pub fn column(&self, name: &str) -> Result<&ColumnProfile> {
        self.columns
            .get(name)
            .ok_or_else(|| unknown_column(name, self.columns.keys()))
    }

    /// Adds another profile over the same reference, of another replica or window.
    ///
    /// Exact for counts and histograms in any order; within rounding for mean and variance;
    /// within their stated error for sketches, which are dropped when only one side has them. On
    /// an error nothing is changed.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] or [`Error::DifferentBins`] if the two do not have the same
    /// columns and bins.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if let Some(name) = other
            .columns
            .keys()
            .find(|name| !self.columns.contains_key(*name))
        {
            return Err(unknown_column(name, self.columns.keys()));
        }
        let mut merged = self.clone();
        for (name, column) in &mut merged.columns {
            let theirs = other.column(name)?;
            column
                .merge(theirs)
                .map_err(|error| error.in_column(name))?;
        }
        *self = merged;
        Ok(())
    }
}

impl ColumnProfile {
    /// `numeric` or `categorical`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Numeric(_) => "numeric",
            Self::Categorical(_) => "categorical",
        }
    }

    /// Number of values that distances are computed from: finite numbers, or texts.
    pub fn count(&self) -> u64 {
        match self {
            Self::Numeric(column) => column.count(),
            Self::Categorical(column) => column.count(),
        }
    }

    /// Share in 0..=1 of the rows whose value is missing, NaN or infinite. Distances leave such
    /// rows out, so compare this share as well.
    pub fn unusable_share(&self) -> f64 {
        match self {
            Self::Numeric(column) => column.unusable_share(),
            Self::Categorical(column) => column.unusable_share(),
        }
    }

    /// The counts of this reference column and of a live column over the same bins.
    ///
    /// # Errors
    /// [`Error::DifferentBins`] if `live` was not built over this reference.
    pub fn paired_counts(&self, live: &Self) -> Result<(Vec<u64>, Vec<u64>)> {
        match (self, live) {
            (Self::Numeric(reference), Self::Numeric(live))
                if reference.histogram().edges() == live.histogram().edges() =>
            {
                Ok((
                    reference.histogram().counts().to_vec(),
                    live.histogram().counts().to_vec(),
                ))
            }
            (Self::Categorical(reference), Self::Categorical(live))
                if reference.counts().keys().eq(live.counts().keys()) =>
            {
                Ok((reference.bins(), live.bins()))
            }
            _ => Err(Error::DifferentBins {
                column: self.kind().into(),
            }),
        }
    }

    /// Population stability index of a live column against this reference column, with an empty
    /// bin's share set to [`distance::PSI_FLOOR`]; see [`distance::psi`].
    ///
    /// # Errors
    /// [`Error::DifferentBins`] if `live` was not built over this reference,
    /// [`Error::TooFewValues`] if one of them is empty.
    pub fn psi(&self, live: &Self) -> Result<f64> {
        let (reference, current) = self.paired_counts(live)?;
        distance::psi(&reference, &current, ZeroBins::Floor(distance::PSI_FLOOR))
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        match (self, other) {
            (Self::Numeric(mine), Self::Numeric(theirs)) => mine.merge(theirs),
            (Self::Categorical(mine), Self::Categorical(theirs)) => mine.merge(theirs),
            (mine, _) => Err(Error::DifferentBins {
                column: mine.kind().into(),
            }),
        }
    }
}

impl Error {
    /// Names the column in an error that arose below the level of columns.
    fn in_column(self, name: &str) -> Self {
        match self {
            Self::DifferentBins { .. } => Self::DifferentBins {
                column: name.into(),
            },
            other => other,
        }
    }
}

fn unknown_column<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Error {
    let known: Vec<&str> = known.map(String::as_str).collect();
    Error::UnknownColumn {
        column: name.into(),
        known: known.join(", "),
    }
}
