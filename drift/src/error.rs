//! The one error type of the crate.

/// Why a statistic could not be computed or a profile could not be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sample has too few usable values for the method.
    #[error("{sample} has {found} usable values, {method} needs at least {needed}")]
    TooFewValues {
        /// Which sample: `reference`, `current`, or the name of an input.
        sample: &'static str,
        /// The method that was asked for.
        method: &'static str,
        /// Values that could be used.
        found: u64,
        /// The smallest number that the method works with.
        needed: u64,
    },
    /// A value that the method cannot order or add.
    #[error("{sample} holds a {value} at index {index}; remove or count such values first")]
    NotFinite {
        /// Which sample.
        sample: &'static str,
        /// The value: `NaN`, `inf` or `-inf`.
        value: f64,
        /// Its position.
        index: usize,
    },
    /// Two inputs that belong together differ in length.
    #[error("{what} has {found} entries, expected {expected}")]
    Length {
        /// What was too long or too short.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// An argument is outside its range.
    #[error("{name} is {value}, allowed is {allowed}")]
    Argument {
        /// Name of the argument.
        name: &'static str,
        /// The value given.
        value: String,
        /// The allowed range, in words.
        allowed: &'static str,
    },
    /// A column that the reference does not have.
    #[error("column `{column}` is not in the profile; it has: {known}")]
    UnknownColumn {
        /// The column asked for.
        column: String,
        /// The columns there are, comma separated.
        known: String,
    },
    /// A column is used as the wrong kind.
    #[error("column `{column}` is {found}, expected {expected}")]
    ColumnKind {
        /// The column.
        column: String,
        /// What it is.
        found: &'static str,
        /// What it was used as.
        expected: &'static str,
    },
    /// Two profiles have different bins, so their counts cannot be compared or added.
    #[error(
        "profiles of column `{column}` have different bins; build both over the same reference"
    )]
    DifferentBins {
        /// The column.
        column: String,
    },
    /// Two accumulators were made with different settings.
    #[error("{what} differ ({left} and {right}); accumulators merge only with equal settings")]
    DifferentSettings {
        /// The setting that differs.
        what: &'static str,
        /// The setting of the one merged into.
        left: String,
        /// The setting of the other.
        right: String,
    },
    /// A stored profile cannot be read.
    #[error("profile cannot be read: {0}")]
    Format(String),
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
