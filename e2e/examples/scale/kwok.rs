//! KWOK, which plays the nodes: it says of pods that they run and have ended.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};
use millwright_crds::{
    LABEL_ROLE,
    wire::{
        self,
        attempt::AttemptResult,
        sync::{SyncResult, VersionRecord},
    },
};
use millwright_e2e::{
    apply, cleanup::Guard, cluster::Cluster, command::tail, machine::tool, wait::wait_for,
};
use parking_lot::Mutex;
use serde_json::json;

/// Number of nodes.
pub const NODES: usize = 60;
/// Longest time until all nodes are ready.
const READY: Duration = Duration::from_secs(60);
/// Seconds that a node's lease lasts: its renewal is what keeps a node ready.
const LEASE_SECONDS: &str = "--node-lease-duration-seconds=40";

/// A running kwok, which ends when this is dropped, or on an interrupt.
pub struct Kwok {
    _end: Guard,
}

impl Kwok {
    /// Starts it, and waits until the nodes that it plays are ready.
    ///
    /// # Errors
    /// When it ends or a node doesn't get ready; the message has the end of its log.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let program = tool("kwok");
        ensure!(
            program.exists(),
            "there is no {}: build it with hack/tools.sh kwok",
            program.display()
        );
        let config = cluster.kubeconfig().with_file_name("kwok.yaml");
        std::fs::write(&config, stages()?)?;
        let log = cluster.kubeconfig().with_file_name("kwok.log");
        let output = File::create(&log)?;
        let process = Arc::new(Mutex::new(
            Command::new(program)
                .arg("--config")
                .arg(&config)
                .arg("--kubeconfig")
                .arg(cluster.kubeconfig())
                .args(["--manage-all-nodes", LEASE_SECONDS])
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .spawn()
                .context("kwok can't be started")?,
        ));
        let ending = process.clone();
        let kwok = Self {
            _end: Guard::new(move || end(&mut ending.lock())),
        };
        let nodes: Vec<_> = (0..NODES).map(node).collect();
        apply::apply(cluster.client(), "", &nodes).await?;
        let api = Api::<Node>::all(cluster.client().clone());
        let ready = async || {
            if let Some(status) = process.lock().try_wait()? {
                anyhow::bail!("kwok ended with {status}");
            }
            let list = api.list(&ListParams::default()).await?;
            Ok((list.iter().filter(|node| is_ready(node)).count() == NODES).then_some(()))
        };
        let explain = async || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            tail(&text, 20)
        };
        wait_for("all nodes are ready", READY, ready, explain).await?;
        Ok(kwok)
    }
}

fn end(process: &mut Child) {
    // It may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
}

fn node(number: usize) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("fake-{number}")}})
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().filter_map(|s| s.conditions.as_ref());
    conditions
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The stages: those of all pods, and how those of plain Jobs, of training and of syncs end.
fn stages() -> Result<String> {
    let end = |role: &str, operator: &str, message: &[u8]| {
        let values = if operator == "In" {
            format!(", values: [{role}]")
        } else {
            String::new()
        };
        let selector =
            format!("{{key: '.metadata.labels[\"{LABEL_ROLE}\"]', operator: {operator}{values}}}");
        let message = String::from_utf8_lossy(message);
        include_str!("end.yaml")
            .replace("pod-ends-ROLE", &format!("pod-ends-{role}"))
            .replace("SELECTOR", &selector)
            .replace("MESSAGE", &format!("'{message}'"))
    };
    let documents = [
        include_str!("stages.yaml").to_owned(),
        end("plain", "DoesNotExist", b""),
        end("training", "In", &wire::write(&trained())?),
        end("sync", "In", &wire::write(&found())?),
    ];
    Ok(documents.join("---\n"))
}

/// What a trainer's agent says.
fn trained() -> AttemptResult {
    AttemptResult {
        v: 1,
        digest: digest(),
        files: 3,
        bytes: 1_000_000,
        metrics: [("mae".to_owned(), 9.5), ("rmse".to_owned(), 14.25)].into(),
        key: "runs/a/1/result.json".into(),
        profile: None,
    }
}

/// What a sync says that found one version.
fn found() -> SyncResult {
    SyncResult {
        v: 1,
        version: VersionRecord {
            number: 1,
            digest: digest(),
            rows: 10_000,
            files: 1,
            bytes: 1_000_000,
            created_at: "2026-01-02T03:04:05Z".into(),
            failed: vec![],
        },
        current: Some("v1".into()),
        unchanged: false,
        profile: None,
        columns: vec![],
        column_count: 0,
    }
}

fn digest() -> String {
    format!("sha256:{}", "ab".repeat(32))
}
