//! The kubelet of a namespace: every pod of the loop runs as soon as there is one, and ends well.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    core::object::HasStatus,
    runtime::{WatchStreamExt, watcher},
};
use millwright_crds::{
    Dataset, LABEL_ATTEMPT, LABEL_KIND, LABEL_NAME, LABEL_ROLE, LABEL_STAGE, TrainingJob,
    dataset::DatasetPhase,
    training_job::TrainingJobPhase,
    wire::{attempt::AttemptResult, evaluation::EvaluationReport},
};
use millwright_e2e::scene::Scene;
use millwright_plan::model_deployment::LABEL_VERSION;
use parking_lot::Mutex;

use super::{gateway::Gateway, story::FIRST};
use crate::{
    kubelet::{End, Kubelet},
    operator::data::found,
};

/// Longest time until the operator says that a pod runs.
const SEEN: Duration = Duration::from_secs(60);

/// The kubelet of a namespace, and the gateways of its pods.
#[derive(Default)]
pub struct Node(Mutex<Played>);

#[derive(Default)]
struct Played {
    /// How often a pod was started for the same.
    started: BTreeMap<String, usize>,
    /// The newest gateway of each stage.
    gateways: BTreeMap<String, Gateway>,
    /// Gateways of pods that another has followed: a request may be under way.
    old: Vec<Gateway>,
}

impl Node {
    /// Address of the newest gateway of a stage.
    ///
    /// # Errors
    /// When there is none.
    pub fn gateway(&self, stage: &str) -> Result<String> {
        let played = self.0.lock();
        let gateway = played.gateways.get(stage);
        let gateway = gateway.with_context(|| format!("no gateway runs in stage {stage}"))?;
        Ok(gateway.address().to_owned())
    }

    /// What was started, and how often; names without the hashes in them.
    ///
    /// # Errors
    /// When the pattern is wrong.
    pub fn started(&self) -> Result<BTreeMap<String, usize>> {
        let hash = regex::Regex::new(r"\b[0-9a-f]{8}\b")?;
        let started = self.0.lock().started.clone().into_iter();
        let named = started.map(|(name, times)| (hash.replace_all(&name, "HASH").into(), times));
        Ok(named.collect())
    }

    /// Plays until it is dropped.
    ///
    /// # Errors
    /// When a pod can't be played.
    pub async fn run(&self, scene: &Scene) -> Result<Infallible> {
        let config = watcher::Config::default().labels(LABEL_KIND);
        let pods = watcher(scene.api::<Pod>(), config).default_backoff();
        let mut pods = std::pin::pin!(pods.applied_objects());
        let (mut known, mut plays) = (BTreeSet::new(), FuturesUnordered::new());
        loop {
            tokio::select! {
                pod = pods.next() => {
                    // A watch that breaks begins anew by itself.
                    let Ok(pod) = pod.context("the watch of pods has ended")? else { continue };
                    if known.insert(pod.uid()) && pod.metadata.deletion_timestamp.is_none() {
                        plays.push(self.play(scene, pod));
                    }
                }
                Some(played) = plays.next() => played?,
            }
        }
    }

    async fn play(&self, scene: &Scene, pod: Pod) -> Result<()> {
        let label = |key: &str| pod.labels().get(key).cloned().unwrap_or_default();
        let (role, owner) = (label(LABEL_ROLE), label(LABEL_NAME));
        let stage = label(LABEL_STAGE);
        let version = label(LABEL_VERSION);
        let what = [&role, &owner, &label(LABEL_ATTEMPT), &stage, &version];
        let what = what.map(String::as_str).join(" ");
        *self.0.lock().started.entry(what).or_default() += 1;
        let kubelet = Kubelet(scene);
        if role == "serving" {
            let gateway = Gateway::start(&pod).await?;
            let address = gateway.address().to_owned();
            {
                let mut played = self.0.lock();
                let old = played.gateways.insert(stage, gateway);
                played.old.extend(old);
            }
            return kubelet.serves_at(&pod, &address).await;
        }
        kubelet.starts(&pod).await?;
        // A kubelet that is quicker than the operator looks would be another story each time.
        let number = if owner == FIRST { 1 } else { 2 };
        let end = match role.as_str() {
            "sync" => {
                seen::<Dataset>(scene, &owner, |s| s.phase == DatasetPhase::Syncing).await?;
                End::well(&found())?
            }
            "training" => {
                seen::<TrainingJob>(scene, &owner, |s| s.phase == TrainingJobPhase::Running)
                    .await?;
                End::well(&trained(number))?
            }
            "evaluation" => {
                seen::<TrainingJob>(scene, &owner, |s| s.phase == TrainingJobPhase::Evaluating)
                    .await?;
                End::well(&evaluated(number))?
            }
            "gate" => End::well(&"")?,
            other => bail!("the loop has no pods with the role {other}"),
        };
        kubelet.ends(&pod, &end).await
    }
}

/// Waits until the operator has said so.
async fn seen<K>(scene: &Scene, name: &str, is_right: impl Fn(&K::Status) -> bool) -> Result<()>
where
    K: millwright_e2e::scene::Kind + HasStatus,
{
    let look = |object: &K| object.status().is_some_and(&is_right).then_some(());
    scene
        .wait(name, "the operator says that its pod runs", SEEN, look)
        .await
}

fn digest(number: u32) -> String {
    format!("sha256:{}", format!("{number:02}").repeat(32))
}

fn trained(number: u32) -> AttemptResult {
    AttemptResult {
        v: 1,
        digest: digest(number),
        files: 1,
        bytes: 10,
        metrics: [("mae".to_owned(), mae(number))].into(),
        key: "runs/a/1/result.json".into(),
        profile: None,
    }
}

fn evaluated(number: u32) -> EvaluationReport {
    let champion = (number > 1).then(|| ("mae".to_owned(), mae(number - 1)));
    EvaluationReport {
        v: 1,
        candidate: [("mae".to_owned(), mae(number))].into(),
        champion: champion.into_iter().collect(),
        predictions: None,
    }
}

/// Every model is better than the one before.
fn mae(number: u32) -> f64 {
    10.0 - f64::from(number)
}
