//! Many objects at rest, and a restart of the operator over them.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{Api, ResourceExt, api::ListParams};
use millwright_crds::{
    Dataset, Model, ModelDeployment, ModelVersion, TrainingJob, dataset::DatasetPhase,
};
use millwright_e2e::{audit::Request, scene::Kind as Namespaced, wait::wait_for};
use serde_json::{Value, json};

use crate::{
    bed::Bed,
    process,
    storm::{MODELS, model},
};

/// Datasets of the fleet, each with a version that a sync has found.
const DATASETS: usize = 450;
/// Longest time until all objects of the fleet are where they should be.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the operator is watched doing nothing.
pub const IDLE: Duration = Duration::from_secs(60);
/// Restarts over the fleet.
const RESTARTS: usize = 3;

/// What was measured with a fleet at rest.
pub struct Fleet {
    /// How many objects of each kind there are.
    pub objects: Vec<(&'static str, usize)>,
    /// Memory after [`IDLE`], in MiB.
    pub memory: f64,
    /// Of it the program's code, in MiB.
    pub code: f64,
    /// What the operator asked for in that time.
    pub requests: Vec<Request>,
    /// The restarts.
    pub restarts: Vec<Restart>,
}

/// What was measured of a restart.
pub struct Restart {
    /// Seconds from the start of the process until it was ready.
    pub ready: f64,
    /// Seconds from the start of the process to the end of its last pass.
    pub quiet: f64,
    /// Memory when it was quiet, in MiB.
    pub memory: f64,
    /// Most memory until it was quiet, in MiB.
    pub peak: f64,
    /// What it asked for until it was quiet.
    pub requests: Vec<Request>,
}

/// Adds Datasets and ModelDeployments to what the storms have left in a namespace.
///
/// # Errors
/// When they don't get where they should be.
pub async fn fill(bed: &Bed, namespace: &str) -> Result<()> {
    create::<Dataset>(bed, namespace, DATASETS, dataset).await?;
    create::<ModelDeployment>(bed, namespace, MODELS, deployment).await?;
    all::<Dataset>(bed, namespace, "all Datasets are ready", |dataset| {
        let status = dataset.status.as_ref();
        status.is_some_and(|status| status.phase == DatasetPhase::Ready)
    })
    .await?;
    all::<ModelDeployment>(bed, namespace, "all ModelDeployments serve", |deployment| {
        let stages = deployment.status.iter().flat_map(|status| &status.stages);
        let mut serving = stages.filter(|stage| stage.current.is_some());
        serving.next().is_some()
    })
    .await?;
    bed.rest().await.map(drop)
}

/// Watches the operator do nothing, then restarts it.
///
/// # Errors
/// When it doesn't get ready.
pub async fn measure(bed: &mut Bed) -> Result<Fleet> {
    let audit = bed.audit()?;
    tokio::time::sleep(IDLE).await;
    let mut fleet = Fleet {
        objects: vec![
            ("TrainingJob", count::<TrainingJob>(bed).await?),
            ("ModelVersion", count::<ModelVersion>(bed).await?),
            ("Dataset", count::<Dataset>(bed).await?),
            ("Model", count::<Model>(bed).await?),
            ("ModelDeployment", count::<ModelDeployment>(bed).await?),
        ],
        memory: process::memory(bed.pid()?)?,
        code: process::code(bed.pid()?)?,
        requests: audit.of_user(bed.operator()?.user())?,
        restarts: vec![],
    };
    for _ in 0..RESTARTS {
        fleet.restarts.push(restart(bed).await?);
    }
    Ok(fleet)
}

async fn restart(bed: &mut Bed) -> Result<Restart> {
    bed.stop_operator();
    let audit = bed.audit()?;
    bed.start_operator().await?;
    let pid = bed.pid()?;
    let ready = process::age(pid)?;
    let last = bed.rest().await?;
    let quiet = process::age(pid)?.saturating_sub(last.elapsed());
    Ok(Restart {
        ready: ready.as_secs_f64(),
        quiet: quiet.as_secs_f64(),
        memory: process::memory(pid)?,
        peak: process::peak(pid)?,
        requests: audit.of_user(bed.operator()?.user())?,
    })
}

async fn create<K: Namespaced>(
    bed: &Bed,
    namespace: &str,
    count: usize,
    manifest: fn(usize) -> Value,
) -> Result<()> {
    let api = Api::<K>::namespaced(bed.cluster.client().clone(), namespace);
    stream::iter(0..count)
        .map(|number| {
            let object = serde_json::from_value::<K>(manifest(number));
            let api = &api;
            async move { anyhow::Ok(api.create(&Default::default(), &object?).await.map(drop)?) }
        })
        .buffer_unordered(16)
        .try_collect()
        .await
}

async fn all<K: Namespaced>(
    bed: &Bed,
    namespace: &str,
    what: &str,
    is_there: impl Fn(&K) -> bool,
) -> Result<()> {
    let api = Api::<K>::namespaced(bed.cluster.client().clone(), namespace);
    let look = async || {
        // From the API server's memory: looking costs etcd nothing.
        let list = api.list(&ListParams::default().match_any()).await?;
        let missing: Vec<_> = list.iter().filter(|object| !is_there(object)).collect();
        if let Some(first) = missing.first() {
            anyhow::bail!("{} are not, {} among them", missing.len(), first.name_any());
        }
        Ok(Some(()))
    };
    wait_for(what, PATIENCE, look, async || String::new()).await
}

async fn count<K: Namespaced>(bed: &Bed) -> Result<usize> {
    let list = Api::<K>::all(bed.cluster.client().clone())
        .list_metadata(&ListParams::default().match_any())
        .await?;
    ensure!(!list.items.is_empty(), "there is no {}", K::kind(&()));
    Ok(list.items.len())
}

fn dataset(number: usize) -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "Dataset",
        "metadata": {"name": format!("data-{number}")},
        "spec": {"source": {"uri": "https://example.org/data.csv"}, "format": {"type": "Csv"}},
    })
}

fn deployment(number: usize) -> Value {
    let server = json!({"name": "server", "image": "example/server:1"});
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "ModelDeployment",
        "metadata": {"name": model(number)},
        "spec": {
            "model": {"name": model(number), "track": "Latest"},
            "server": {"template": {"spec": {"containers": [server]}}},
            "stages": [{"name": "production"}],
        },
    })
}
