//! The result, cut so that it fits a termination message.

use millwright_crds::wire::{TERMINATION_MESSAGE_LIMIT, sync::SyncResult};

use crate::failure::Failure;

/// Leaves out columns from the end until the result fits, and failed expectations only if that is
/// not enough: the counts and the first failure always stay.
///
/// # Errors
/// When even that doesn't fit, which the CRD's bounds exclude.
pub(super) fn fit(mut result: SyncResult) -> Result<SyncResult, Failure> {
    loop {
        let size = millwright_crds::wire::write(&result)
            .map_err(Failure::unavailable)?
            .len();
        if size <= TERMINATION_MESSAGE_LIMIT {
            return Ok(result);
        }
        if result.columns.pop().is_none() {
            if result.version.failed.len() <= 1 {
                return Err(Failure::unavailable(format!(
                    "the result has {size} bytes, a termination message {TERMINATION_MESSAGE_LIMIT}"
                )));
            }
            result.version.failed.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use millwright_crds::{
        dataset::{Column, ColumnType, FailedExpectation},
        wire::sync::VersionRecord,
    };

    use super::*;

    fn result(columns: usize, failed: usize) -> SyncResult {
        SyncResult {
            v: 1,
            version: VersionRecord {
                number: 1,
                digest: "sha256:".to_owned() + &"a".repeat(64),
                rows: 1,
                files: 1,
                bytes: 1,
                created_at: "2013-01-01T00:00:00Z".into(),
                failed: vec![
                    FailedExpectation {
                        expectation: "e".repeat(63),
                        observed: "o".repeat(256),
                    };
                    failed
                ],
            },
            current: None,
            unchanged: false,
            profile: None,
            columns: vec![
                Column {
                    name: "c".repeat(40),
                    kind: ColumnType::Timestamp,
                    nullable: true,
                };
                columns
            ],
            column_count: columns as u32,
        }
    }

    #[test]
    fn columns_go_first() {
        let small = fit(result(10, 1)).unwrap();
        assert_eq!(small.columns.len(), 10);
        let wide = fit(result(200, 2)).unwrap();
        assert!((20..200).contains(&wide.columns.len()));
        assert_eq!((wide.version.failed.len(), wide.column_count), (2, 200));
        let failing = fit(result(10, 20)).unwrap();
        assert!(failing.columns.is_empty() && failing.version.failed.len() > 5);
    }
}
