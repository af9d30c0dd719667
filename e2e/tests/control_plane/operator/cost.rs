//! What the operator costs the API server.

use std::time::Duration;

use anyhow::{Result, ensure};
use millwright_crds::{TrainingJob, training_job::TrainingJobPhase, wire::attempt::AttemptResult};
use millwright_e2e::{
    audit::{AuditLog, Request, table},
    scene::Scene,
    wait::never,
};
use serde_json::json;

use super::{phase, run_manifest, uid};
use crate::{
    kubelet::{End, Kubelet},
    world::{World, scene},
};

/// Most writes for one run of one pod: its Job, that it runs, the Model's number, the ModelVersion,
/// that it has ended, and one to spare.
const WRITES: usize = 6;
/// Most writes for one that registers nothing: its Job, that it runs, that it has ended.
const WRITES_UNREGISTERED: usize = 3;
/// How long nothing may be written for objects that rest.
const REST: Duration = Duration::from_secs(20);
/// Most memory that the operator may have while nothing happens, in bytes.
const MEMORY: u64 = 40 << 20;

pub async fn a_run_costs_few_writes(world: &World) -> Result<()> {
    let scene = scene(world, "cost").await?;
    // The first run of a namespace also makes what all others find: the claim and the Model.
    let first = requests_of_run(world, &scene, "first", true).await?;
    let second = requests_of_run(world, &scene, "second", true).await?;
    let third = requests_of_run(world, &scene, "third", false).await?;
    for (name, requests) in [("first", &first), ("second", &second), ("third", &third)] {
        eprintln!(
            "the operator's requests for the {name} run:\n{}",
            table(requests)
        );
    }
    let reads: Vec<_> = first
        .iter()
        .chain(&second)
        .chain(&third)
        .filter(|r| r.is_read())
        .collect();
    ensure!(reads.is_empty(), "it reads:\n{}", lines(&reads));
    let of = |requests: &'_ [Request]| requests.iter().filter(|r| r.is_write()).count();
    for (requests, most) in [
        (&first, WRITES + 2),
        (&second, WRITES),
        (&third, WRITES_UNREGISTERED),
    ] {
        let writes = of(requests);
        ensure!(writes <= most, "{writes} writes:\n{}", table(requests));
    }
    scene.close().await
}

/// What the operator asked for while a run went from its creation to its end, and to a version if it
/// registers one.
async fn requests_of_run(
    world: &World,
    scene: &Scene,
    name: &str,
    registers: bool,
) -> Result<Vec<Request>> {
    let log = AuditLog::from_now(&world.managed().await?.cluster.audit_log())?;
    let kubelet = Kubelet(scene);
    let spec = if registers {
        json!({})
    } else {
        json!({"model": null})
    };
    scene.apply_documents(&[run_manifest(name, &spec)]).await?;
    let owner = uid::<TrainingJob>(scene, name).await?;
    let pod = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&pod).await?;
    phase(scene, name, TrainingJobPhase::Running).await?;
    kubelet.ends(&pod, &End::well(&result())?).await?;
    let end = phase(scene, name, TrainingJobPhase::Succeeded).await?;
    ensure!(
        end.model_version.is_some() == registers,
        "the wrong thing was registered: {end:?}"
    );
    let mut seen = of_namespace(world, &log, scene).await?;
    // What follows from the end comes a moment later.
    scene
        .wait_until(
            "the operator has nothing more to write",
            Duration::from_secs(30),
            async || {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let before = seen.len();
                seen = of_namespace(world, &log, scene).await?;
                Ok((seen.len() == before).then_some(()))
            },
        )
        .await?;
    Ok(seen)
}

/// The operator's requests for a namespace, without those for the record only.
async fn of_namespace(world: &World, log: &AuditLog, scene: &Scene) -> Result<Vec<Request>> {
    let mut requests = log.of_user(world.managed().await?.operator.user())?;
    requests.retain(|r| r.namespace == scene.namespace() && !r.is_aside());
    Ok(requests)
}

pub async fn idle_objects_cost_nothing(world: &World) -> Result<()> {
    let scene = scene(world, "idle").await?;
    requests_of_run(world, &scene, "run", true).await?;
    scene.apply(&format!("{DEPLOYMENT}---\n{POLICY}")).await?;
    let invalid = json!({"template": {"spec": {"containers": [{"name": "a", "image": 1}]}}});
    scene
        .apply_documents(&[run_manifest("invalid", &invalid)])
        .await?;
    phase(&scene, "invalid", TrainingJobPhase::Failed).await?;
    let managed = world.managed().await?;
    let mut log = AuditLog::from_now(&managed.cluster.audit_log())?;
    // First all must have come to rest.
    scene
        .wait_until("the objects rest", Duration::from_secs(60), async || {
            log = AuditLog::from_now(&managed.cluster.audit_log())?;
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(of_namespace(world, &log, &scene)
                .await?
                .is_empty()
                .then_some(()))
        })
        .await?;
    never(
        "the operator asked the API server for something",
        REST,
        async || {
            let requests = of_namespace(world, &log, &scene).await?;
            Ok((!requests.is_empty()).then(|| table(&requests)))
        },
    )
    .await?;
    let memory = managed.operator.memory()?;
    eprintln!(
        "the operator has {:.1} MiB",
        memory as f64 / f64::from(1 << 20)
    );
    ensure!(
        memory < MEMORY,
        "the operator has {memory} bytes, at most {MEMORY} are allowed"
    );
    scene.close().await
}

fn lines(requests: &[&Request]) -> String {
    let lines: Vec<_> = requests.iter().map(|request| request.to_string()).collect();
    lines.join("\n")
}

/// What a container that published a model says at its end.
pub fn result() -> AttemptResult {
    AttemptResult {
        v: 1,
        digest: format!("sha256:{}", "ab".repeat(32)),
        files: 1,
        bytes: 10,
        metrics: [("mae".to_owned(), 9.5)].into(),
        key: "runs/a/1/result.json".into(),
        profile: None,
    }
}

const DEPLOYMENT: &str = "
apiVersion: millwright.dev/v1alpha1
kind: ModelDeployment
metadata: {name: delay}
spec:
  model: {name: delay, track: Latest}
  server:
    template: {spec: {containers: [{name: server, image: 'example/server:1'}]}}
  stages: [{name: production}]
";

const POLICY: &str = "
apiVersion: millwright.dev/v1alpha1
kind: RetrainPolicy
metadata: {name: delay}
spec:
  deployment: {name: delay, stage: production}
  triggers: [{name: quality, quality: {metric: mae, limit: {value: 12}}}]
  evaluate: {interval: 1s}
  template:
    spec:
      model: delay
      template: {spec: {containers: [{name: trainer, image: 'example/trainer:1', command: [train]}]}}
";
