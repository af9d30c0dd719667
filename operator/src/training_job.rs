//! TrainingJobs: what is read for a plan.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use millwright_crds::{
    LABEL_OWNER, ModelDeployment, ModelVersion, TrainingJob, TrainingJobStatus,
    model_deployment::ModelSelector,
    wire::{attempt::ProgressReport, contract::RUN_PORT},
};
use millwright_plan::{
    Plan, Settings,
    observed::{JobState, PodState},
    training_job::{self, Champion, Observed},
};

use crate::runtime::{apply::ApplyError, context::Context, controller::Controller, pull};

/// The controller of TrainingJobs.
pub(crate) struct TrainingJobs;

impl Controller for TrainingJobs {
    type Object = TrainingJob;
    type Seen = Observed;
    const NAME: &'static str = "millwright-trainingjob";

    async fn observe(context: &Context, object: Arc<TrainingJob>) -> anyhow::Result<Observed> {
        let stores = &context.stores;
        let namespace = object.namespace().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        let spec = &object.spec;
        let references = spec.inputs.iter().map(|input| &input.dataset.name).chain(
            spec.evaluation
                .as_ref()
                .map(|evaluation| &evaluation.dataset.name),
        );
        let datasets = references
            .filter_map(|name| {
                let dataset = stores
                    .datasets
                    .get(&ObjectRef::new(name).within(&namespace))?;
                Some((name.clone(), dataset.status.clone().unwrap_or_default()))
            })
            .collect();
        let model = spec
            .model
            .as_ref()
            .and_then(|name| stores.models.get(&ObjectRef::new(name).within(&namespace)));
        let owner = |version: &ModelVersion| version.labels().get(LABEL_OWNER) == Some(&uid);
        let own_version = model
            .as_ref()
            .and_then(|_| stores.model_versions.find(owner));
        let last_version = own_version.or_else(|| {
            let model = model.as_ref()?;
            let number = model.status.as_ref()?.last_version;
            let name = format!("{}-v{number}", model.name_any());
            stores
                .model_versions
                .get(&ObjectRef::new(&name).within(&namespace))
        });
        let jobs: Vec<JobState> = unshared(&stores.jobs.of_owner(&uid));
        let pods: Vec<PodState> = unshared(&stores.pods.of_owner(&uid));
        Ok(Observed {
            progress: progress(context, &object, &jobs, &pods).await,
            jobs,
            pods,
            datasets,
            champion: spec
                .model
                .as_ref()
                .and_then(|model| champion(context, &namespace, model)),
            model: model.map(|model| (*model).clone()),
            last_version: last_version.map(|version| (*version).clone()),
            store_claim: stores.has_store(&namespace, &context.settings.store),
            object: (*object).clone(),
        })
    }

    fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<TrainingJobStatus> {
        training_job::plan(seen, settings, now)
    }

    fn stalled(
        seen: &Observed,
        status: TrainingJobStatus,
        error: &ApplyError,
        now: Timestamp,
    ) -> TrainingJobStatus {
        match error {
            ApplyError::Refused(message) if training_job::is_last_word(seen, message) => {
                training_job::after_refusal(&seen.object, message, now)
            }
            // The run goes on when the name is free, or the policy that is in its way has changed.
            _ => status,
        }
    }
}

fn unshared<T: Clone>(list: &[Arc<T>]) -> Vec<T> {
    list.iter().map(|one| (**one).clone()).collect()
}

/// What the agent of the trainer that runs says. An agent that does not answer is no trouble: its
/// progress is news, and it is asked less and less often.
async fn progress(
    context: &Context,
    run: &TrainingJob,
    jobs: &[JobState],
    pods: &[PodState],
) -> Option<ProgressReport> {
    let pod = training_job::progress::asked(jobs, pods)?;
    // Before it is stopped it is asked in any case: it may be publishing.
    if !run.spec.suspend && !context.pace.is_due(&pod.uid, training_job::progress::EVERY) {
        return None;
    }
    let answer = ask(pod).await;
    context.pace.answered(&pod.uid, answer.is_ok());
    answer
        .inspect_err(|error| tracing::debug!(pod = pod.name, "no progress: {error:#}"))
        .ok()
}

async fn ask(pod: &PodState) -> anyhow::Result<ProgressReport> {
    let ip = pod.ip.as_deref().unwrap_or_default();
    let report: ProgressReport = pull::document(ip, RUN_PORT, "/progress").await?;
    // Addresses of pods are used again: another pod may answer at this one.
    anyhow::ensure!(report.pod_uid == pod.uid, "another pod answered at {ip}");
    Ok(report)
}

/// What the last stage of a ModelDeployment that follows the model runs. A deployment that is
/// pinned to a version keeps an old one on purpose and is no champion.
fn champion(context: &Context, namespace: &str, model: &str) -> Option<Champion> {
    let follows = |deployment: &ModelDeployment| {
        let ModelSelector { name, track, .. } = &deployment.spec.model;
        deployment.namespace().as_deref() == Some(namespace) && name == model && track.is_some()
    };
    let mut deployments = context.stores.model_deployments.state_filter(follows);
    deployments.sort_by_key(|deployment| deployment.name_any());
    deployments.iter().find_map(|deployment| {
        let current = deployment
            .status
            .as_ref()?
            .stages
            .last()?
            .current
            .as_ref()?;
        Some(Champion {
            version: current.version,
            digest: current.digest.clone(),
        })
    })
}
