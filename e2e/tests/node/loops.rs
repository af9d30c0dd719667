//! The loop: live traffic, labels, and what a policy makes of them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::core::object::HasStatus;
use millwright_crds::{
    ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob,
    model_deployment::{GateState, NextPhase, StageStatus},
    retrain_policy::{RetrainPolicyStatus, RunOutcome, TriggerState},
};
use millwright_e2e::audit::{AuditLog, table};
use serde_json::json;

use crate::{story::Story, world::World};

/// Longest time for a replay, with a run in it, on a busy machine.
const REPLAY: Duration = Duration::from_secs(600);
/// How long nothing may be written when nothing happens.
const REST: Duration = Duration::from_secs(60);
/// Characters of a digest that a gate's message has.
const DIGEST_LENGTH: usize = 19;

/// From the weeks when winter ends to a better model in production.
pub async fn a_short_story_ends_with_a_better_model(world: &World) -> Result<()> {
    let story = Story(world.scene("loop").await?);
    story.begin().await?;
    story.serve(true).await?;
    let said = story
        .replay(&["--from=2013-04-19", "--to=2013-05-10"], REPLAY)
        .await?;
    eprintln!("{said}");

    let scene = &story.0;
    let policy = policy(&story).await?;
    let last = policy.last_run.clone().context("the policy has no run")?;
    ensure!(last.firing == 1 && last.trigger == "quality", "{last:?}");
    ensure!(last.outcome == Some(RunOutcome::Succeeded), "{last:?}");
    ensure!(
        last.model_version.as_deref() == Some("flights-delay-v2"),
        "{last:?}"
    );
    for stage in stages(&story, "flights-delay").await? {
        ensure!(
            current(&stage) == Some(2) && stage.next.is_none(),
            "{stage:?}"
        );
    }
    let kept = stages(&story, "flights-baseline").await?;
    ensure!(
        kept.iter().all(|stage| current(stage) == Some(1)),
        "{kept:?}"
    );

    // The same spec; only the data that it resolved to are others.
    let first: TrainingJob = scene.get("flights-delay-first").await?;
    let second: TrainingJob = scene.get(&last.training_job).await?;
    ensure!(
        first.spec == second.spec,
        "{:#?} is not {:#?}",
        second.spec,
        first.spec
    );
    let resolved = |run: &TrainingJob| run.status.clone().unwrap_or_default().resolved;
    let one = resolved(&first).context("the first run resolved nothing")?;
    let two = resolved(&second).context("the second run resolved nothing")?;
    ensure!(
        one.parameters_digest == two.parameters_digest,
        "{one:?}, {two:?}"
    );
    ensure!(
        one.inputs[0].digest != two.inputs[0].digest,
        "{one:?}, {two:?}"
    );

    // Both models were scored on the same data, and the better one is the new one.
    let version: ModelVersion = scene.get("flights-delay-v2").await?;
    ensure!(
        version.spec.lineage.policy.as_deref() == Some("flights-delay"),
        "{version:?}"
    );
    let evaluation = version.spec.evaluation.context("v2 has no evaluation")?;
    let champion = evaluation
        .champion
        .context("v2 was compared with nothing")?;
    ensure!(champion.version == 1, "{champion:?}");
    ensure!(
        evaluation.metrics["mae"] < champion.metrics["mae"],
        "{champion:?}"
    );

    rests(world, &story).await?;
    story.0.close().await
}

/// Nothing is written for a story that is over, although its policy goes on looking.
async fn rests(world: &World, story: &Story) -> Result<()> {
    let node = world.node().await?;
    let log = AuditLog::from_now(&node.cluster.audit_log())?;
    tokio::time::sleep(REST).await;
    let mut requests = log.of_user(node.operator.user())?;
    requests.retain(|r| r.namespace == story.0.namespace() && !r.is_aside());
    ensure!(
        requests.is_empty(),
        "nothing happened, and yet:\n{}",
        table(&requests)
    );
    Ok(())
}

/// Each week is a mix of all times: its error is always about the same.
pub async fn shuffled_times_start_no_run(world: &World) -> Result<()> {
    let story = Story(world.scene("shuffled").await?);
    story.begin().await?;
    story.serve(true).await?;
    let arguments = ["--from=2013-03-01", "--to=2013-05-03", "--shuffle"];
    eprintln!("{}", story.replay(&arguments, REPLAY).await?);
    let policy = policy(&story).await?;
    ensure!(policy.last_run.is_none(), "{policy:?}");
    let quality = trigger(&policy, "quality")?;
    ensure!(
        quality.evaluations == 10 && quality.state != TriggerState::Breached,
        "{quality:?}"
    );
    story.0.close().await
}

/// Without labels nothing is known, however far the weather has drifted.
pub async fn without_labels_no_run_starts(world: &World) -> Result<()> {
    let story = Story(world.scene("no-labels").await?);
    story.begin().await?;
    story.serve(true).await?;
    let arguments = ["--from=2013-04-19", "--to=2013-05-10", "--no-labels"];
    eprintln!("{}", story.replay(&arguments, REPLAY).await?);
    let policy = policy(&story).await?;
    ensure!(policy.last_run.is_none(), "{policy:?}");
    let quality = trigger(&policy, "quality")?;
    ensure!(
        quality.evaluations == 0 && quality.state == TriggerState::Unknown,
        "{quality:?}"
    );
    let weather = trigger(&policy, "weather")?;
    ensure!(weather.state == TriggerState::Breached, "{weather:?}");
    story.0.close().await
}

/// A candidate with too few trees is refused, with both values and the data they are from.
pub async fn a_worse_model_is_refused(world: &World) -> Result<()> {
    let story = Story(world.scene("refused").await?);
    story.begin().await?;
    story.serve(false).await?;
    story
        .train("flights-delay-worse", &json!({"trees": "20"}))
        .await?;
    let look = |deployment: &ModelDeployment| {
        let next = deployment.status()?.stages.last()?.next.clone()?;
        (next.phase == NextPhase::Refused).then_some(next)
    };
    let what = "production refuses v2";
    let next = story.0.wait("flights-delay", what, REPLAY, look).await?;
    let gate = next.gates.iter().find(|gate| gate.name == "quality");
    let gate = gate.context("the quality gate says nothing")?;
    ensure!(
        next.version == 2 && gate.state == GateState::Failed,
        "{next:?}"
    );

    let version: ModelVersion = story.0.get("flights-delay-v2").await?;
    let evaluation = version.spec.evaluation.context("v2 has no evaluation")?;
    let champion = evaluation
        .champion
        .context("v2 was compared with nothing")?;
    let (worse, better) = (evaluation.metrics["mae"], champion.metrics["mae"]);
    ensure!(
        worse > 12.0 && better < 12.0,
        "{worse} and {better}: not as the README says"
    );
    let digest = &evaluation.digest[..DIGEST_LENGTH];
    for part in [figure(worse), figure(better), digest.to_owned()] {
        ensure!(
            gate.message.contains(&part),
            "{part} is not in: {}",
            gate.message
        );
    }
    ensure!(
        gate.message.matches("sha256:").count() == 1,
        "{}",
        gate.message
    );
    let production = stages(&story, "flights-delay").await?;
    ensure!(
        production.last().and_then(current) == Some(1),
        "{production:?}"
    );
    story.0.close().await
}

/// A value with two digits after the point, not rounded: what a message has at least.
fn figure(value: f64) -> String {
    let text = format!("{value:.4}");
    text[..text.len() - 2].to_owned()
}

async fn policy(story: &Story) -> Result<RetrainPolicyStatus> {
    let policy: RetrainPolicy = story.0.get("flights-delay").await?;
    policy.status.context("the policy has no status")
}

fn trigger<'a>(
    policy: &'a RetrainPolicyStatus,
    name: &str,
) -> Result<&'a millwright_crds::retrain_policy::TriggerStatus> {
    let trigger = policy.triggers.iter().find(|trigger| trigger.name == name);
    trigger.with_context(|| format!("the policy says nothing of {name}"))
}

async fn stages(story: &Story, deployment: &str) -> Result<Vec<StageStatus>> {
    let deployment: ModelDeployment = story.0.get(deployment).await?;
    Ok(deployment
        .status
        .map(|status| status.stages)
        .unwrap_or_default())
}

fn current(stage: &StageStatus) -> Option<u32> {
    stage.current.as_ref().map(|current| current.version)
}
