//! What users say, and what pods and operator say to each other.
//!
//! One file per kind, the vocabulary they share in [`common`], and the versioned wire types in
//! [`wire`]. The CRDs in the chart are generated from these types, so a field's description,
//! bound and rule stand here and nowhere else.
//!
//! This crate must never talk to an API server, read a clock or decide anything: it has no client
//! and no async runtime.

pub mod common;
pub mod dataset;
pub mod generate;
pub mod metric;
pub mod model;
pub mod model_deployment;
pub mod model_version;
pub mod retrain_policy;
pub mod schema;
pub mod training_job;
pub mod wire;

pub use dataset::{Dataset, DatasetSpec, DatasetStatus};
pub use model::{Model, ModelSpec, ModelStatus};
pub use model_deployment::{ModelDeployment, ModelDeploymentSpec, ModelDeploymentStatus};
pub use model_version::{ModelVersion, ModelVersionSpec, ModelVersionStatus};
pub use retrain_policy::{RetrainPolicy, RetrainPolicySpec, RetrainPolicyStatus};
pub use training_job::{TrainingJob, TrainingJobSpec, TrainingJobStatus};

/// API group of every kind.
pub const GROUP: &str = "millwright.dev";
/// The version served and stored.
pub const VERSION: &str = "v1alpha1";

/// Label with the UID of the object that a child belongs to. Children are found by it, never by
/// their name.
pub const LABEL_OWNER: &str = "millwright.dev/owner-uid";
/// Label with the lower-case kind of the owner, the one selector that the operator's watches use.
pub const LABEL_KIND: &str = "millwright.dev/owner-kind";
/// Label with the name of the owner, for people and for `kubectl logs -l`.
pub const LABEL_NAME: &str = "millwright.dev/owner-name";
/// Label that says what a child is for: `training`, `evaluation`, `sync`, `collect`, `gate`,
/// `serving`.
pub const LABEL_ROLE: &str = "millwright.dev/role";
/// Label with the number of a TrainingJob's attempt.
pub const LABEL_ATTEMPT: &str = "millwright.dev/attempt";
/// Label with the stage of a ModelDeployment.
pub const LABEL_STAGE: &str = "millwright.dev/stage";
/// Label with the name of a registered model.
pub const LABEL_MODEL: &str = "millwright.dev/model";
/// Label with the UID of the RetrainPolicy that started a TrainingJob.
pub const LABEL_POLICY: &str = "millwright.dev/policy-uid";
/// Label with the number of a RetrainPolicy's firing.
pub const LABEL_FIRING: &str = "millwright.dev/firing";
/// Annotation with what an attempt's inputs resolved to, as JSON.
pub const ANNOTATION_RESOLVED: &str = "millwright.dev/resolved";
/// Annotation on a pod or Job that names the trigger of a RetrainPolicy which asked for it.
pub const ANNOTATION_TRIGGER: &str = "millwright.dev/trigger";
/// Annotation that asks a Dataset for a sync; any new value asks once.
pub const ANNOTATION_REFRESH: &str = "millwright.dev/refresh";
/// Annotation that asks a RetrainPolicy for a run; any new value asks once.
pub const ANNOTATION_RETRAIN: &str = "millwright.dev/retrain";
