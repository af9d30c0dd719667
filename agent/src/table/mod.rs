//! Rows and columns: which there are, of which types, and what their values look like.

mod csv;
mod infer;
mod parquet;
mod profile;
mod shape;

use std::path::Path;

use drift::profile::Profile;
use millwright_crds::dataset::{CsvFormat, Format, FormatType};

pub(crate) use shape::{Shape, TableColumn, merge};

use self::profile::Profiler;
use crate::files::{HashingReader, hash};

/// A file that has been read once.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// Its columns and rows.
    pub shape: Shape,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// Reads a file once: its columns, its rows and its hash.
///
/// # Errors
/// A sentence about the file, without its name.
pub(crate) fn inspect(file: &Path, format: &Format) -> Result<Inspected, String> {
    let open = |error: std::io::Error| format!("can't be read: {error}");
    match format.kind {
        FormatType::Csv => {
            let mut reader = HashingReader::new(std::fs::File::open(file).map_err(open)?);
            let shape = csv::inspect(&mut reader, &options(format))?;
            let (size, sha256) = reader.finish().map_err(open)?;
            Ok(Inspected {
                shape,
                size,
                sha256,
            })
        }
        FormatType::Parquet => {
            let (size, sha256) = hash(file).map_err(open)?;
            Ok(Inspected {
                shape: parquet::inspect(file)?,
                size,
                sha256,
            })
        }
    }
}

/// The reference profile of columns over files of one format.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn profile<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a Path)>,
    format: &Format,
    columns: &[TableColumn],
) -> Result<Profile, String> {
    let mut profiler = Profiler::new(columns)?;
    for (path, file) in files {
        match format.kind {
            FormatType::Csv => csv::observe(file, &options(format), &mut profiler),
            FormatType::Parquet => parquet::observe(file, &mut profiler),
        }
        .map_err(|error| format!("{path} {error}"))?;
    }
    profiler.finish()
}

/// Whether a profile is of these columns, as far as their names and kinds tell.
pub(crate) fn describes(profile: &Profile, shape: &Shape) -> bool {
    let expected = shape.columns.iter().filter(|column| column.profiled);
    profile.columns().len() == expected.clone().count()
        && expected.into_iter().all(|column| {
            profile
                .column(&column.name)
                .is_ok_and(|known| known.kind() == profile::kind(column.kind()))
        })
}

fn options(format: &Format) -> CsvFormat {
    format.csv.clone().unwrap_or_default()
}
