//! What a TrainingJob's planner builds.

use anyhow::{Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use millwright_crds::{
    Dataset, DatasetStatus, Model, TrainingJob,
    wire::{attempt::AttemptResult, evaluation::EvaluationReport},
};
use millwright_e2e::{apply, scene::Scene};
use millwright_plan::{
    observed::JobState,
    training_job::{COLLECT, COLLECT_EVALUATION, Champion, EVALUATION, Observed, TRAINING, plan},
};

use super::{complete, ended_pod, ensure_same, job_of, settings, store, writer::Writer};
use crate::world::World;

const MANIFEST: &str = include_str!("../valid/training-job.yaml");
const DATASET: &str = include_str!("../valid/dataset.yaml");
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Everything that a run writes in its life, twice.
pub async fn write_twice(world: &World) -> Result<()> {
    let scene = Scene::new(world.bare().await?.client(), "builders-run", None).await?;
    let run: TrainingJob = store(&scene, MANIFEST).await?;
    let owner = run.uid().unwrap_or_default();
    let settings = settings()?;
    let mut writer = Writer::new(&scene, "millwright-trainingjob");
    let mut seen = Observed {
        datasets: vec![("flights".into(), dataset()?)],
        champion: Some(Champion {
            version: 2,
            digest: DIGEST.into(),
        }),
        object: run,
        jobs: vec![],
        pods: vec![],
        model: None,
        last_version: None,
        store_claim: false,
        progress: None,
    };
    let next = |seen: &Observed| ensure_same(|| plan(seen, &settings, now(seen)));

    // The claim and the first attempt.
    writer.write(&next(&seen)?.operations).await?;
    seen.store_claim = true;
    // It ends well, but its pod is gone.
    seen.jobs = ended(writer.children::<Job, _>(&owner).await?);
    writer.write(&next(&seen)?.operations).await?;
    // Its result is found in the store.
    seen.jobs = ended(writer.children::<Job, _>(&owner).await?);
    let collect = job_of(&seen.jobs, COLLECT)?;
    seen.pods.push(ended_pod(&collect, &result())?);
    writer.write(&next(&seen)?.operations).await?;
    // The same of its evaluation.
    seen.jobs = ended(writer.children::<Job, _>(&owner).await?);
    writer.write(&next(&seen)?.operations).await?;
    seen.jobs = ended(writer.children::<Job, _>(&owner).await?);
    let collect = job_of(&seen.jobs, COLLECT_EVALUATION)?;
    seen.pods.push(ended_pod(&collect, &report())?);
    // The Model, then its number and the version.
    writer.write(&next(&seen)?.operations).await?;
    seen.model = Some(scene.get::<Model>("delay").await?);
    let last = next(&seen)?;
    writer.write(&last.operations).await?;

    ensure!(
        last.status.model_version.as_deref() == Some("delay-v1"),
        "the run did not end with a version: {:?}",
        last.status
    );
    let expected = [
        "create Job collect",
        "create Job collect-eval",
        "create Job evaluation",
        "create Job training",
        "create Model",
        "create ModelVersion",
        "create PersistentVolumeClaim store",
        "status of Model",
    ];
    ensure!(
        writer.written() == expected,
        "written: {:#?}",
        writer.written()
    );
    Ok(())
}

/// The moment of the newest child: nothing has waited for anything.
fn now(seen: &Observed) -> Timestamp {
    let created = seen.jobs.iter().filter_map(|job| job.created).max();
    created.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn ended(jobs: Vec<JobState>) -> Vec<JobState> {
    let roles = [TRAINING, EVALUATION, COLLECT, COLLECT_EVALUATION];
    let ours = |job: &JobState| {
        job.label(millwright_crds::LABEL_ROLE)
            .is_some_and(|r| roles.contains(&r))
    };
    jobs.into_iter().filter(ours).map(complete).collect()
}

/// A Dataset's status with the version that the manifest names.
fn dataset() -> Result<DatasetStatus> {
    let dataset: Dataset = serde_json::from_value(apply::parse(DATASET)?.swap_remove(0))?;
    let mut status = dataset.status.unwrap_or_default();
    for version in &mut status.versions {
        version.version = "v2".into();
        version.state = millwright_crds::dataset::VersionState::Current;
    }
    Ok(status)
}

fn result() -> AttemptResult {
    AttemptResult {
        v: 1,
        digest: DIGEST.into(),
        files: 1,
        bytes: 10,
        metrics: [("mae".to_owned(), 9.5)].into(),
        key: "runs/a/1/result.json".into(),
        profile: Some("models/a/b/c/profile.bin".into()),
    }
}

fn report() -> EvaluationReport {
    EvaluationReport {
        v: 1,
        candidate: [("mae".to_owned(), 9.5)].into(),
        champion: [("mae".to_owned(), 10.5)].into(),
        predictions: None,
    }
}
