//! Two replicas, of which one writes, while runs come all the time.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
};
use millwright_crds::{ModelVersion, TrainingJob, training_job::TrainingJobPhase};
use millwright_e2e::{
    apply, audit::AuditLog, cluster::Cluster, installation::Installation, scene::Scene,
    wait::wait_for,
};
use serde_json::json;

use super::{bare, replica::Replica, writers};
use crate::{
    kubelet::{End, Kubelet},
    operator::{attempt_result, run_manifest},
    rules::VALID,
    world::{install_kinds, resource},
};

/// Longest time from a kill to the first write of another replica.
const TAKEOVER: Duration = Duration::from_secs(15);
/// The same after a SIGTERM, which releases the Lease.
const HANDOVER: Duration = Duration::from_secs(5);
/// Time between two runs.
const PERIOD: Duration = Duration::from_millis(400);
/// Longest time until all runs are over.
const OVER: Duration = Duration::from_secs(60);

/// A leader is killed, one is told to end, and two are paused past their lease and woken.
pub async fn one_of_two_writes() -> Result<()> {
    let cluster = bare("replicas").await?;
    install_kinds(&cluster).await?;
    let chart = Installation::everywhere(&cluster).await?;
    let log = AuditLog::from_now(&cluster.audit_log())?;
    let scene = Scene::new(cluster.client(), "stream", None).await?;
    let a = Replica::start(&cluster, &chart, "replica-a").await?;
    a.until_leads(TAKEOVER).await?;

    let changes = async {
        let b = Replica::start(&cluster, &chart, "replica-b").await?;
        let said = b.until_ready().await?;
        ensure!(
            said.contains("replica-a leads, this replica stands by"),
            "{said}"
        );

        let killed = moment();
        a.signal("KILL")?;
        let time = takes_over(&log, &b, killed, TAKEOVER).await?;
        eprintln!("after a kill another writes in {time:.1?}");

        let c = Replica::start(&cluster, &chart, "replica-c").await?;
        c.until_ready().await?;
        let told = moment();
        b.signal("TERM")?;
        let time = takes_over(&log, &c, told, HANDOVER).await?;
        eprintln!("after SIGTERM another writes in {time:.1?}");
        let ended = async || b.exit_status();
        let status = wait_for("replica-b ends", HANDOVER, ended, async || b.log_tail()).await?;
        ensure!(
            status.success(),
            "it ended with {status}:\n{}",
            b.log_tail()
        );

        let d = Replica::start(&cluster, &chart, "replica-d").await?;
        d.until_ready().await?;
        pause(&log, &c, &d).await?;
        pause(&log, &d, &c).await?;
        anyhow::Ok([b, c, d])
    };
    let (runs, replicas) = while_runs_come(&scene, changes).await?;

    let requests = log.all()?;
    let names = [
        "replica-a",
        "replica-b",
        "replica-c",
        "replica-d",
        "replica-c",
    ];
    writers::one_after_the_other(&requests, &names)?;
    writers::once(&requests, "jobs", runs)?;
    writers::once(&requests, "modelversions", runs)?;
    let versions = scene
        .api::<ModelVersion>()
        .list(&ListParams::default())
        .await?;
    ensure!(
        versions.items.len() == runs,
        "{} versions of {runs} runs",
        versions.items.len()
    );
    scene.close().await?;
    let [_, c, _d] = &replicas;
    is_seen_that_came_meanwhile(&cluster, c).await
}

/// Whatever comes while nobody leads is looked at by who leads next, of every kind.
async fn is_seen_that_came_meanwhile(cluster: &Cluster, leader: &Replica) -> Result<()> {
    let scene = Scene::new(cluster.client(), "meanwhile", None).await?;
    let documents = VALID.into_iter().map(apply::parse);
    let documents = documents.collect::<Result<Vec<_>>>()?.concat();
    leader.signal("KILL")?;
    for object in scene.apply_documents(&documents).await? {
        let kind = object.types.as_ref().map_or("", |types| &types.kind);
        let what = format!("the next leader has seen {kind} {}", object.name_any());
        let api = Api::<DynamicObject>::namespaced_with(
            cluster.client().clone(),
            scene.namespace(),
            &resource(kind),
        );
        let seen = async || {
            let object = api.get(&object.name_any()).await?;
            let observed = object.data["status"]["observedGeneration"].as_i64();
            Ok((observed >= object.metadata.generation).then_some(()))
        };
        scene.wait_until(&what, 2 * TAKEOVER, seen).await?;
    }
    Ok(())
}

/// Pauses a leader until another has taken over and written, and wakes it.
async fn pause(log: &AuditLog, leader: &Replica, other: &Replica) -> Result<()> {
    let stopped = moment();
    leader.signal("STOP")?;
    let time = takes_over(log, other, stopped, TAKEOVER).await?;
    eprintln!("after a pause another writes in {time:.1?}");
    leader.signal("CONT")?;
    let said = leader.until_ready().await.context("who woke stands by")?;
    let words = format!("{} leads, this replica stands by", other.name());
    let stands_by = async || Ok(leader.readiness().await?.1.contains(&words).then_some(()));
    wait_for(&words, TAKEOVER, stands_by, async || said.clone()).await?;
    leader.lives().await
}

/// Waits until a replica has written something else than the Lease, and says how long after `since`
/// the API server received that.
async fn takes_over(
    log: &AuditLog,
    replica: &Replica,
    since: (Instant, Timestamp),
    timeout: Duration,
) -> Result<Duration> {
    let what = format!("{} writes", replica.name());
    let first = async || {
        let requests = log.all()?;
        let write = requests
            .iter()
            .find(|r| writers::is_write_of(r, replica.name()) && r.received > since.1);
        Ok(write.map(|write| write.received.duration_since(since.1).unsigned_abs()))
    };
    // Looking takes its time, too: what counts is when the request came.
    let time = wait_for(&what, 2 * timeout, first, async || replica.log_tail()).await?;
    ensure!(
        time < timeout,
        "{what} only after {time:.1?}, {:.1?} by our clock",
        since.0.elapsed()
    );
    Ok(time)
}

fn moment() -> (Instant, Timestamp) {
    (Instant::now(), Timestamp::now())
}

/// Creates runs until `changes` are over, plays their kubelet until they have all ended well, and says
/// how many there were.
async fn while_runs_come<T>(
    scene: &Scene,
    changes: impl Future<Output = Result<T>>,
) -> Result<(usize, T)> {
    tokio::select! {
        never = play(scene) => match never? {},
        result = runs_until(scene, changes) => result,
    }
}

async fn runs_until<T>(
    scene: &Scene,
    changes: impl Future<Output = Result<T>>,
) -> Result<(usize, T)> {
    let result = tokio::select! {
        never = create(scene) => match never? {},
        result = changes => result?,
    };
    let api = scene.api::<TrainingJob>();
    let over = async || {
        let runs = api.list(&ListParams::default()).await?;
        let open = runs.iter().find(|run| {
            let phase = run.status.as_ref().map(|status| &status.phase);
            phase != Some(&TrainingJobPhase::Succeeded)
        });
        if let Some(run) = open {
            bail!("{}: {:?}", run.name_any(), run.status);
        }
        Ok(Some(runs.items.len()))
    };
    let what = "all runs have ended well";
    let runs = scene.wait_until(what, OVER, over).await?;
    Ok((runs, result))
}

/// Creates one run after the other.
async fn create(scene: &Scene) -> Result<Infallible> {
    for number in 0.. {
        let run = run_manifest(&format!("run-{number}"), &json!({}));
        scene.apply_documents(&[run]).await?;
        tokio::time::sleep(PERIOD).await;
    }
    bail!("there are no more numbers")
}

/// What a kubelet does with the pods that are there: those that wait start, those that run end well.
async fn play(scene: &Scene) -> Result<Infallible> {
    let (kubelet, pods) = (Kubelet(scene), scene.api::<Pod>());
    loop {
        for pod in pods.list(&ListParams::default()).await? {
            let status = pod.status.as_ref();
            match status.and_then(|status| status.phase.as_deref()) {
                Some("Pending") | None => kubelet.starts(&pod).await?,
                Some("Running") => kubelet.ends(&pod, &End::well(&attempt_result())?).await?,
                _ => {}
            }
        }
        tokio::time::sleep(PERIOD / 2).await;
    }
}
