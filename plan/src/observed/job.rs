use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use millwright_crds::ANNOTATION_RESOLVED;

use super::Labels;

/// A batch/v1 Job of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Value of [`millwright_crds::ANNOTATION_RESOLVED`].
    pub resolved: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its controller first tried to create its pod.
    pub started: Option<Timestamp>,
    /// How it stands.
    pub phase: JobPhase,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// How a Job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobPhase {
    /// Not ended.
    Active,
    /// Ended well.
    Complete,
    /// Ended badly.
    Failed {
        /// Reason of its Failed condition.
        reason: String,
        /// Message of its Failed condition.
        message: String,
    },
}

impl JobState {
    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)
    }
}

impl From<&Job> for JobState {
    fn from(job: &Job) -> Self {
        let meta = &job.metadata;
        let status = job.status.as_ref();
        let condition = |kind: &str| {
            status
                .and_then(|s| s.conditions.as_ref())
                .and_then(|list| list.iter().find(|c| c.type_ == kind && c.status == "True"))
        };
        let (phase, finished) = if let Some(complete) = condition("Complete") {
            (JobPhase::Complete, complete.last_transition_time.as_ref())
        } else if let Some(failed) = condition("Failed") {
            let phase = JobPhase::Failed {
                reason: failed.reason.clone().unwrap_or_default(),
                message: failed.message.clone().unwrap_or_default(),
            };
            (phase, failed.last_transition_time.as_ref())
        } else {
            (JobPhase::Active, None)
        };
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            labels: Labels::of(meta),
            resolved: meta
                .annotations
                .as_ref()
                .and_then(|a| a.get(ANNOTATION_RESOLVED))
                .cloned(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            started: status
                .and_then(|s| s.start_time.as_ref())
                .map(|time| time.0),
            phase,
            finished: finished.map(|time| time.0),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }
}
