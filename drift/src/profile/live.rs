//! Counts live values over a reference's bins.

use std::collections::{BTreeMap, HashMap};

use super::categorical::{CategoricalProfile, CategoricalSketches, clip};
use super::numeric::{NumericProfile, NumericSketches};
use super::{ColumnProfile, Profile};
use crate::{Error, Result};

/// Counts live data over the bins of a reference profile.
///
/// Memory does not grow with the data: per numeric column its edges and counts (under 1 kB with
/// ten bins), per text column the reference's categories; [`with_sketches`](Self::with_sketches)
/// adds about 10 kB per column.
#[derive(Debug, Clone)]
pub struct LiveBuilder {
    columns: BTreeMap<String, Column>,
}

#[derive(Debug, Clone)]
enum Column {
    Numeric(NumericProfile),
    Categorical(CategoricalColumn),
}

#[derive(Debug, Clone)]
struct CategoricalColumn {
    nulls: u64,
    counts: HashMap<String, u64>,
    other: u64,
    sketches: Option<CategoricalSketches>,
}

impl LiveBuilder {
    /// Counts only: what drift needs, at the least cost per value.
    pub fn new(reference: &Profile) -> Self {
        let columns = reference
            .columns()
            .map(|(name, column)| (name.to_owned(), Column::over(column, None, None)))
            .collect();
        Self { columns }
    }

    /// Also keeps sketches of quantiles, distinct and frequent values.
    ///
    /// # Errors
    /// Only if the sketch library fails.
    pub fn with_sketches(reference: &Profile) -> Result<Self> {
        let mut columns = BTreeMap::new();
        for (name, column) in reference.columns() {
            let numeric = Some(NumericSketches::new()?);
            let text = Some(CategoricalSketches::new()?);
            columns.insert(name.to_owned(), Column::over(column, numeric, text));
        }
        Ok(Self { columns })
    }

    /// The kind of a column, `numeric` or `categorical`; `None` if the reference lacks it.
    pub fn kind(&self, column: &str) -> Option<&'static str> {
        self.columns.get(column).map(Column::kind)
    }

    /// Whether the reference lists this value of a text column.
    pub fn lists(&self, column: &str, value: &str) -> bool {
        match self.columns.get(column) {
            Some(Column::Categorical(counted)) => counted.counts.contains_key(clip(value)),
            _ => false,
        }
    }

    /// Counts values of a numeric column. NaN and infinities are counted apart.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] or [`Error::ColumnKind`] if the reference has no such numeric
    /// column.
    pub fn observe_numeric(&mut self, column: &str, values: &[f64]) -> Result<()> {
        match self.get(column)? {
            Column::Numeric(profile) => profile.observe(values),
            Column::Categorical(_) => return Err(wrong_kind(column, "categorical", "numeric")),
        }
        Ok(())
    }

    /// Counts values of a text column; those that the reference does not list count as "other".
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] or [`Error::ColumnKind`] if the reference has no such text column.
    pub fn observe_categorical<I>(&mut self, column: &str, values: I) -> Result<()>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let Column::Categorical(counted) = self.get(column)? else {
            return Err(wrong_kind(column, "numeric", "categorical"));
        };
        for value in values {
            let value = clip(value.as_ref());
            match counted.counts.get_mut(value) {
                Some(count) => *count += 1,
                None => counted.other += 1,
            }
            if let Some(sketches) = &mut counted.sketches {
                sketches.observe(value);
            }
        }
        Ok(())
    }

    /// Counts missing values.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] if the reference has no such column.
    pub fn observe_nulls(&mut self, column: &str, count: u64) -> Result<()> {
        match self.get(column)? {
            Column::Numeric(profile) => profile.observe_nulls(count),
            Column::Categorical(column) => column.nulls += count,
        }
        Ok(())
    }

    /// The profile of what was counted so far; counting can go on.
    pub fn snapshot(&self) -> Profile {
        self.clone().finish()
    }

    /// The profile of what was counted.
    pub fn finish(self) -> Profile {
        let columns = self
            .columns
            .into_iter()
            .map(|(name, column)| (name, column.finish()));
        Profile::from_columns(columns.collect())
    }

    fn get(&mut self, column: &str) -> Result<&mut Column> {
        if !self.columns.contains_key(column) {
            return Err(super::unknown_column(column, self.columns.keys()));
        }
        self.columns
            .get_mut(column)
            .ok_or_else(|| super::unknown_column(column, [].iter()))
    }
}

impl Column {
    fn over(
        reference: &ColumnProfile,
        numeric: Option<NumericSketches>,
        text: Option<CategoricalSketches>,
    ) -> Self {
        match reference {
            ColumnProfile::Numeric(profile) => {
                let empty = NumericProfile::new(profile.histogram().cleared(), numeric);
                Self::Numeric(empty)
            }
            ColumnProfile::Categorical(profile) => Self::Categorical(CategoricalColumn {
                nulls: 0,
                counts: profile
                    .counts()
                    .keys()
                    .map(|name| (name.clone(), 0))
                    .collect(),
                other: 0,
                sketches: text,
            }),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Numeric(_) => "numeric",
            Self::Categorical(_) => "categorical",
        }
    }

    fn finish(self) -> ColumnProfile {
        match self {
            Self::Numeric(profile) => ColumnProfile::Numeric(profile),
            Self::Categorical(column) => ColumnProfile::Categorical(CategoricalProfile::new(
                column.nulls,
                column.counts.into_iter().collect(),
                column.other,
                column.sketches,
            )),
        }
    }
}

fn wrong_kind(column: &str, found: &'static str, expected: &'static str) -> Error {
    Error::ColumnKind {
        column: column.into(),
        found,
        expected,
    }
}
