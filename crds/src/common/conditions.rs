//! Condition types, as kstatus reads them.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The condition types that Millwright's kinds use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The object does its job now; for a run, that it ended well.
    Ready,
    /// Work is under way. Removed when false.
    Reconciling,
    /// Nothing will change without a person. Removed when false.
    Stalled,
    /// Nothing new is started, because the spec says so. Removed when false. What then doesn't do its
    /// job has no Ready: kstatus takes a Ready that is false for work under way.
    Suspended,
    /// A run ended well. Only on runs.
    Complete,
    /// A run ended badly. Only on runs.
    Failed,
}

impl ConditionType {
    /// The `type` of the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Suspended => "Suspended",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
        }
    }
}
