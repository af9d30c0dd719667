//! Many jobs at once.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};
use millwright_crds::{Model, ModelSpec, TrainingJob, training_job::TrainingJobPhase};
use millwright_e2e::{audit::Request, scene::Kind as Namespaced};
use serde_json::{Value, json};

use crate::{bed::Bed, process};

/// Jobs of a storm.
pub const JOBS: usize = 500;
/// Requests of its client in flight.
const IN_FLIGHT: usize = 16;
/// Models that runs register with, where they do.
pub const MODELS: usize = 50;
/// Longest time of a storm.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a storm is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// batch/v1 Jobs, with nothing but Kubernetes at work.
    Plain,
    /// batch/v1 Jobs with the pods of TrainingJobs: the agent's containers, volumes, the claim.
    SamePod,
    /// TrainingJobs that register nothing.
    Training,
    /// TrainingJobs that register versions of [`MODELS`] models.
    Registered,
}

impl Kind {
    /// All, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Plain, Self::SamePod, Self::Training, Self::Registered];

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain batch/v1 Job",
            Self::SamePod => "the same with a TrainingJob's pod",
            Self::Training => "TrainingJob, nothing registered",
            Self::Registered => "TrainingJob, ModelVersion registered",
        }
    }

    /// Whether Kubernetes alone works on it.
    pub fn is_job(self) -> bool {
        matches!(self, Self::Plain | Self::SamePod)
    }

    fn manifest(self, prefix: &str, number: usize) -> Value {
        let container = json!({
            "name": "trainer", "image": "example/trainer:1", "command": ["train"],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        });
        let name = format!("{prefix}-{number}");
        let mut spec = json!({"template": {"spec": {"containers": [container]}}});
        match self {
            Self::Plain | Self::SamePod => {
                spec["backoffLimit"] = json!(0);
                spec["template"]["spec"]["restartPolicy"] = json!("Never");
                let meta = json!({"name": name});
                return json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec});
            }
            Self::Registered => spec["model"] = json!(model(number % MODELS)),
            Self::Training => {}
        }
        json!({
            "apiVersion": "millwright.dev/v1alpha1", "kind": "TrainingJob",
            "metadata": {"name": name}, "spec": spec,
        })
    }
}

/// What was measured of a storm.
pub struct Storm {
    /// What it was of.
    pub kind: Kind,
    /// Seconds from the first request to the last pod.
    pub last_pod: f64,
    /// Seconds from the first request until all have ended well.
    pub last_complete: f64,
    /// Most memory of the operator, in MiB.
    pub memory: f64,
    /// CPU time of the operator for a job, in ms.
    pub operator_cpu: f64,
    /// CPU time of etcd, API server, controllers, scheduler and kwok for a job, in ms.
    pub cluster_cpu: BTreeMap<String, f64>,
    /// What the operator asked for.
    pub requests: Vec<Request>,
}

/// Makes all jobs in a namespace, after a first one that makes what all find: the claim.
///
/// # Errors
/// When they don't all end well in time.
pub async fn run(bed: &Bed, kind: Kind, namespace: &str) -> Result<Storm> {
    bed.namespace(namespace).await?;
    if kind == Kind::Registered {
        let api = Api::<Model>::namespaced(bed.cluster.client().clone(), namespace);
        for number in 0..MODELS {
            let model = Model::new(&model(number), ModelSpec::default());
            api.create(&PostParams::default(), &model).await?;
        }
    }
    let mut template = None;
    if kind == Kind::SamePod {
        create(bed, Kind::Training, namespace, "model", 1, None).await?;
        let jobs = Api::<Job>::namespaced(bed.cluster.client().clone(), namespace);
        let job = jobs.get("model-0-1").await?;
        let pod = job.spec.and_then(|spec| spec.template.spec);
        template = Some(json!({"spec": pod}));
    }
    let template = template.as_ref();
    create(bed, kind, namespace, "first", 1, template).await?;
    bed.rest().await?;
    let pid = bed.pid()?;
    process::forget_peak(pid)?;
    let audit = bed.audit()?;
    let (operator_cpu, cluster_cpu) = (process::cpu(pid)?, bed.cluster_cpu()?);
    let (last_pod, last_complete) = create(bed, kind, namespace, "run", JOBS, template).await?;
    bed.rest().await?;
    let for_one = |spent: Duration| spent.as_secs_f64() * 1_000.0 / JOBS as f64;
    let before = |name: &String| cluster_cpu.get(name).copied().unwrap_or_default();
    let cluster_cpu = bed
        .cluster_cpu()?
        .into_iter()
        .map(|(name, after)| {
            let spent = after.saturating_sub(before(&name));
            (name, for_one(spent))
        })
        .collect();
    Ok(Storm {
        kind,
        last_pod,
        last_complete,
        memory: process::peak(pid)?,
        operator_cpu: for_one(process::cpu(pid)?.saturating_sub(operator_cpu)),
        cluster_cpu,
        requests: audit.of_user(bed.operator()?.user())?,
    })
}

/// Creates jobs and says after how many seconds the last pod was there and the last job had ended.
async fn create(
    bed: &Bed,
    kind: Kind,
    namespace: &str,
    prefix: &'static str,
    count: usize,
    template: Option<&Value>,
) -> Result<(f64, f64)> {
    let (client, owned) = (bed.cluster.client(), namespace.to_owned());
    let pods = last::<Pod>(client.clone(), owned.clone(), prefix, count, |_| Ok(true));
    let ends = match kind.is_job() {
        true => last(client.clone(), owned, prefix, count, job_has_ended).boxed(),
        false => last(client.clone(), owned, prefix, count, run_has_ended).boxed(),
    };
    let start = Instant::now();
    let manifest = |number| {
        let mut manifest = kind.manifest(prefix, number);
        if let Some(template) = template {
            manifest["spec"]["template"] = template.clone();
        }
        manifest
    };
    let sent = match kind.is_job() {
        true => send::<Job>(client, namespace, count, &manifest).boxed(),
        false => send::<TrainingJob>(client, namespace, count, &manifest).boxed(),
    };
    let all = async { tokio::try_join!(sent, pods, ends) };
    let ((), last_pod, last_end) = tokio::time::timeout(PATIENCE, all)
        .await
        .with_context(|| format!("{kind:?}: not over after {} s", PATIENCE.as_secs()))??;
    let seconds = |at: Instant| at.duration_since(start).as_secs_f64();
    Ok((seconds(last_pod), seconds(last_end)))
}

async fn send<K: Namespaced>(
    client: &Client,
    namespace: &str,
    count: usize,
    manifest: &(impl Fn(usize) -> Value + Sync),
) -> Result<()> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    stream::iter(0..count)
        .map(|number| {
            let object = serde_json::from_value::<K>(manifest(number));
            let api = &api;
            async move {
                anyhow::Ok(
                    api.create(&PostParams::default(), &object?)
                        .await
                        .map(drop)?,
                )
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

/// When the last of `count` objects whose names begin with `prefix` had got where it should.
async fn last<K: Namespaced + Send + 'static>(
    client: Client,
    namespace: String,
    prefix: &'static str,
    count: usize,
    is_there: fn(&K) -> Result<bool>,
) -> Result<Instant> {
    let api = Api::<K>::namespaced(client, &namespace);
    let mut objects = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .boxed();
    let mut there = HashSet::new();
    while let Some(object) = objects.try_next().await? {
        let name = object.name_any();
        if name.starts_with(prefix)
            && is_there(&object)?
            && there.insert(name)
            && there.len() == count
        {
            return Ok(Instant::now());
        }
    }
    bail!("the watch has ended")
}

fn job_has_ended(job: &Job) -> Result<bool> {
    let conditions = job.status.iter().filter_map(|s| s.conditions.as_ref());
    let is = |kind: &str| {
        let mut all = conditions.clone().flatten();
        all.any(|condition| condition.type_ == kind && condition.status == "True")
    };
    ensure!(!is("Failed"), "Job {} failed", job.name_any());
    Ok(is("Complete"))
}

fn run_has_ended(run: &TrainingJob) -> Result<bool> {
    let status = run.status.clone().unwrap_or_default();
    ensure!(
        status.phase != TrainingJobPhase::Failed,
        "TrainingJob {} failed: {:?}",
        run.name_any(),
        status.failure
    );
    Ok(status.phase == TrainingJobPhase::Succeeded)
}

/// Name of a model.
pub fn model(number: usize) -> String {
    format!("model-{number}")
}
