//! What can go wrong with the store.

use std::fmt;

/// A kind of trouble with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// There is nothing under the key.
    Absent,
    /// The bytes are not those that the digest promises.
    Corrupted,
    /// The file to store is not what it was when it was hashed.
    Changed,
    /// The file on our side of the copy can't be read or written.
    File,
    /// Credentials or a bucket are wrong: a person must mend that.
    Denied,
    /// Somebody else wrote the key at the same time.
    Conflict,
    /// The store can't do this, ever.
    Refused,
    /// The store failed; it may work later.
    Transient,
}

/// Trouble with one key of the store.
#[derive(Debug)]
pub(crate) struct StoreError {
    /// Which kind.
    pub problem: Problem,
    message: String,
}

impl StoreError {
    /// Trouble of a kind with a key.
    pub fn new(problem: Problem, key: &str, detail: impl fmt::Display) -> Self {
        let message = match problem {
            Problem::Absent => format!("{key} is not in the artifact store: {detail}"),
            Problem::Corrupted => format!("{key} in the artifact store is corrupted: {detail}"),
            Problem::Changed | Problem::File => detail.to_string(),
            Problem::Denied | Problem::Conflict | Problem::Refused | Problem::Transient => {
                format!("the artifact store failed at {key}: {detail}")
            }
        };
        Self { problem, message }
    }

    /// Trouble in words of an object store's own, which name it.
    pub fn remote(problem: Problem, key: &str, detail: impl fmt::Display) -> Self {
        Self {
            problem,
            message: format!("{detail} (key {key})"),
        }
    }

    /// What the file system said of a key.
    pub fn of(key: &str, error: object_store::Error) -> Self {
        use object_store::Error;

        match error {
            Error::NotFound { .. } => Self::new(Problem::Absent, key, "no such key"),
            Error::InvalidPath { .. } | Error::NotSupported { .. } => {
                Self::new(Problem::Refused, key, error)
            }
            // Also a full disk or a lost permission: people mend those while we wait.
            other => Self::new(Problem::Transient, key, other),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}
