//! Datasets, Jobs and pods for tests.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use millwright_crds::{
    Dataset, DatasetSpec, LABEL_ATTEMPT, LABEL_ROLE,
    dataset::{Column, ColumnType, FailedExpectation},
    wire::sync::{SyncResult, VersionRecord},
};
use serde_json::json;

use super::{LABEL_REQUEST, SYNC};
use crate::observed::{
    ContainerState, JobPhase, JobState, LABEL_JOB, Labels, Lifecycle, PodState, Terminated,
};

pub(super) use crate::fixtures::{at, labels, settings};

pub(super) fn dataset() -> Dataset {
    let spec: DatasetSpec = serde_json::from_value(json!({
        "source": {"uri": "pvc://feed/2013/", "include": ["*.csv"]},
        "format": {"type": "Csv"},
        "expectations": [{"name": "enough", "rows": {"min": 10}}],
    }))
    .unwrap();
    Dataset {
        metadata: ObjectMeta {
            name: Some("flights".into()),
            namespace: Some("demo".into()),
            uid: Some("d-1".into()),
            generation: Some(1),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

/// A sync that ended well at second 60.
pub(super) fn job(request: &str, attempt: u32) -> JobState {
    JobState {
        name: format!("flights-sync-{request}-{attempt}"),
        uid: format!("{request}/{attempt}"),
        labels: Labels::from_iter([
            (LABEL_ROLE, SYNC),
            (LABEL_REQUEST, request),
            (LABEL_ATTEMPT, &attempt.to_string()),
        ]),
        resolved: None,
        created: Some(at(0)),
        started: Some(at(0)),
        phase: JobPhase::Complete,
        finished: Some(at(60)),
        deleting: false,
    }
}

pub(super) fn failed_job(request: &str, attempt: u32) -> JobState {
    JobState {
        phase: JobPhase::Failed {
            reason: "BackoffLimitExceeded".into(),
            message: "Job has reached the specified backoff limit".into(),
        },
        ..job(request, attempt)
    }
}

pub(super) fn pod(job: &JobState, state: Lifecycle) -> PodState {
    PodState {
        name: format!("{}-x", job.name),
        uid: format!("pod of {}", job.uid),
        labels: job.labels.with(LABEL_JOB, &job.uid),
        ip: None,
        phase: String::new(),
        reason: None,
        message: None,
        ready: false,
        unschedulable: None,
        disrupted: None,
        deleting: false,
        gone_by: None,
        placed: None,
        containers: vec![ContainerState {
            name: SYNC.into(),
            init: false,
            image_id: None,
            state,
            last: None,
            restarts: 0,
        }],
    }
}

pub(super) fn ended(exit_code: i32, reason: &str, message: &str) -> Lifecycle {
    Lifecycle::Terminated(Terminated {
        exit_code,
        reason: reason.into(),
        message: message.into(),
        finished: None,
    })
}

pub(super) fn waiting(reason: &str, message: &str) -> Lifecycle {
    Lifecycle::Waiting {
        reason: reason.into(),
        message: message.into(),
    }
}

/// What a sync says that found version `number`, which fails these expectations.
pub(super) fn result(number: u32, failed: &[&str], current: Option<&str>) -> SyncResult {
    let digest = format!("sha256:{number:064x}");
    SyncResult {
        v: 1,
        version: VersionRecord {
            number,
            digest,
            rows: 100 * u64::from(number),
            files: 1,
            bytes: 1_000,
            created_at: "2026-01-01T00:00:00Z".into(),
            failed: failed
                .iter()
                .map(|name| FailedExpectation {
                    expectation: (*name).into(),
                    observed: "9 rows, at least 10 are expected".into(),
                })
                .collect(),
        },
        current: current.map(Into::into),
        unchanged: false,
        profile: Some(format!("profile-{number}")),
        columns: (0..60)
            .map(|index| Column {
                name: format!("c{index}"),
                kind: ColumnType::Float,
                nullable: false,
            })
            .collect(),
        column_count: 60,
    }
}
