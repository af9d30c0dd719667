//! Reference profiles: what live traffic is compared with.

use std::{fs, path::Path};

use drift::profile::Profile;
use millwright_crds::dataset::{Format, FormatType};

use crate::{files::walk, table};

/// Column of an evaluator's `predictions.csv`.
const PREDICTION: &str = "prediction";

/// The profile of what a model was trained on: of the rows that the trainer left, else of its
/// input, which is either a folder with rows or a profile that the sync made. `None`, with a
/// warning, when there is neither.
///
/// # Errors
/// A sentence about the trainer's rows when they can't be read: it meant them to be.
pub(super) fn training(rows: &Path, input: Option<&Path>) -> Result<Option<Profile>, String> {
    if rows.symlink_metadata().is_ok() {
        let folder = rows.parent().unwrap_or(rows);
        is_file(rows, folder).map_err(|why| format!("{} {why}", rows.display()))?;
        tracing::info!("reference profile from the trainer's rows");
        return of_files(&[("training-rows.csv", rows)], &format(FormatType::Csv)).map(Some);
    }
    let Some(input) = input else {
        return Ok(None);
    };
    match of_input(input) {
        Ok(profile) => Ok(Some(profile)),
        Err(error) => {
            tracing::warn!(
                "no reference profile, so drift can't be measured: {}: {error}; the trainer can \
                 write its rows to MILLWRIGHT_TRAINING_ROWS",
                input.display()
            );
            Ok(None)
        }
    }
}

/// The profile of the column `prediction` of a CSV file in this folder.
///
/// # Errors
/// A sentence about the file.
pub(super) fn predictions(file: &Path, folder: &Path) -> Result<Profile, String> {
    is_file(file, folder)?;
    let format = format(FormatType::Csv);
    let shape = table::inspect(file, &format)?.shape;
    let columns: Vec<_> = shape
        .columns
        .into_iter()
        .filter(|column| column.name == PREDICTION)
        .collect();
    if columns.is_empty() {
        return Err(format!("has no column \"{PREDICTION}\""));
    }
    table::profile([("", file)], &format, &columns)
}

/// Whether what a user's container wrote is a file in this folder: by way of a link it could be one of
/// this container's own, and what is in it would become names of columns.
fn is_file(path: &Path, folder: &Path) -> Result<(), String> {
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|error| format!("can't be read: {error}"))
    };
    let (path, folder) = (real(path)?, real(folder)?);
    if path.starts_with(folder) && path.is_file() {
        Ok(())
    } else {
        Err("is not a file there: write the rows themselves, not a link to them".into())
    }
}

fn of_input(input: &Path) -> Result<Profile, String> {
    if input.is_file() {
        let bytes = fs::read(input).map_err(|error| format!("it can't be read: {error}"))?;
        return Profile::decode(&bytes).map_err(|error| error.to_string());
    }
    for kind in [FormatType::Csv, FormatType::Parquet] {
        let ending = match kind {
            FormatType::Csv => ".csv",
            FormatType::Parquet => ".parquet",
        };
        let files = walk(input, &|path| path.ends_with(ending))?;
        if !files.is_empty() {
            let named: Vec<_> = files
                .iter()
                .map(|file| (file.path.as_str(), file.file.as_path()))
                .collect();
            return of_files(&named, &format(kind));
        }
    }
    Err("it has no .csv and no .parquet files".into())
}

fn of_files(files: &[(&str, &Path)], format: &Format) -> Result<Profile, String> {
    let shapes = files
        .iter()
        .map(|(path, file)| {
            table::inspect(file, format)
                .map(|inspected| (*path, inspected.shape))
                .map_err(|error| format!("{path} {error}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let merged = table::merge(shapes.iter().map(|(path, shape)| (*path, shape)))?
        .ok_or("there are no files")?;
    table::profile(files.iter().copied(), format, &merged.columns)
}

fn format(kind: FormatType) -> Format {
    Format { kind, csv: None }
}
