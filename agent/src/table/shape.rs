//! Columns and rows of a file, and of all files together.

use millwright_crds::dataset::{Column, ColumnType};

use super::infer::widen;

/// One column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    /// Name.
    pub name: String,
    /// Type; `None` while no value was seen.
    pub kind: Option<ColumnType>,
    /// Whether a value was missing.
    pub nullable: bool,
    /// Whether its values can be profiled: lists and structs can't.
    pub profiled: bool,
}

impl TableColumn {
    /// Type that a consumer is told: text, when no value was seen.
    pub fn kind(&self) -> ColumnType {
        self.kind.unwrap_or(ColumnType::String)
    }

    /// The column as a Dataset's status shows it.
    pub fn column(&self) -> Column {
        Column {
            name: self.name.clone(),
            kind: self.kind(),
            nullable: self.nullable,
        }
    }
}

/// Columns and rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Columns, in the order of the file.
    pub columns: Vec<TableColumn>,
    /// Number of rows.
    pub rows: u64,
    /// Whether the file says itself what its types are, as Parquet does and CSV doesn't.
    pub typed: bool,
}

/// The shape of all files together. They must have the same columns, in any order. Types widen as
/// within one file, but files that declare types must agree, up to whole numbers and numbers.
///
/// # Errors
/// A sentence that names the first file that disagrees with the first one, and the column.
pub(crate) fn merge<'a>(
    shapes: impl IntoIterator<Item = (&'a str, &'a Shape)>,
) -> Result<Option<Shape>, String> {
    let mut shapes = shapes.into_iter();
    let Some((first, shape)) = shapes.next() else {
        return Ok(None);
    };
    let mut merged = shape.clone();
    for (path, shape) in shapes {
        merged.rows += shape.rows;
        for column in &mut merged.columns {
            let Some(other) = shape.columns.iter().find(|c| c.name == column.name) else {
                return Err(format!(
                    "{path} has no column \"{}\", which {first} has: all files of a Dataset must \
                     have the same columns; mend the file or leave it out with source.exclude",
                    column.name
                ));
            };
            let kind = widen(column.kind, other.kind);
            if let (true, Some(here), Some(there), Some(ColumnType::String)) =
                (shape.typed, other.kind, column.kind, kind)
                && here != there
            {
                return Err(format!(
                    "column \"{}\" is {here:?} in {path} and {there:?} in {first}: all files of a \
                     Dataset must agree on types; mend the file or leave it out with \
                     source.exclude",
                    column.name
                ));
            }
            column.kind = kind;
            column.nullable |= other.nullable;
            column.profiled &= other.profiled;
        }
        if let Some(extra) = shape
            .columns
            .iter()
            .find(|c| merged.columns.iter().all(|known| known.name != c.name))
        {
            return Err(format!(
                "{path} has a column \"{}\", which {first} has not: all files of a Dataset must \
                 have the same columns; mend the file or leave it out with source.exclude",
                extra.name
            ));
        }
    }
    Ok(Some(merged))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(columns: &[(&str, Option<ColumnType>)], typed: bool) -> Shape {
        Shape {
            columns: columns
                .iter()
                .map(|(name, kind)| TableColumn {
                    name: (*name).into(),
                    kind: *kind,
                    nullable: false,
                    profiled: true,
                })
                .collect(),
            rows: 2,
            typed,
        }
    }

    #[test]
    fn types_widen_over_files_and_order_does_not_matter() {
        let a = shape(&[("x", Some(ColumnType::Integer)), ("y", None)], false);
        let b = shape(
            &[
                ("y", Some(ColumnType::Boolean)),
                ("x", Some(ColumnType::Float)),
            ],
            false,
        );
        let merged = merge([("a", &a), ("b", &b)]).unwrap().unwrap();
        assert_eq!(merged.rows, 4);
        let kinds: Vec<_> = merged.columns.iter().map(|c| c.kind()).collect();
        assert_eq!(kinds, [ColumnType::Float, ColumnType::Boolean]);
    }

    #[test]
    fn other_columns_are_named() {
        let a = shape(&[("x", None), ("y", None)], false);
        let less = shape(&[("x", None)], false);
        let error = merge([("a.csv", &a), ("b.csv", &less)]).unwrap_err();
        assert!(
            error.contains("b.csv has no column \"y\", which a.csv has"),
            "{error}"
        );
        let more = shape(&[("x", None), ("y", None), ("z", None)], false);
        let error = merge([("a.csv", &a), ("b.csv", &more)]).unwrap_err();
        assert!(error.contains("b.csv has a column \"z\""), "{error}");
    }

    #[test]
    fn declared_types_must_agree() {
        let a = shape(&[("x", Some(ColumnType::Integer))], true);
        let b = shape(&[("x", Some(ColumnType::Boolean))], true);
        let error = merge([("a", &a), ("b", &b)]).unwrap_err();
        assert!(
            error.contains("\"x\" is Boolean in b and Integer in a"),
            "{error}"
        );
        let float = shape(&[("x", Some(ColumnType::Float))], true);
        assert!(merge([("a", &a), ("b", &float)]).is_ok());
    }
}
