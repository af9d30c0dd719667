//! What a sync found becomes part of the status: the list of versions, and which one is current.

use std::cmp::Reverse;

use millwright_crds::{
    DatasetStatus,
    dataset::{CurrentVersion, DatasetVersion, VersionState},
    wire::{contract::key, sync::SyncResult},
};

use crate::{Event, Reason};

/// Most columns in a status.
const COLUMNS: usize = 50;
/// Most failed expectations of a version.
const FAILED: usize = 20;
/// Most characters of what was seen of a failed expectation.
const SEEN: usize = 256;

/// Enters a result: its version into the list, what is current, and the columns of that.
pub(super) fn enter(status: &mut DatasetStatus, result: &SyncResult, profiles: &Profiles<'_>) {
    let record = &result.version;
    let name = format!("v{}", record.number);
    status.versions.retain(|version| version.version != name);
    let mut failed = record.failed.clone();
    failed.truncate(FAILED);
    for expectation in &mut failed {
        expectation.observed = expectation.observed.chars().take(SEEN).collect();
    }
    status.versions.push(DatasetVersion {
        version: name.clone(),
        digest: record.digest.clone(),
        // What it really is follows below.
        state: VersionState::Superseded,
        rows: record.rows,
        files: record.files,
        bytes: record.bytes,
        created_at: record.created_at.clone(),
        failed,
    });
    let before = status.current.take();
    status.current = current(status, before.as_ref(), result.current.as_deref(), profiles);
    let digest = |version: &CurrentVersion| version.digest.clone();
    let changed = status.current.as_ref().map(digest) != before.as_ref().map(digest);
    if let Some(now) = status.current.as_mut().filter(|now| now.version == name) {
        now.profile = result.profile.clone();
        status.columns = result.columns.iter().take(COLUMNS).cloned().collect();
        status.column_count = Some(result.column_count);
    } else if changed {
        // The result speaks of another version's columns.
        status.columns.clear();
        status.column_count = None;
    }
    let now = status.current.as_ref().map(|now| now.version.as_str());
    for version in &mut status.versions {
        version.state = if now == Some(version.version.as_str()) {
            VersionState::Current
        } else if version.failed.is_empty() {
            VersionState::Superseded
        } else {
            VersionState::Rejected
        };
    }
}

/// Where the profiles of a Dataset's versions are.
pub(super) struct Profiles<'a> {
    /// Namespace of the Dataset.
    pub namespace: &'a str,
    /// Name of the Dataset.
    pub name: &'a str,
}

/// The version that is current. One that this status has never seen, because it was lost, is
/// not made up: what was current stays so, unless it is the one that fails now.
fn current(
    status: &DatasetStatus,
    before: Option<&CurrentVersion>,
    named: Option<&str>,
    profiles: &Profiles<'_>,
) -> Option<CurrentVersion> {
    let named = named?;
    let Some(version) = status.versions.iter().find(|v| v.version == named) else {
        let rejected = |name: &str| {
            status
                .versions
                .iter()
                .any(|v| v.version == name && !v.failed.is_empty())
        };
        return before.filter(|now| !rejected(&now.version)).cloned();
    };
    let known = before
        .filter(|now| now.version == named && now.digest == version.digest)
        .and_then(|now| now.profile.clone());
    Some(CurrentVersion {
        version: version.version.clone(),
        digest: version.digest.clone(),
        rows: version.rows,
        files: version.files,
        bytes: version.bytes,
        profile: Some(known.unwrap_or_else(|| {
            key::dataset_profile(profiles.namespace, profiles.name, &version.digest)
        })),
        created_at: version.created_at.clone(),
    })
}

/// What to tell people of a result that was entered into `before` and gave `after`.
pub(super) fn events(
    before: &DatasetStatus,
    after: &DatasetStatus,
    result: &SyncResult,
) -> Vec<Event> {
    let name = format!("v{}", result.version.number);
    let find = |status: &DatasetStatus| status.versions.iter().find(|v| v.version == name).cloned();
    let mut events = vec![];
    if let Some(version) = find(after).filter(|v| v.state == VersionState::Rejected) {
        // A version that isn't listed any more was told of when it was new.
        let news = match find(before) {
            Some(known) => known.state != VersionState::Rejected,
            None => !result.unchanged,
        };
        if news {
            let text = describe_rejected(&version);
            events.push(Event::warning(Reason::ExpectationFailed, text));
        }
    }
    let current = |status: &DatasetStatus| status.current.as_ref().map(|now| now.version.clone());
    if let Some(now) = after
        .current
        .as_ref()
        .filter(|_| current(after) != current(before))
    {
        let text = format!(
            "{} is current: {} rows in {} files",
            now.version, now.rows, now.files
        );
        events.push(Event::normal(Reason::Synced, text));
    }
    events
}

/// Orders the list, newest first, and cuts it to `keep` versions. The current one always stays.
pub(super) fn bound(status: &mut DatasetStatus, keep: u32) {
    status
        .versions
        .sort_by_key(|version| Reverse(number(&version.version)));
    status.versions.dedup_by(|a, b| a.version == b.version);
    let keep = usize::try_from(keep.max(1)).unwrap_or(usize::MAX);
    let current = status.current.as_ref().map(|now| now.version.clone());
    let place = status
        .versions
        .iter()
        .position(|version| Some(&version.version) == current.as_ref());
    if let Some(place) = place.filter(|place| *place >= keep) {
        status.versions.swap(keep - 1, place);
    }
    status.versions.truncate(keep);
}

/// The newest version, when it was rejected and so is not the current one.
pub(super) fn rejected(status: &DatasetStatus) -> Option<&DatasetVersion> {
    status
        .versions
        .first()
        .filter(|version| version.state == VersionState::Rejected)
}

/// `v3 was rejected: rows (900 rows, at least 1000 are expected)`.
pub(super) fn describe_rejected(version: &DatasetVersion) -> String {
    let failed: Vec<String> = version
        .failed
        .iter()
        .map(|failed| format!("{} ({})", failed.expectation, failed.observed))
        .collect();
    format!("{} was rejected: {}", version.version, failed.join(", "))
}

/// 3 of `v3`; 0 for anything else, so that it leaves the list first.
fn number(version: &str) -> u64 {
    version
        .strip_prefix('v')
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixtures::result;

    /// Enters results one after the other; returns name and state of each version, and the
    /// current one.
    fn after(results: &[(u32, &[&str], Option<&str>)], keep: u32) -> (Vec<String>, Option<String>) {
        let mut status = DatasetStatus::default();
        let profiles = Profiles {
            namespace: "n",
            name: "d",
        };
        for (number, failed, current) in results {
            enter(&mut status, &result(*number, failed, *current), &profiles);
            bound(&mut status, keep);
        }
        let list = status
            .versions
            .iter()
            .map(|v| format!("{} {:?}", v.version, v.state))
            .collect();
        (list, status.current.map(|now| now.version))
    }

    #[test]
    fn states_follow_what_is_current() {
        let (list, current) = after(&[(1, &[], Some("v1")), (2, &[], Some("v2"))], 10);
        assert_eq!(list, ["v2 Current", "v1 Superseded"]);
        assert_eq!(current.as_deref(), Some("v2"));
    }

    #[test]
    fn a_rejected_version_never_becomes_current() {
        let (list, current) = after(&[(1, &["rows"], None)], 10);
        assert_eq!((list, current), (vec!["v1 Rejected".into()], None));
        let (list, current) = after(&[(1, &[], Some("v1")), (2, &["rows"], Some("v1"))], 10);
        assert_eq!(list, ["v2 Rejected", "v1 Current"]);
        assert_eq!(current.as_deref(), Some("v1"));
    }

    #[test]
    fn an_old_version_comes_back_when_the_source_or_the_expectations_do() {
        let back = [
            (1, &[][..], Some("v1")),
            (2, &[], Some("v2")),
            (1, &[], Some("v1")),
        ];
        let (list, current) = after(&back, 10);
        assert_eq!(list, ["v2 Superseded", "v1 Current"]);
        assert_eq!(current.as_deref(), Some("v1"));
        // v2 is judged again and fails: the store says that v1 takes its place.
        let (list, current) = after(
            &[
                (1, &[], Some("v1")),
                (2, &[], Some("v2")),
                (2, &["rows"], Some("v1")),
            ],
            10,
        );
        assert_eq!(list, ["v2 Rejected", "v1 Current"]);
        assert_eq!(current.as_deref(), Some("v1"));
    }

    #[test]
    fn a_current_version_that_was_never_seen_is_not_made_up() {
        let (list, current) = after(&[(3, &["rows"], Some("v2"))], 10);
        assert_eq!((list, current), (vec!["v3 Rejected".into()], None));
        let (_, current) = after(&[(1, &[], Some("v1")), (3, &["rows"], Some("v2"))], 10);
        assert_eq!(current.as_deref(), Some("v1"));
        let (_, current) = after(&[(2, &[], Some("v2")), (2, &["rows"], Some("v1"))], 10);
        assert_eq!(current, None);
    }

    #[test]
    fn the_list_is_bounded_and_keeps_the_current_version() {
        let all: Vec<_> = (1..=5).map(|n| (n, &["rows"][..], Some("v1"))).collect();
        let mut results = vec![(1, &[][..], Some("v1"))];
        results.extend(all.into_iter().skip(1));
        let (list, _) = after(&results, 3);
        assert_eq!(list, ["v5 Rejected", "v4 Rejected", "v1 Current"]);
        let (list, _) = after(&results, 1);
        assert_eq!(list, ["v1 Current"]);
    }

    #[test]
    fn figures_and_columns_are_those_of_the_current_version() {
        let mut status = DatasetStatus::default();
        let profiles = Profiles {
            namespace: "n",
            name: "d",
        };
        enter(&mut status, &result(1, &[], Some("v1")), &profiles);
        let now = status.current.clone().unwrap();
        assert_eq!((now.rows, now.files, now.bytes), (100, 1, 1_000));
        assert_eq!(status.column_count, Some(60));
        assert_eq!(status.columns.len(), COLUMNS);
        enter(&mut status, &result(2, &["rows"], Some("v1")), &profiles);
        assert_eq!(status.current, Some(now));
        assert_eq!(status.column_count, Some(60));
        enter(&mut status, &result(1, &["rows"], None), &profiles);
        assert_eq!((status.current, status.column_count), (None, None));
    }
}
