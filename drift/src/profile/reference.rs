//! Builds the reference: one pass over the training data, in bounded memory.

use std::collections::{BTreeMap, HashMap};

use super::categorical::{CategoricalProfile, CategoricalSketches, clip};
use super::edges::BinRule;
use super::numeric::{NumericProfile, NumericSketches};
use super::sketch::Quantiles;
use super::{ColumnProfile, Histogram, Profile};
use crate::{Error, Result};

/// `k` of the sketch that stands in for a long column: about 100 kB, ranks within 0.08 %.
const SAMPLE_K: u16 = 4096;
/// Quantiles of the sketch that the bin rules see.
const SAMPLE_POINTS: usize = 4096;

/// How a reference is built.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceOptions {
    /// How numeric columns are cut. Default: ten quantile bins.
    pub bins: BinRule,
    /// Categories kept of a text column, the most frequent ones; the rest is "other". Default 100,
    /// at least 1.
    pub categories: usize,
    /// Distinct texts counted while reading (at most [`MAX_CATEGORY_BYTES`] each); texts first
    /// seen after that are "other", even if they become frequent. Default 10,000, at least
    /// `categories`.
    ///
    /// [`MAX_CATEGORY_BYTES`]: super::MAX_CATEGORY_BYTES
    pub tracked: usize,
    /// Finite values of a numeric column that are kept as they are (8 bytes each), so that edges
    /// and counts are exact and the same in every run. A longer column is held by a random sketch
    /// whose ranks are within 0.08 %. Default 65,536.
    pub exact: usize,
    /// Whether profiles carry sketches of quantiles, distinct and frequent values. Default true.
    pub sketches: bool,
}

impl Default for ReferenceOptions {
    fn default() -> Self {
        Self {
            bins: BinRule::Quantile(10),
            categories: 100,
            tracked: 10_000,
            exact: 65_536,
            sketches: true,
        }
    }
}

/// Reads the columns of the training data in any number of pieces and builds their profile.
///
/// Memory per numeric column is at most 8 bytes × [`ReferenceOptions::exact`] plus about 120 kB,
/// per text column [`ReferenceOptions::tracked`] texts and counts.
///
/// Of a column longer than `exact` the histogram's counts are estimates. To have exact ones, read
/// the data again into a [`LiveBuilder`](super::LiveBuilder) over this reference.
#[derive(Debug, Default)]
pub struct ReferenceBuilder {
    options: ReferenceOptions,
    columns: BTreeMap<String, Column>,
}

#[derive(Debug)]
enum Column {
    Numeric(NumericColumn),
    Categorical(CategoricalColumn),
}

#[derive(Debug)]
struct NumericColumn {
    profile: NumericProfile,
    sample: Sample,
}

/// The finite values seen, or a sketch of them.
#[derive(Debug)]
enum Sample {
    Exact(Vec<f64>),
    Sketch(Quantiles),
}

#[derive(Debug)]
struct CategoricalColumn {
    nulls: u64,
    counts: HashMap<String, u64>,
    untracked: u64,
    sketches: Option<CategoricalSketches>,
}

impl ReferenceBuilder {
    /// A builder with options of your own.
    ///
    /// # Errors
    /// [`Error::Argument`] if an option is out of its range.
    pub fn new(options: ReferenceOptions) -> Result<Self> {
        options.bins.validate()?;
        if options.categories == 0 || options.tracked < options.categories {
            return Err(Error::Argument {
                name: "categories, tracked",
                value: format!("{}, {}", options.categories, options.tracked),
                allowed: "at least 1, at least `categories`",
            });
        }
        Ok(Self {
            options,
            columns: BTreeMap::new(),
        })
    }

    /// Makes sure that a numeric column exists, also if it turns out to have no values.
    ///
    /// # Errors
    /// [`Error::ColumnKind`] if the column is known as text.
    pub fn declare_numeric(&mut self, column: &str) -> Result<()> {
        self.numeric(column).map(|_| ())
    }

    /// Makes sure that a text column exists, also if it turns out to have no values.
    ///
    /// # Errors
    /// [`Error::ColumnKind`] if the column is known as numeric.
    pub fn declare_categorical(&mut self, column: &str) -> Result<()> {
        self.categorical(column).map(|_| ())
    }

    /// Reads values of a numeric column. NaN and infinities are counted apart.
    ///
    /// # Errors
    /// [`Error::ColumnKind`] if the column is known as text.
    pub fn observe_numeric(&mut self, column: &str, values: &[f64]) -> Result<()> {
        let exact = self.options.exact;
        let NumericColumn { profile, sample } = self.numeric(column)?;
        let mut result = Ok(());
        profile.observe_with(values, |finite| {
            if result.is_ok() {
                result = sample.observe(finite, exact);
            }
        });
        result
    }

    /// Reads values of a text column.
    ///
    /// # Errors
    /// [`Error::ColumnKind`] if the column is known as numeric.
    pub fn observe_categorical<I>(&mut self, column: &str, values: I) -> Result<()>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let tracked = self.options.tracked;
        let column = self.categorical(column)?;
        for value in values {
            let value = clip(value.as_ref());
            if let Some(sketches) = &mut column.sketches {
                sketches.observe(value);
            }
            if let Some(count) = column.counts.get_mut(value) {
                *count += 1;
            } else if column.counts.len() < tracked {
                column.counts.insert(value.to_owned(), 1);
            } else {
                column.untracked += 1;
            }
        }
        Ok(())
    }

    /// Counts missing values of a column that is known already.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] if neither a value nor a declaration told the column's kind.
    pub fn observe_nulls(&mut self, column: &str, count: u64) -> Result<()> {
        match self.columns.get_mut(column) {
            Some(Column::Numeric(column)) => column.profile.observe_nulls(count),
            Some(Column::Categorical(column)) => column.nulls += count,
            None => return Err(super::unknown_column(column, self.columns.keys())),
        }
        Ok(())
    }

    /// The profile of everything read, with the bins that live data is counted over.
    ///
    /// # Errors
    /// Only if the sketch library fails.
    pub fn finish(self) -> Result<Profile> {
        let mut columns = BTreeMap::new();
        for (name, column) in self.columns {
            let profile = match column {
                Column::Numeric(column) => {
                    let histogram = column.sample.histogram(&self.options.bins)?;
                    ColumnProfile::Numeric(column.profile.with_histogram(histogram))
                }
                Column::Categorical(column) => {
                    ColumnProfile::Categorical(column.finish(self.options.categories))
                }
            };
            columns.insert(name, profile);
        }
        Ok(Profile::from_columns(columns))
    }

    fn numeric(&mut self, name: &str) -> Result<&mut NumericColumn> {
        if !self.columns.contains_key(name) {
            let sketches = self
                .options
                .sketches
                .then(NumericSketches::new)
                .transpose()?;
            let column = NumericColumn {
                profile: NumericProfile::new(Histogram::new(Vec::new())?, sketches),
                sample: Sample::Exact(Vec::new()),
            };
            self.columns
                .insert(name.to_owned(), Column::Numeric(column));
        }
        match self.columns.get_mut(name) {
            Some(Column::Numeric(column)) => Ok(column),
            _ => Err(Error::ColumnKind {
                column: name.into(),
                found: "categorical",
                expected: "numeric",
            }),
        }
    }

    fn categorical(&mut self, name: &str) -> Result<&mut CategoricalColumn> {
        if !self.columns.contains_key(name) {
            let sketches = self
                .options
                .sketches
                .then(CategoricalSketches::new)
                .transpose()?;
            let column = CategoricalColumn {
                nulls: 0,
                counts: HashMap::new(),
                untracked: 0,
                sketches,
            };
            self.columns
                .insert(name.to_owned(), Column::Categorical(column));
        }
        match self.columns.get_mut(name) {
            Some(Column::Categorical(column)) => Ok(column),
            _ => Err(Error::ColumnKind {
                column: name.into(),
                found: "numeric",
                expected: "categorical",
            }),
        }
    }
}

impl Sample {
    fn observe(&mut self, finite: &[f64], exact: usize) -> Result<()> {
        match self {
            Self::Exact(values) if values.len() + finite.len() <= exact => {
                values.extend_from_slice(finite);
            }
            Self::Exact(values) => {
                let mut sketch = Quantiles::new(SAMPLE_K)?;
                sketch.observe(values);
                sketch.observe(finite);
                *self = Self::Sketch(sketch);
            }
            Self::Sketch(sketch) => sketch.observe(finite),
        }
        Ok(())
    }

    /// Edges by the rule, and the counts over them.
    fn histogram(self, rule: &BinRule) -> Result<Histogram> {
        match self {
            Self::Exact(mut values) => {
                values.sort_unstable_by(f64::total_cmp);
                let mut histogram = Histogram::new(rule.edges(&values, values.len() as u64))?;
                histogram.observe_finite(&values);
                Ok(histogram)
            }
            Self::Sketch(sketch) => {
                let n = sketch.count();
                let points: Vec<f64> = (0..=SAMPLE_POINTS)
                    .map(|i| i as f64 / SAMPLE_POINTS as f64)
                    .collect();
                let edges = rule.edges(&sketch.quantiles(&points).unwrap_or_default(), n);
                let below = sketch.shares_below(&edges).unwrap_or_default();
                // Rounding the cumulated counts, not the counts, keeps their sum at n.
                let mut counts = Vec::with_capacity(edges.len() + 1);
                let mut counted = 0;
                for share in below {
                    let reach = ((share * n as f64).round() as u64).clamp(counted, n);
                    counts.push(reach - counted);
                    counted = reach;
                }
                counts.push(n - counted);
                Histogram::from_counts(edges, counts)
            }
        }
    }
}

impl CategoricalColumn {
    fn finish(self, keep: usize) -> CategoricalProfile {
        let mut ranked: Vec<(String, u64)> = self.counts.into_iter().collect();
        ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rare = ranked
            .iter()
            .skip(keep)
            .map(|(_, count)| count)
            .sum::<u64>();
        ranked.truncate(keep);
        let counts = ranked.into_iter().collect();
        CategoricalProfile::new(self.nulls, counts, rare + self.untracked, self.sketches)
    }
}
