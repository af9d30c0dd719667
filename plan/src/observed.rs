//! What planners need to know of Jobs, pods and Deployments: projections, so that a watch over
//! thousands of them stays small.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{ContainerStatus, Pod},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use millwright_crds::{ANNOTATION_RESOLVED, LABEL_OWNER};

use crate::time;

/// Label with the UID of the Job that a pod belongs to, put there by the Job controller.
pub const LABEL_JOB: &str = "batch.kubernetes.io/controller-uid";
/// Jobs and pods come by watches of their own: a pod may be seen to end this much later than its
/// Job.
pub const SETTLING: Duration = Duration::from_secs(10);

/// How much longer than its own time to end a pod may take to be gone. A kubelet that lives needs
/// seconds; of one that doesn't, nothing is ever heard.
pub const LOST: Duration = Duration::from_secs(120);

/// The labels that planners read: ours, and the Job controller's on pods. People and platforms put
/// more on objects, and thousands of them are kept.
fn labels(meta: &ObjectMeta) -> BTreeMap<String, String> {
    let read = |key: &str| {
        let prefix = key.split_once('/').map(|(prefix, _)| prefix);
        matches!(prefix, Some("millwright.dev" | "batch.kubernetes.io"))
    };
    let labels = meta.labels.iter().flatten();
    labels
        .filter(|(key, _)| read(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// A batch/v1 Job of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Labels that planners read: ours and the Job controller's.
    pub labels: BTreeMap<String, String>,
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
        self.labels.get(key).map(String::as_str)
    }

    /// UID of the owner.
    pub fn owner(&self) -> Option<&str> {
        self.label(LABEL_OWNER)
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
            labels: labels(meta),
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

/// A pod of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct PodState {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Labels that planners read: ours and the Job controller's.
    pub labels: BTreeMap<String, String>,
    /// Address.
    pub ip: Option<String>,
    /// `status.phase`.
    pub phase: String,
    /// `status.reason`, e.g. `Evicted`.
    pub reason: Option<String>,
    /// `status.message`.
    pub message: Option<String>,
    /// Whether all containers are ready.
    pub ready: bool,
    /// Why it can't be placed.
    pub unschedulable: Option<String>,
    /// Why it is being disrupted: the reason of its DisruptionTarget condition.
    pub disrupted: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// When a pod that is being deleted has to be gone: its time to end is over then.
    pub gone_by: Option<Timestamp>,
    /// When it was placed on a node, or its init containers had ended: the later of the two.
    pub placed: Option<Timestamp>,
    /// Init containers, then containers.
    pub containers: Vec<ContainerState>,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerState {
    /// Name.
    pub name: String,
    /// Whether it is an init container (native sidecars included).
    pub init: bool,
    /// Digest of its image, when the node says so.
    pub image_id: Option<String>,
    /// How it stands.
    pub state: Lifecycle,
    /// How it ended before it was restarted.
    pub last: Option<Terminated>,
    /// How often it was restarted.
    pub restarts: i32,
}

/// How a container stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Lifecycle {
    /// Not started.
    Waiting {
        /// One word.
        reason: String,
        /// In words.
        message: String,
    },
    /// Running.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Ended.
    Terminated(Terminated),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Terminated {
    /// Exit code.
    pub exit_code: i32,
    /// One word, e.g. `OOMKilled`.
    pub reason: String,
    /// Termination message, or its last lines.
    pub message: String,
    /// When.
    pub finished: Option<Timestamp>,
}

impl PodState {
    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// UID of the owner.
    pub fn owner(&self) -> Option<&str> {
        self.label(LABEL_OWNER)
    }

    /// Whether its node has had [`LOST`] to end it and has not: nobody hears of that node any more.
    pub fn lost(&self, now: Timestamp) -> bool {
        self.gone_by
            .is_some_and(|gone_by| time::between(gone_by, now) >= LOST)
    }

    /// When something last moved in it that is over: it was placed, or a container ended.
    pub fn moved(&self) -> Option<Timestamp> {
        let ends = self.containers.iter().filter_map(|container| {
            let last = container.terminated().or(container.last.as_ref())?;
            last.finished
        });
        ends.chain(self.placed).max()
    }

    /// A container by name.
    pub fn container(&self, name: &str) -> Option<&ContainerState> {
        self.containers
            .iter()
            .find(|container| container.name == name)
    }
}

impl ContainerState {
    /// How it ended, if it did.
    pub fn terminated(&self) -> Option<&Terminated> {
        match &self.state {
            Lifecycle::Terminated(end) => Some(end),
            _ => None,
        }
    }
}

impl From<&Pod> for PodState {
    fn from(pod: &Pod) -> Self {
        let meta = &pod.metadata;
        let status = pod.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let condition = |kind: &str| conditions.iter().find(|c| c.type_ == kind);
        let statuses = |list: Option<Vec<ContainerStatus>>, init| {
            list.unwrap_or_default()
                .into_iter()
                .map(move |status| container(status, init))
        };
        let containers = statuses(status.init_container_statuses, true)
            .chain(statuses(status.container_statuses, false))
            .collect();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            labels: labels(meta),
            ip: status.pod_ip,
            phase: status.phase.unwrap_or_default(),
            reason: status.reason,
            message: status.message,
            ready: condition("Ready").is_some_and(|c| c.status == "True"),
            unschedulable: condition("PodScheduled")
                .filter(|c| c.status == "False" && c.reason.as_deref() == Some("Unschedulable"))
                .map(|c| c.message.clone().unwrap_or_default()),
            disrupted: condition("DisruptionTarget")
                .filter(|c| c.status == "True")
                .map(|c| c.reason.clone().unwrap_or_default()),
            deleting: meta.deletion_timestamp.is_some(),
            gone_by: meta.deletion_timestamp.as_ref().map(|time| time.0),
            placed: ["PodScheduled", "Initialized"]
                .into_iter()
                .filter_map(|kind| condition(kind).filter(|c| c.status == "True"))
                .filter_map(|c| c.last_transition_time.as_ref().map(|time| time.0))
                .max(),
            containers,
        }
    }
}

fn container(status: ContainerStatus, init: bool) -> ContainerState {
    let terminated = |end: k8s_openapi::api::core::v1::ContainerStateTerminated| Terminated {
        exit_code: end.exit_code,
        reason: end.reason.unwrap_or_default(),
        message: end.message.unwrap_or_default(),
        finished: end.finished_at.map(|time| time.0),
    };
    let state = status.state.unwrap_or_default();
    let lifecycle = if let Some(end) = state.terminated {
        Lifecycle::Terminated(terminated(end))
    } else if let Some(running) = state.running {
        Lifecycle::Running {
            since: running.started_at.map(|time| time.0),
        }
    } else {
        let waiting = state.waiting.unwrap_or_default();
        Lifecycle::Waiting {
            reason: waiting.reason.unwrap_or_default(),
            message: waiting.message.unwrap_or_default(),
        }
    };
    ContainerState {
        name: status.name,
        init,
        image_id: Some(status.image_id).filter(|id| !id.is_empty()),
        state: lifecycle,
        last: status
            .last_state
            .and_then(|last| last.terminated)
            .map(terminated),
        restarts: status.restart_count,
    }
}

/// An apps/v1 Deployment of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentState {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations of ours.
    pub annotations: BTreeMap<String, String>,
    /// Whether its controller has seen its newest spec.
    pub observed: bool,
    /// Pods asked for.
    pub replicas: i32,
    /// Pods made from the newest template.
    pub updated: i32,
    /// Pods, old ones included.
    pub total: i32,
    /// Pods that serve.
    pub available: i32,
    /// Why pods could not be created, in the API server's words.
    pub refused: Option<String>,
}

impl DeploymentState {
    /// Whether all pods are new and serve, and no old one is left.
    pub fn complete(&self) -> bool {
        self.observed
            && self.updated == self.replicas
            && self.total == self.replicas
            && self.available == self.replicas
    }
}

impl From<&Deployment> for DeploymentState {
    fn from(deployment: &Deployment) -> Self {
        let meta = &deployment.metadata;
        let status = deployment.status.clone().unwrap_or_default();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            labels: labels(meta),
            annotations: meta
                .annotations
                .clone()
                .unwrap_or_default()
                .into_iter()
                .filter(|(key, _)| key.starts_with("millwright.dev/"))
                .collect(),
            observed: status.observed_generation >= meta.generation,
            replicas: deployment
                .spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .unwrap_or(1),
            updated: status.updated_replicas.unwrap_or(0),
            total: status.replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            refused: status
                .conditions
                .iter()
                .flatten()
                .find(|c| c.type_ == "ReplicaFailure" && c.status == "True")
                .map(|c| c.message.clone().unwrap_or_default()),
        }
    }
}
