//! Parquet files.

use std::{fs::File, path::Path};

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use arrow_array::{
    Array, ArrayRef,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_cast::{can_cast_types, cast};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use millwright_crds::dataset::ColumnType;

use super::{
    profile::{Profiler, truth_text},
    shape::{Shape, TableColumn},
};

/// Most rows that are decoded at once.
const BATCH: usize = 8_192;
/// Bytes of values that are decoded at once, as far as the file says how long they are: a column may
/// hold images.
const BATCH_BYTES: i64 = 8 << 20;

/// Reads the file: types as it declares them, missing values as it has them.
///
/// # Errors
/// A sentence about the file.
pub(super) fn inspect(file: &Path) -> Result<Shape, String> {
    let (schema, reader) = open(file)?;
    let mut columns: Vec<TableColumn> = Vec::new();
    for field in schema.fields() {
        if columns.iter().any(|column| column.name == *field.name()) {
            return Err(format!(
                "has two columns with the name \"{}\"",
                field.name()
            ));
        }
        columns.push(TableColumn {
            name: field.name().clone(),
            kind: kind(field.data_type()),
            nullable: false,
            profiled: is_profiled(field.data_type()),
        });
    }
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(|error| explain(&error))?;
        rows += batch.num_rows() as u64;
        for (column, values) in columns.iter_mut().zip(batch.columns()) {
            column.nullable |= values.logical_null_count() > 0;
        }
    }
    Ok(Shape {
        columns,
        rows,
        typed: true,
    })
}

/// Puts the values of a file into a profile.
///
/// # Errors
/// A sentence about the file.
pub(super) fn observe(file: &Path, profiler: &mut Profiler) -> Result<(), String> {
    let (schema, reader) = open(file)?;
    for batch in reader {
        let batch = batch.map_err(|error| explain(&error))?;
        for (field, values) in schema.fields().iter().zip(batch.columns()) {
            let name = field.name();
            let Some(kind) = profiler.kind(name) else {
                continue;
            };
            observe_column(profiler, name, kind, values)
                .map_err(|error| format!("can't be read: column \"{name}\": {error}"))?;
        }
    }
    Ok(())
}

fn observe_column(
    profiler: &mut Profiler,
    name: &str,
    kind: ColumnType,
    values: &ArrayRef,
) -> Result<(), String> {
    let to =
        |values: &ArrayRef, kind: &DataType| cast(values, kind).map_err(|error| error.to_string());
    let missing = values.logical_null_count();
    match kind {
        ColumnType::Integer | ColumnType::Float => {
            let values = to(values, &DataType::Float64)?;
            let numbers: Vec<f64> = values
                .as_primitive::<Float64Type>()
                .iter()
                .flatten()
                .collect();
            profiler.put_numbers(name, &numbers, missing)
        }
        ColumnType::Timestamp => {
            let values = to(values, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let values = to(&values, &DataType::Int64)?;
            let seconds: Vec<f64> = values
                .as_primitive::<Int64Type>()
                .iter()
                .flatten()
                .map(|micros| micros as f64 / 1e6)
                .collect();
            profiler.put_numbers(name, &seconds, missing)
        }
        ColumnType::Boolean => {
            let values = to(values, &DataType::Boolean)?;
            let texts = values.as_boolean().iter().flatten().map(truth_text);
            profiler.put_texts(name, texts, missing)
        }
        ColumnType::String => {
            let values = to(values, &DataType::Utf8)?;
            let texts = values.as_string::<i32>().iter().flatten();
            profiler.put_texts(name, texts, missing)
        }
    }
}

fn kind(kind: &DataType) -> Option<ColumnType> {
    match kind {
        DataType::Null => None,
        DataType::Dictionary(_, value) => self::kind(value),
        DataType::Boolean => Some(ColumnType::Boolean),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            Some(ColumnType::Timestamp)
        }
        kind if kind.is_integer() => Some(ColumnType::Integer),
        kind if kind.is_numeric() => Some(ColumnType::Float),
        _ => Some(ColumnType::String),
    }
}

fn is_profiled(kind: &DataType) -> bool {
    !kind.is_nested() && can_cast_types(kind, &DataType::Utf8)
}

fn open(file: &Path) -> Result<(SchemaRef, ParquetRecordBatchReader), String> {
    let file = File::open(file).map_err(|error| format!("can't be read: {error}"))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| explain(&error))?;
    let schema = builder.schema().clone();
    let groups = builder.metadata().row_groups().iter();
    let rows = groups.map(|group| rows_at_once(group.total_byte_size(), group.num_rows()));
    let rows = rows.min().unwrap_or(BATCH);
    let reader = builder
        .with_batch_size(rows)
        .build()
        .map_err(|error| explain(&error))?;
    Ok((schema, reader))
}

/// How many rows of a group are decoded at once.
fn rows_at_once(bytes: i64, rows: i64) -> usize {
    let one = (bytes / rows.max(1)).max(1);
    usize::try_from(BATCH_BYTES / one).map_or(BATCH, |rows| rows.clamp(1, BATCH))
}

fn explain(error: &dyn std::error::Error) -> String {
    format!("can't be read as Parquet: {error} (compression may be none, Snappy or Zstandard)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_decoded_a_few_at_once() {
        assert_eq!(rows_at_once(0, 0), BATCH);
        assert_eq!(rows_at_once(80_000, 1_000), BATCH);
        assert_eq!(rows_at_once(110_000 * 100, 100), 76);
        assert_eq!(rows_at_once(i64::MAX, 1), 1);
    }
}
