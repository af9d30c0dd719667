use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::{LOST, Labels};
use crate::time;

/// A pod of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct PodState {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
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
        self.labels.get(key)
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
            labels: Labels::of(meta),
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
