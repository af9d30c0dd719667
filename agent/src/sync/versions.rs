//! Which version the source's bytes are, and which one is current.
//!
//! The source is the truth: when its bytes are those of a known version, also of an old one, that
//! version is what consumers get from now on, and no new number is drawn. Expectations are judged
//! at every sync, so a version that was rejected can become usable when they are relaxed, and the
//! other way round. A rejected version leaves current what was.

use millwright_crds::{
    dataset::{Expectation, FailedExpectation},
    wire::sync::{VersionList, VersionRecord},
};

/// What a sync found at the source.
#[derive(Clone)]
pub(super) struct Found {
    /// Digest of the manifest.
    pub digest: String,
    /// Rows over all files.
    pub rows: u64,
    /// Number of files.
    pub files: u64,
    /// Bytes over all files.
    pub bytes: u64,
    /// The expectations it fails.
    pub failed: Vec<FailedExpectation>,
}

/// A list with what was found in it.
pub(super) struct Recorded {
    /// The list.
    pub list: VersionList,
    /// The version that the found bytes are.
    pub version: VersionRecord,
    /// Whether these bytes were a version before.
    pub known: bool,
}

/// Puts what was found at a time (RFC 3339) into the list.
pub(super) fn record(mut list: VersionList, found: Found, now: String) -> Recorded {
    let place = list
        .versions
        .iter()
        .position(|version| version.digest == found.digest);
    let version = VersionRecord {
        number: place.map_or_else(
            || list.versions.iter().map(|v| v.number).max().unwrap_or(0) + 1,
            |index| list.versions[index].number,
        ),
        created_at: place.map_or(now, |index| list.versions[index].created_at.clone()),
        digest: found.digest,
        rows: found.rows,
        files: found.files,
        bytes: found.bytes,
        failed: found.failed,
    };
    match place {
        Some(index) => list.versions[index] = version.clone(),
        None => list.versions.push(version.clone()),
    }
    if version.failed.is_empty() {
        list.current = Some(version.number);
    } else if list.current.is_none_or(|number| number == version.number) {
        // What was current fails now: the newest that doesn't takes its place.
        list.current = list
            .versions
            .iter()
            .rev()
            .find(|version| version.failed.is_empty())
            .map(|version| version.number);
    }
    Recorded {
        list,
        version,
        known: place.is_some(),
    }
}

/// The expectations that a number of rows fails.
pub(super) fn failed(expectations: &[Expectation], rows: u64) -> Vec<FailedExpectation> {
    expectations
        .iter()
        .filter_map(|expectation| {
            let bounds = &expectation.rows;
            let observed = match (bounds.min, bounds.max) {
                (Some(min), _) if rows < min => {
                    format!("{rows} rows, at least {min} are expected")
                }
                (_, Some(max)) if rows > max => {
                    format!("{rows} rows, at most {max} are expected")
                }
                _ => return None,
            };
            Some(FailedExpectation {
                expectation: expectation.name.clone(),
                observed,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use millwright_crds::dataset::RowBounds;

    use super::*;

    /// Syncs sources one after the other: digest, and whether it passes. Returns after each: the
    /// version, the current one, and whether it was known.
    fn syncs(sources: &[(&str, bool)]) -> Vec<(u32, Option<u32>, bool)> {
        let mut list = VersionList {
            v: 1,
            current: None,
            versions: vec![],
        };
        sources
            .iter()
            .map(|(digest, passes)| {
                let failed = if *passes {
                    vec![]
                } else {
                    vec![FailedExpectation {
                        expectation: "e".into(),
                        observed: "o".into(),
                    }]
                };
                let found = Found {
                    digest: (*digest).into(),
                    rows: 1,
                    files: 1,
                    bytes: 1,
                    failed,
                };
                let recorded = record(list.clone(), found, "now".into());
                list = recorded.list;
                (recorded.version.number, list.current, recorded.known)
            })
            .collect()
    }

    #[test]
    fn new_bytes_new_version_same_bytes_none() {
        assert_eq!(
            syncs(&[("a", true), ("a", true), ("b", true)]),
            [(1, Some(1), false), (1, Some(1), true), (2, Some(2), false)]
        );
    }

    #[test]
    fn a_source_that_goes_back_takes_current_with_it() {
        assert_eq!(
            syncs(&[("a", true), ("b", true), ("a", true), ("c", false)])[2..],
            [(1, Some(1), true), (3, Some(1), false)]
        );
    }

    #[test]
    fn expectations_are_judged_anew() {
        assert_eq!(
            syncs(&[("a", false), ("a", true), ("b", true), ("b", false)]),
            [
                (1, None, false),
                (1, Some(1), true),
                (2, Some(2), false),
                (2, Some(1), true)
            ]
        );
    }

    #[test]
    fn bounds_are_included() {
        let expectation = |min, max| Expectation {
            name: "enough".into(),
            rows: RowBounds { min, max },
        };
        let expectations = [expectation(Some(10), Some(20))];
        for (rows, fails) in [(9, true), (10, false), (20, false), (21, true)] {
            assert_eq!(!failed(&expectations, rows).is_empty(), fails, "{rows}");
        }
        assert_eq!(
            failed(&expectations, 9)[0].observed,
            "9 rows, at least 10 are expected"
        );
    }
}
