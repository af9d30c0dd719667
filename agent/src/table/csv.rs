//! CSV files.

use std::{io::Read, path::Path};

use ::csv::{ByteRecord, ErrorKind, ReaderBuilder};
use millwright_crds::dataset::CsvFormat;

use super::{
    infer::{infer, is_missing},
    profile::Profiler,
    shape::{Shape, TableColumn},
};

/// Rows that are profiled at once.
const BATCH: usize = 1_024;

/// Reads the file and infers its columns from all rows.
///
/// # Errors
/// A sentence about the file, with the line where there is one.
pub(super) fn inspect(reader: impl Read, format: &CsvFormat) -> Result<Shape, String> {
    let mut reader = builder(format)?.from_reader(reader);
    let names = names(&mut reader, format)?;
    let mut columns: Vec<_> = names
        .into_iter()
        .map(|name| TableColumn {
            name,
            kind: None,
            nullable: false,
            profiled: true,
        })
        .collect();
    let mut rows = 0;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(explain)? {
        rows += 1;
        for (column, field) in columns.iter_mut().zip(&record) {
            if is_missing(field) {
                column.nullable = true;
            } else {
                column.kind = Some(infer(column.kind, field));
            }
        }
    }
    Ok(Shape {
        columns,
        rows,
        typed: false,
    })
}

/// Puts the values of a file into a profile, by the names of its columns.
///
/// # Errors
/// A sentence about the file.
pub(super) fn observe(
    file: &Path,
    format: &CsvFormat,
    profiler: &mut Profiler,
) -> Result<(), String> {
    let source = std::fs::File::open(file).map_err(|error| format!("can't be read: {error}"))?;
    let mut reader = builder(format)?.from_reader(source);
    let names = names(&mut reader, format)?;
    let mut batch = vec![ByteRecord::new(); BATCH];
    loop {
        let mut filled = 0;
        while filled < BATCH
            && reader
                .read_byte_record(&mut batch[filled])
                .map_err(explain)?
        {
            filled += 1;
        }
        if filled == 0 {
            return Ok(());
        }
        for (index, name) in names.iter().enumerate() {
            let fields = batch[..filled]
                .iter()
                .map(|record| record.get(index).unwrap_or_default());
            profiler.observe_text(name, fields)?;
        }
    }
}

fn builder(format: &CsvFormat) -> Result<ReaderBuilder, String> {
    let [delimiter] = format.delimiter.as_bytes() else {
        return Err(format!(
            "can't be read: format.csv.delimiter is \"{}\", allowed is one ASCII character",
            format.delimiter
        ));
    };
    let mut builder = ReaderBuilder::new();
    builder
        .delimiter(*delimiter)
        .has_headers(format.header)
        .buffer_capacity(1 << 18);
    Ok(builder)
}

fn names<R: Read>(
    reader: &mut ::csv::Reader<R>,
    format: &CsvFormat,
) -> Result<Vec<String>, String> {
    // Without a header line this is the first row, which is read again afterwards.
    let first = reader.byte_headers().map_err(explain)?;
    if first.is_empty() {
        return Err("is empty: a CSV file needs at least a line with column names".into());
    }
    if !format.header {
        return Ok((1..=first.len()).map(|i| format!("column_{i}")).collect());
    }
    let mut names: Vec<String> = Vec::with_capacity(first.len());
    for (index, name) in first.iter().enumerate() {
        let name = std::str::from_utf8(name)
            .map_err(|_| format!("has a name that is not UTF-8 for column {}", index + 1))?;
        if name.is_empty() {
            // What pandas writes for its index.
            names.push(format!("column_{}", index + 1));
        } else if names.iter().any(|known| known == name) {
            return Err(format!("has two columns with the name \"{name}\""));
        } else {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn explain(error: ::csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let place = pos
                .as_ref()
                .map_or_else(String::new, |pos| format!(" in line {}", pos.line()));
            format!("has {len} fields{place} where {expected_len} are expected")
        }
        _ => format!("can't be read as CSV: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use millwright_crds::dataset::ColumnType;

    use super::*;

    fn read(text: &str) -> Result<Shape, String> {
        inspect(text.as_bytes(), &CsvFormat::default())
    }

    #[test]
    fn columns_and_rows() {
        let shape = read("\u{feff}a,b,c\n1,x,\n2,\"y,\n z\",3.5\n").unwrap();
        assert_eq!(shape.rows, 2);
        let columns: Vec<_> = shape
            .columns
            .iter()
            .map(|c| (c.name.as_str(), c.kind(), c.nullable))
            .collect();
        assert_eq!(
            columns,
            [
                ("a", ColumnType::Integer, false),
                ("b", ColumnType::String, false),
                ("c", ColumnType::Float, true)
            ]
        );
    }

    #[test]
    fn without_a_header() {
        let format = CsvFormat {
            delimiter: ";".into(),
            header: false,
        };
        let shape = inspect("1;x\n2;y\n".as_bytes(), &format).unwrap();
        assert_eq!(shape.rows, 2);
        assert_eq!(shape.columns[1].name, "column_2");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("", "is empty"),
            (
                "a,b\n1,2\n3\n",
                "has 1 fields in line 3 where 2 are expected",
            ),
            ("a,a\n", "two columns with the name \"a\""),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
