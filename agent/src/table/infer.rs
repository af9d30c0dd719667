//! What text in a field means: nothing, a number, a truth value, a point in time, or itself.

use jiff::{Timestamp, civil};
use millwright_crds::dataset::ColumnType;

/// Texts that stand for a missing value, in the spellings of R, pandas and SQL.
const MISSING: [&str; 11] = [
    "", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A",
];

/// Whether a field holds no value.
pub(super) fn is_missing(field: &[u8]) -> bool {
    field.len() <= 4 && MISSING.iter().any(|text| text.as_bytes() == field)
}

/// The narrowest type of a column that holds values of both types.
pub(super) fn widen(a: Option<ColumnType>, b: Option<ColumnType>) -> Option<ColumnType> {
    use ColumnType::{Float, Integer, String};

    match (a, b) {
        (None, other) | (other, None) => other,
        (Some(a), Some(b)) if a == b => Some(a),
        (Some(Integer | Float), Some(Integer | Float)) => Some(Float),
        _ => Some(String),
    }
}

/// The type of a column after one more field that is not missing.
pub(super) fn infer(known: Option<ColumnType>, field: &[u8]) -> ColumnType {
    let Ok(text) = std::str::from_utf8(field) else {
        return ColumnType::String;
    };
    // Try first what the column is so far: then a column costs one parse a field.
    match known {
        Some(ColumnType::String) => return ColumnType::String,
        Some(ColumnType::Float) if number(text).is_some() => return ColumnType::Float,
        _ => {}
    }
    let kind = if text.parse::<i64>().is_ok() {
        ColumnType::Integer
    } else if number(text).is_some() {
        ColumnType::Float
    } else if truth(text).is_some() {
        ColumnType::Boolean
    } else if seconds(text).is_some() {
        ColumnType::Timestamp
    } else {
        ColumnType::String
    };
    widen(known, Some(kind)).unwrap_or(kind)
}

/// A number, infinities included.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// `true` or `false`, as languages write them.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Seconds since the Unix epoch of an ISO 8601 date or date with time. Without an offset it counts
/// as UTC.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    // Most text is no time: look before parsing.
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        let local: civil::DateTime = text.parse().ok()?;
        local
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })?;
    Some(timestamp.as_microsecond() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(fields: &[&str]) -> Option<ColumnType> {
        fields
            .iter()
            .filter(|field| !is_missing(field.as_bytes()))
            .fold(None, |known, field| Some(infer(known, field.as_bytes())))
    }

    #[test]
    fn types_of_columns() {
        use ColumnType::*;

        for (fields, kind) in [
            (&["1", "-2", "NA"][..], Some(Integer)),
            (&["1", "2.5", "3"], Some(Float)),
            (&["1e-3", "inf", "9223372036854775808"], Some(Float)),
            (&["True", "false"], Some(Boolean)),
            (&["true", "1"], Some(String)),
            (&["2013-01-01", "2013-01-01 05:00:00"], Some(Timestamp)),
            (
                &["2013-01-01T05:00:00Z", "2013-01-01T05:00:00.5+02:00"],
                Some(Timestamp),
            ),
            (&["2013-13-01"], Some(String)),
            (&["2013-01-01", "x"], Some(String)),
            (&["1", "x"], Some(String)),
            (&["", "NA", "null"], None),
        ] {
            assert_eq!(column(fields), kind, "{fields:?}");
        }
    }

    #[test]
    fn times_are_seconds_in_utc() {
        assert_eq!(seconds("1970-01-02"), Some(86_400.0));
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), Some(0.0));
        assert_eq!(seconds("1970-01-01 00:00:01.5"), Some(1.5));
        assert_eq!(seconds("not-a-time!"), None);
        assert_eq!(seconds("äöü-äö-äö"), None);
    }
}
