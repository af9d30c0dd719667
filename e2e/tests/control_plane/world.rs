//! What the tests share.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::ListParams,
    core::{ApiResource, GroupVersionKind},
};
use millwright_e2e::{
    apply,
    cluster::{Cluster, Parts},
    machine,
    operator::Operator,
    scene::Scene,
    suite::Lazy,
    wait::wait_for,
};
use serde_json::Value;

/// Longest time until the API server serves the kinds.
const ESTABLISHED: Duration = Duration::from_secs(90);

/// Made when the first test needs it.
#[derive(Default)]
pub struct World {
    bare: Lazy<Cluster>,
    managed: Lazy<Managed>,
    faults: Lazy<Cluster>,
    still: Lazy<Managed>,
}

/// A cluster with controllers, the operator among them.
pub struct Managed {
    /// The operator, a process of this machine. It ends before its cluster does.
    pub operator: Arc<Operator>,
    /// The cluster. It has an audit log.
    pub cluster: Cluster,
}

impl World {
    /// A cluster with the kinds and without any controller: nothing but the tests changes an object.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn bare(&self) -> Result<&Cluster> {
        let make = async || {
            let cluster = Cluster::up("bare", Parts::default()).await?;
            install_kinds(&cluster).await?;
            cluster.stop_component("controller-manager").await?;
            Ok(cluster)
        };
        self.bare.get(make).await
    }

    /// A cluster with all controllers and without a node and an operator: tests bring operators of
    /// their own, one for a namespace.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn faults(&self) -> Result<&Cluster> {
        let make = async || {
            let parts = Parts {
                audit: true,
                node: false,
            };
            let cluster = Cluster::up("faults", parts).await?;
            install_kinds(&cluster).await?;
            // It would say of each pod that no node has room, while the tests say that it runs.
            cluster.stop_component("scheduler").await?;
            Ok(cluster)
        };
        self.faults.get(make).await
    }

    /// A cluster with the operator and no other controller: its Jobs and Deployments stay as it has
    /// written them.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn still(&self) -> Result<&Managed> {
        let make = async || {
            let parts = Parts {
                audit: true,
                node: false,
            };
            let cluster = Cluster::up("still", parts).await?;
            install_kinds(&cluster).await?;
            for component in ["scheduler", "controller-manager"] {
                cluster.stop_component(component).await?;
            }
            let operator = Arc::new(Operator::on_host(&cluster).await?);
            Ok(Managed { operator, cluster })
        };
        self.still.get(make).await
    }

    /// A cluster with all controllers and the operator, and without a node.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn managed(&self) -> Result<&Managed> {
        let make = async || {
            let parts = Parts {
                audit: true,
                node: false,
            };
            let cluster = Cluster::up("managed", parts).await?;
            install_kinds(&cluster).await?;
            // It would say of each pod that no node has room, while the tests say that it runs.
            cluster.stop_component("scheduler").await?;
            let operator = Arc::new(Operator::on_host(&cluster).await?);
            Ok(Managed { operator, cluster })
        };
        self.managed.get(make).await
    }
}

/// A namespace of the cluster with the operator.
///
/// # Errors
/// When it can't be made.
pub async fn scene(world: &World, namespace: &str) -> Result<Scene> {
    let managed = world.managed().await?;
    let operator = Some(managed.operator.clone());
    Scene::new(managed.cluster.client(), namespace, operator).await
}

/// A kind of ours, for objects of any kind.
pub fn resource(kind: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk("millwright.dev", "v1alpha1", kind);
    let plural = match kind {
        "RetrainPolicy" => "retrainpolicies".into(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    ApiResource::from_gvk_with_plural(&gvk, &plural)
}

/// The CRDs of the chart, as documents.
///
/// # Errors
/// When they can't be read.
pub fn crds() -> Result<Vec<Value>> {
    let folder = machine::repository().join("charts/millwright/files/crds");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let mut documents = vec![];
    for path in paths {
        documents.extend(apply::read(&path)?);
    }
    ensure!(!documents.is_empty(), "{} has no CRDs", folder.display());
    Ok(documents)
}

/// Installs the kinds, and returns when the API server serves them.
///
/// # Errors
/// When it doesn't.
pub async fn install_kinds(cluster: &Cluster) -> Result<()> {
    let documents = crds()?;
    apply::apply(cluster.client(), "", &documents).await?;
    let api = Api::<CustomResourceDefinition>::all(cluster.client().clone());
    let established = async || {
        let list = api.list(&ListParams::default()).await?;
        let missing: Vec<_> = list.iter().filter(|crd| !is_established(crd)).collect();
        Ok(missing.is_empty().then_some(()))
    };
    let what = "the API server serves the kinds";
    wait_for(what, ESTABLISHED, established, async || String::new()).await
}

fn is_established(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.iter().flat_map(|status| &status.conditions);
    conditions
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}
