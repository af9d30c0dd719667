//! Playing the kubelet: what it would write to the status of a pod.

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::{
    api::core::v1::{Container, Pod},
    jiff::Timestamp,
};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use millwright_crds::{LABEL_ATTEMPT, LABEL_OWNER, LABEL_ROLE, LABEL_STAGE};
use millwright_e2e::scene::Scene;
use serde::Serialize;
use serde_json::{Value, json};

/// Longest time until the Job controller has made a pod.
const CREATED: Duration = Duration::from_secs(60);

/// Plays the kubelet in a namespace.
pub struct Kubelet<'a>(pub &'a Scene);

/// How the main container of a pod ends.
pub struct End {
    /// Its exit code.
    pub code: i32,
    /// The kubelet's word for it.
    pub reason: &'static str,
    /// Its termination message.
    pub message: String,
}

impl End {
    /// It ends well and says this.
    pub fn well(message: &impl Serialize) -> Result<Self> {
        Ok(Self {
            code: 0,
            reason: "Completed",
            message: serde_json::to_string(message)?,
        })
    }

    /// It ends well, and what it says was cut off.
    pub fn silently() -> Self {
        Self {
            code: 0,
            reason: "Completed",
            message: String::new(),
        }
    }

    /// It ends with an error.
    pub fn badly(code: i32, message: &str) -> Self {
        Self {
            code,
            reason: "Error",
            message: message.into(),
        }
    }
}

impl Kubelet<'_> {
    /// Waits for the pod of an owner with this role and attempt.
    ///
    /// # Errors
    /// When the Job controller makes none.
    pub async fn pod(&self, owner: &str, role: &str, attempt: u32) -> Result<Pod> {
        let labels = format!("{LABEL_OWNER}={owner},{LABEL_ROLE}={role},{LABEL_ATTEMPT}={attempt}");
        let params = ListParams::default().labels(&labels);
        let api = self.0.api::<Pod>();
        let what = format!("the pod of {role} {attempt} is made");
        let found = async || Ok(api.list(&params).await?.items.pop());
        self.0.wait_until(&what, CREATED, found).await
    }

    /// Waits for the pod of a stage.
    ///
    /// # Errors
    /// When the Deployment controller makes none.
    pub async fn server(&self, owner: &str, stage: &str) -> Result<Pod> {
        let labels = format!("{LABEL_OWNER}={owner},{LABEL_ROLE}=serving,{LABEL_STAGE}={stage}");
        let params = ListParams::default().labels(&labels);
        let api = self.0.api::<Pod>();
        let what = format!("a pod of stage {stage} is made");
        let found = async || Ok(api.list(&params).await?.items.pop());
        self.0.wait_until(&what, CREATED, found).await
    }

    /// The scheduler finds no place for the pod.
    ///
    /// # Errors
    /// When the status is refused.
    pub async fn has_no_place(&self, pod: &Pod, message: &str) -> Result<()> {
        let status = json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": message, "lastTransitionTime": Timestamp::now(),
        }]});
        self.write(pod, &status).await
    }

    /// The main container can't be started.
    ///
    /// # Errors
    /// When the status is refused.
    pub async fn can_not_start(&self, pod: &Pod, reason: &str, message: &str) -> Result<()> {
        let waiting = json!({"waiting": {"reason": reason, "message": message}});
        let status = json!({
            "phase": "Pending",
            "containerStatuses": containers(pod, false, |_| waiting.clone()),
        });
        self.write(pod, &status).await
    }

    /// All containers run and are ready.
    ///
    /// # Errors
    /// When the status is refused.
    pub async fn serves(&self, pod: &Pod) -> Result<()> {
        self.starts(pod).await?;
        let now = Timestamp::now();
        let is_true =
            |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
        let conditions = json!([is_true("ContainersReady"), is_true("Ready")]);
        self.write(pod, &json!({"conditions": conditions})).await
    }

    /// All containers run.
    ///
    /// # Errors
    /// When the status is refused.
    pub async fn starts(&self, pod: &Pod) -> Result<()> {
        let now = Timestamp::now();
        let running = json!({"running": {"startedAt": now}});
        let status = json!({
            "phase": "Running", "startTime": now,
            "initContainerStatuses": containers(pod, true, |container| {
                if is_sidecar(container) { running.clone() } else { ended(0, "Completed", "") }
            }),
            "containerStatuses": containers(pod, false, |_| running.clone()),
        });
        self.write(pod, &status).await
    }

    /// As [`Self::serves`], at this address of the pod.
    ///
    /// # Errors
    /// When the status is refused.
    pub async fn serves_at(&self, pod: &Pod, address: &str) -> Result<()> {
        let addresses = json!({"podIP": address, "podIPs": [{"ip": address}]});
        self.write(pod, &addresses).await?;
        self.serves(pod).await
    }

    /// The main container ends, and with it the pod.
    ///
    /// # Errors
    /// When the status is refused.
    pub async fn ends(&self, pod: &Pod, end: &End) -> Result<()> {
        let phase = if end.code == 0 { "Succeeded" } else { "Failed" };
        let last = ended(end.code, end.reason, &end.message);
        let status = json!({
            "phase": phase,
            "initContainerStatuses": containers(pod, true, |_| ended(0, "Completed", "")),
            "containerStatuses": containers(pod, false, |_| last.clone()),
        });
        self.write(pod, &status).await
    }

    /// The pod that looks into the artifact store for what an attempt left finds nothing there.
    ///
    /// # Errors
    /// When there is no such pod, or its status is refused.
    pub async fn finds_nothing(&self, owner: &str, attempt: u32) -> Result<()> {
        let pod = self.pod(owner, "collect", attempt).await?;
        let nothing = json!({"v": 1, "reason": "PublishFailed", "message": "no result"});
        let code = millwright_crds::wire::contract::exit::UNAVAILABLE;
        self.ends(&pod, &End::badly(code, &nothing.to_string()))
            .await
    }

    /// The node takes the pod away before it is done.
    ///
    /// # Errors
    /// When the status is refused.
    pub async fn evicts(&self, pod: &Pod) -> Result<()> {
        let status = json!({
            "phase": "Failed", "reason": "Evicted", "message": "The node was low on memory.",
            "conditions": [{
                "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet",
                "lastTransitionTime": Timestamp::now(),
            }],
            "initContainerStatuses": containers(pod, true, |_| ended(0, "Completed", "")),
            "containerStatuses": containers(pod, false, |_| ended(137, "Error", "")),
        });
        self.write(pod, &status).await
    }

    async fn write(&self, pod: &Pod, status: &Value) -> Result<()> {
        let patch = Patch::Merge(json!({"status": status}));
        self.0
            .api::<Pod>()
            .patch_status(&pod.name_any(), &PatchParams::default(), &patch)
            .await
            .map(drop)
            .with_context(|| format!("write the status of pod {}", pod.name_any()))
    }
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn ended(code: i32, reason: &str, message: &str) -> Value {
    let now = Timestamp::now();
    json!({"terminated": {
        "exitCode": code, "reason": reason, "message": message, "startedAt": now, "finishedAt": now,
    }})
}

fn containers(pod: &Pod, init: bool, state: impl Fn(&Container) -> Value) -> Vec<Value> {
    let Some(spec) = &pod.spec else { return vec![] };
    let list = if init {
        spec.init_containers.as_deref().unwrap_or_default()
    } else {
        &spec.containers
    };
    let status = |container: &Container| {
        let state = state(container);
        let runs = state.get("running").is_some();
        json!({
            "name": container.name, "image": container.image, "imageID": "example@sha256:00",
            "restartCount": 0, "ready": runs, "started": runs, "state": state,
        })
    };
    list.iter().map(status).collect()
}
