//! The API server is away for a while.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use millwright_crds::{TrainingJob, training_job::TrainingJobPhase};
use millwright_e2e::{scene::Scene, wait::never};
use serde_json::json;

use super::{BACK, Place, job_of};
use crate::{
    kubelet::{End, Kubelet},
    operator::{attempt_result, phase, run_manifest, uid},
};

/// Most lines that an outage may add to the log, however long it lasts.
const LINES: usize = 60;
/// Longest time until a run goes on: the Job controller comes back by itself, too.
const GOES_ON: Duration = Duration::from_secs(60);

/// Stops the API server for this time while a run is under way.
pub async fn api_server(place: &Place, time: Duration) -> Result<()> {
    let replica = &place.replica;
    let namespace = format!("outage-{}", time.as_secs());
    let scene = Scene::new(place.cluster.client(), &namespace, None).await?;
    let kubelet = Kubelet(&scene);
    scene
        .apply_documents(&[run_manifest("before", &json!({}))])
        .await?;
    let owner = uid::<TrainingJob>(&scene, "before").await?;
    let pod = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&pod).await?;
    phase(&scene, "before", TrainingJobPhase::Running).await?;

    let (lines, cpu) = (replica.log()?.lines().count(), replica.processor_time()?);
    place.cluster.stop_component("apiserver").await?;
    let down = Instant::now();
    let said = replica.until_says("no answer from the API server").await?;
    eprintln!(
        "not ready {:.1} s after the API server was stopped:\n{said}",
        down.elapsed().as_secs_f64()
    );
    replica
        .until_says("leader election: the Lease")
        .await
        .context("the election is part of it")?;
    never(
        "it lives, and is not ready",
        time.saturating_sub(down.elapsed()),
        async || {
            replica.lives().await?;
            let (ready, text) = replica.readiness().await?;
            Ok(ready.then_some(text))
        },
    )
    .await?;
    let lines = replica.log()?.lines().count() - lines;
    let cpu = replica.processor_time()? - cpu;
    eprintln!(
        "in {} s: {lines} lines of log, {cpu:?} of processor time",
        time.as_secs()
    );
    ensure!(
        lines <= LINES,
        "it logs {lines} lines:\n{}",
        replica.log_tail()
    );
    // A hundredth of the time, and what it takes to notice.
    let most = Duration::from_millis(500) + time / 100;
    ensure!(cpu <= most, "it needs {cpu:?} of processor time");

    place.cluster.start_component("apiserver").await?;
    place.api_server_answers().await?;
    // The Job controller's watches may wait 60 s by themselves (30 s, and as much again by jitter:
    // client-go's reflector), which is not what is tested.
    place.cluster.stop_component("controller-manager").await?;
    place.cluster.start_component("controller-manager").await?;
    let back = Instant::now();
    // It ended meanwhile, and its kubelet says so as soon as it can.
    kubelet.ends(&pod, &End::well(&attempt_result())?).await?;
    let said = replica.until_leads(BACK).await?;
    eprintln!(
        "ready {:.1} s after its return: {said}",
        back.elapsed().as_secs_f64()
    );
    place.works(&scene, "after").await?;
    eprintln!(
        "works {:.1} s after its return",
        back.elapsed().as_secs_f64()
    );
    let job = job_of(&scene, &owner).await?.context("there is no Job")?;
    let complete = |job: &Job| {
        let conditions = job.status.as_ref()?.conditions.as_ref()?;
        let complete = conditions
            .iter()
            .any(|condition| condition.type_ == "Complete" && condition.status == "True");
        complete.then_some(())
    };
    let what = "the Job controller says that it is over";
    scene.wait(&job.name_any(), what, GOES_ON, complete).await?;
    let ended = Instant::now();
    phase(&scene, "before", TrainingJobPhase::Succeeded).await?;
    eprintln!(
        "its Job is over {:.1} s after the return, the run {:.1} s later",
        ended.duration_since(back).as_secs_f64(),
        ended.elapsed().as_secs_f64()
    );
    ensure!(ended.elapsed() < BACK, "the run took {:?}", ended.elapsed());
    replica.lives().await?;
    scene.close().await
}
