//! What is measured on: a control plane with fake nodes and the operator.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use millwright_e2e::{
    apply::{self, refusal},
    audit::AuditLog,
    cluster::Cluster,
    http::Http,
    machine,
    operator::Operator,
    wait::wait_for,
};
use serde_json::{Value, json};

use crate::{kwok::Kwok, process};

/// Longest time until the API server serves the kinds, or a namespace is gone.
const PATIENCE: Duration = Duration::from_secs(180);
/// The operator is at rest when it has made no pass for this long.
const REST: Duration = Duration::from_secs(2);
/// Time between two looks at its count of passes.
const LOOK: Duration = Duration::from_millis(10);
/// Name of the artifact store's claim, as in the chart's default values.
const CLAIM: &str = "millwright-artifacts";

/// What is measured on. The fields end in their order: the cluster last.
pub struct Bed {
    operator: Option<Operator>,
    _kwok: Kwok,
    /// The control plane.
    pub cluster: Cluster,
}

impl Bed {
    /// Brings everything up.
    ///
    /// # Errors
    /// When a part doesn't come up.
    pub async fn up() -> Result<Self> {
        let cluster = Cluster::unthrottled("scale").await?;
        install_kinds(&cluster).await?;
        let kwok = Kwok::start(&cluster).await?;
        let operator = Operator::on_host(&cluster).await?;
        Ok(Self {
            operator: Some(operator),
            _kwok: kwok,
            cluster,
        })
    }

    /// The operator.
    ///
    /// # Errors
    /// While it is stopped.
    pub fn operator(&self) -> Result<&Operator> {
        self.operator.as_ref().context("the operator is stopped")
    }

    /// The operator's process.
    ///
    /// # Errors
    /// While it is stopped.
    pub fn pid(&self) -> Result<u32> {
        self.operator()?
            .pid()
            .context("the operator has no process")
    }

    /// Kills the operator.
    pub fn stop_operator(&mut self) {
        self.operator = None;
    }

    /// Starts the operator again.
    ///
    /// # Errors
    /// When it doesn't get ready.
    pub async fn start_operator(&mut self) -> Result<()> {
        self.operator = Some(Operator::on_host(&self.cluster).await?);
        Ok(())
    }

    /// The audit log from now on.
    ///
    /// # Errors
    /// When there is none.
    pub fn audit(&self) -> Result<AuditLog> {
        AuditLog::from_now(&self.cluster.audit_log())
    }

    /// CPU time of all that runs but the operator and this program.
    ///
    /// # Errors
    /// When a process ends meanwhile.
    pub fn cluster_cpu(&self) -> Result<BTreeMap<String, Duration>> {
        let kubeconfig = self.cluster.kubeconfig();
        let directory = kubeconfig
            .parent()
            .context("the kubeconfig has no folder")?;
        process::of_directory(directory)?
            .into_iter()
            .map(|(name, pid)| Ok((name, process::cpu(pid)?)))
            .collect()
    }

    /// A namespace with a volume for the artifact store's claim.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/nowhere"},
                "claimRef": {"namespace": name, "name": CLAIM},
            },
        });
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        apply::apply(self.cluster.client(), "", &[namespace, volume]).await?;
        Ok(())
    }

    /// Deletes a namespace and waits until nothing of it is left.
    ///
    /// # Errors
    /// When it stays.
    pub async fn clear(&self, name: &str) -> Result<()> {
        let api = Api::<Namespace>::all(self.cluster.client().clone());
        api.delete(name, &DeleteParams::background())
            .await
            .map_err(refusal)?;
        let gone = async || Ok(api.get_opt(name).await?.is_none().then_some(()));
        let what = format!("namespace {name} is gone");
        wait_for(&what, PATIENCE, gone, async || String::new()).await?;
        self.rest().await.map(drop)
    }

    /// Waits until the operator is at rest, and says when its last pass was.
    ///
    /// # Errors
    /// When it doesn't answer or never rests.
    pub async fn rest(&self) -> Result<Instant> {
        let (http, started) = (Http::default(), Instant::now());
        let (mut passes, mut last) = (self.passes(&http).await?, Instant::now());
        while last.elapsed() < REST {
            ensure!(
                started.elapsed() < PATIENCE,
                "the operator does not come to rest: {passes} passes"
            );
            tokio::time::sleep(LOOK).await;
            let now = self.passes(&http).await?;
            if now != passes {
                (passes, last) = (now, Instant::now());
            }
        }
        Ok(last)
    }

    /// Number of passes that the operator has made.
    async fn passes(&self, http: &Http) -> Result<u64> {
        let url = self
            .operator()?
            .url()
            .context("the operator has no address of this machine")?;
        let (_, text) = http.get(&format!("{url}/metrics")).await?;
        let of_line = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
        Ok(text
            .lines()
            .filter(|line| line.starts_with("millwright_reconciles_total"))
            .filter_map(of_line)
            .sum())
    }
}

async fn install_kinds(cluster: &Cluster) -> Result<()> {
    let folder = machine::repository().join("charts/millwright/files/crds");
    let mut documents: Vec<Value> = vec![];
    for entry in std::fs::read_dir(&folder)? {
        documents.extend(apply::read(&entry?.path())?);
    }
    apply::apply(cluster.client(), "", &documents).await?;
    let api = Api::<CustomResourceDefinition>::all(cluster.client().clone());
    let established = async || {
        let list = api.list(&ListParams::default()).await?;
        let served = list.iter().filter(|crd| {
            let conditions = crd.status.iter().flat_map(|status| &status.conditions);
            conditions
                .flatten()
                .any(|condition| condition.type_ == "Established" && condition.status == "True")
        });
        let names: Vec<_> = served.map(|crd| crd.name_any()).collect();
        Ok((names.len() >= documents.len()).then_some(()))
    };
    let what = "the API server serves the kinds";
    wait_for(what, PATIENCE, established, async || String::new()).await
}
