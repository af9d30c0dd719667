//! The values of columns, on their way into a profile.
//!
//! Numbers are profiled as numbers, points in time as seconds since the Unix epoch, truth values as
//! the texts `true` and `false`, all else as text.

use std::{borrow::Cow, collections::HashMap};

use drift::profile::{Profile, ReferenceBuilder};
use millwright_crds::dataset::ColumnType;

use super::{
    TableColumn,
    infer::{is_missing, number, seconds, truth},
};

/// Builds the profile of some columns.
pub(super) struct Profiler {
    builder: ReferenceBuilder,
    kinds: HashMap<String, ColumnType>,
    numbers: Vec<f64>,
}

impl Profiler {
    /// For these columns; others are passed over.
    ///
    /// # Errors
    /// When the sketches can't be made.
    pub fn new(columns: &[TableColumn]) -> Result<Self, String> {
        let mut builder = ReferenceBuilder::default();
        let mut kinds = HashMap::new();
        for column in columns.iter().filter(|column| column.profiled) {
            let kind = column.kind();
            match kind {
                ColumnType::Integer | ColumnType::Float | ColumnType::Timestamp => {
                    builder.declare_numeric(&column.name)
                }
                ColumnType::Boolean | ColumnType::String => {
                    builder.declare_categorical(&column.name)
                }
            }
            .map_err(|error| failed(&column.name, &error))?;
            kinds.insert(column.name.clone(), kind);
        }
        Ok(Self {
            builder,
            kinds,
            numbers: Vec::new(),
        })
    }

    /// The type that a column is profiled as; `None` when it isn't.
    pub fn kind(&self, column: &str) -> Option<ColumnType> {
        self.kinds.get(column).copied()
    }

    /// Puts fields of text in.
    ///
    /// # Errors
    /// When the profile refuses them.
    pub fn observe_text<'a>(
        &mut self,
        column: &str,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<(), String> {
        let Some(kind) = self.kind(column) else {
            return Ok(());
        };
        let missing = fields.clone().filter(|field| is_missing(field)).count();
        let present = fields
            .filter(|field| !is_missing(field))
            .map(String::from_utf8_lossy);
        let parse: fn(&str) -> Option<f64> = match kind {
            ColumnType::Integer | ColumnType::Float => number,
            ColumnType::Timestamp => seconds,
            ColumnType::Boolean => {
                let texts = present.map(|text| match truth(&text) {
                    Some(value) => Cow::Borrowed(truth_text(value)),
                    None => text,
                });
                return self.put_texts(column, texts, missing);
            }
            ColumnType::String => return self.put_texts(column, present, missing),
        };
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        // A field that is no number here came after the column's type was inferred: the file
        // changed, which the caller notices.
        numbers.extend(present.map(|text| parse(&text).unwrap_or(f64::NAN)));
        let result = self.put_numbers(column, &numbers, missing);
        self.numbers = numbers;
        result
    }

    /// Puts numbers in, and counts missing values.
    ///
    /// # Errors
    /// When the profile refuses them.
    pub fn put_numbers(
        &mut self,
        column: &str,
        numbers: &[f64],
        missing: usize,
    ) -> Result<(), String> {
        self.builder
            .observe_numeric(column, numbers)
            .and_then(|()| self.builder.observe_nulls(column, missing as u64))
            .map_err(|error| failed(column, &error))
    }

    /// Puts texts in, and counts missing values.
    ///
    /// # Errors
    /// When the profile refuses them.
    pub fn put_texts(
        &mut self,
        column: &str,
        texts: impl Iterator<Item: AsRef<str>>,
        missing: usize,
    ) -> Result<(), String> {
        self.builder
            .observe_categorical(column, texts)
            .and_then(|()| self.builder.observe_nulls(column, missing as u64))
            .map_err(|error| failed(column, &error))
    }

    /// The profile.
    ///
    /// # Errors
    /// When the sketches fail.
    pub fn finish(self) -> Result<Profile, String> {
        self.builder
            .finish()
            .map_err(|error| format!("the profile can't be made: {error}"))
    }
}

/// The kind of a profiled column, as `drift` calls it.
pub(super) fn kind(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Integer | ColumnType::Float | ColumnType::Timestamp => "numeric",
        ColumnType::Boolean | ColumnType::String => "categorical",
    }
}

/// How a truth value is profiled.
pub(super) fn truth_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn failed(column: &str, error: &drift::Error) -> String {
    format!("column \"{column}\" can't be profiled: {error}")
}
