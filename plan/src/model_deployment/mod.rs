//! A model on its way to production: stages, and the gates between them.
//!
//! | how it stands | phase | Ready | Reconciling | Stalled | reason |
//! |---|---|---|---|---|---|
//! | the spec can't work | Stalled | False | | True | InvalidSpec |
//! | a child's name belongs to somebody else | Stalled | False | | True | Conflict |
//! | no version yet, nothing serves | Pending | False | | | NoVersion, ModelVersionMissing |
//! | the pinned version is missing, another serves | Pending | True | | | ModelVersionMissing |
//! | the first version was refused | Pending | False | | | GateFailed |
//! | the first version of all is rolled out | Deploying | False | True | | RollingOut or what is in the way |
//! | a version is rolled out, or pods are started | Deploying | True | True | | RollingOut or what is in the way |
//! | a version waits for gates, or for the stage before | Promoting | True | | | Gating, WaitingForVersion |
//! | a gate refused the newest version | RolledBack | True | | | GateFailed |
//! | the newest version was taken back | RolledBack | True | | | RolledBack |
//! | `spec.paused` | Paused | True, or absent when nothing serves yet; Suspended besides | | | Paused |
//! | some pods of a stage don't serve | Degraded | True | True | | what is in the way |
//! | no pod of a stage serves, or the first version doesn't in time | Degraded | False | True | | what is in the way, or Unavailable |
//! | every stage serves what it should | Healthy | True | | | Healthy |
//!
//! A stage that is scaled to 0 pods counts as serving. When several rows apply the worst counts, in
//! the order Stalled, Degraded, Deploying, Paused, Promoting, RolledBack, Pending, Healthy.
//!
//! How a version moves. The first stage takes what `spec.model` asks for; a later stage takes what
//! the stage before serves with all its pods, if that is what the spec asks for: while a number is
//! pinned no other version enters any stage. A change of the pods (the template, the port,
//! `monitoring`, the agent's image) moves like a new version: it goes through the stages and their
//! gates, and is taken back when it doesn't serve. A rollout that has begun is brought to its end
//! before the next one starts, unless the spec asks for something else by then, or there is
//! nothing to return to. What a gate refused, or a stage took back, isn't tried again until there
//! is another version or the spec changes in any way.

mod deployment;
#[cfg(test)]
mod fixtures;
mod gate;
mod names;
mod observed;
mod pod;
mod problem;
#[cfg(test)]
mod properties;
mod revision;
mod service;
#[cfg(test)]
mod simulator;
mod stage;
mod stamp;
mod target;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, core::v1::Service};
use millwright_crds::{
    ModelDeploymentStatus,
    model_deployment::{HistoryEntry, ModelDeploymentPhase, NextPhase, StageStatus},
};

use crate::{
    Event, Object, Operation, Plan, Reason, Settings, SpecError, Target,
    conditions::{self, Verdict},
    pod::inject::Owner,
};
use pod::Pods;
use stage::{Context, Source};
use target::Version;

pub(crate) use gate::test::{LABEL_GENERATION, LABEL_JOB_NAME};
pub use observed::{Foreign, Observed, ServiceState};
pub use revision::ANNOTATION as ANNOTATION_REVISIONS;
pub use stamp::ANNOTATION as ANNOTATION_SPEC_HASH;

/// The field manager of what is applied for a ModelDeployment.
pub const FIELD_MANAGER: &str = "millwright-modeldeployment";
/// Role of the children that serve.
pub const SERVING: &str = "serving";
/// Role of the Jobs of test gates.
pub const GATE: &str = "gate";
/// Label of a pod with the hash of what it was made from.
pub const LABEL_REVISION: &str = "millwright.dev/revision";
/// Label of a pod with the number of the version that it serves or tests.
pub const LABEL_VERSION: &str = "millwright.dev/version";
/// Label of a test's Job and pod with the name of the gate.
pub const LABEL_GATE: &str = "millwright.dev/gate";

/// What follows for this deployment.
pub fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<ModelDeploymentStatus> {
    let model = &seen.object.spec.model.name;
    let mut seen = seen.clone();
    seen.versions.retain(|version| version.spec.model == *model);
    let owner = Owner::of(&seen.object);
    let checked =
        check(&seen, &owner).and_then(|()| Pods::new(&seen.object, &seen.versions, settings));
    match (checked, conflict(&seen, &owner)) {
        (Err(error), _) => stalled(&seen, Reason::InvalidSpec, error.to_string(), now),
        (_, Some((foreign, conflict))) if foreign.leaving => waits(&seen, &conflict, now),
        (_, Some((_, conflict))) => stalled(&seen, Reason::Conflict, conflict, now),
        (Ok(pods), None) => move_on(&seen, settings, &owner, &pods, now),
    }
}

fn check(seen: &Observed, owner: &Owner) -> Result<(), SpecError> {
    let spec = &seen.object.spec;
    names::check(&owner.name, spec)?;
    for (i, stage) in spec.stages.iter().enumerate() {
        for (j, gate) in stage.gates.iter().enumerate() {
            if let Some(test) = &gate.test {
                gate::test::check(i, j, test)?;
            }
        }
    }
    Ok(())
}

/// A name of ours that somebody else has.
fn conflict<'a>(seen: &'a Observed, owner: &Owner) -> Option<(&'a Foreign, String)> {
    let taken: BTreeMap<(&str, &str), &Foreign> = seen
        .foreign
        .iter()
        .map(|foreign| ((foreign.kind.as_str(), foreign.name.as_str()), foreign))
        .collect();
    let mut conflicts = seen.object.spec.stages.iter().flat_map(|stage| {
        let name = names::stage(&owner.name, &stage.name);
        let peers = names::peers(&owner.name, &stage.name);
        [
            ("Deployment", name.clone()),
            ("Service", name),
            ("Service", peers),
        ]
        .into_iter()
        .filter_map(|(kind, name)| taken.get(&(kind, name.as_str())).copied())
        .map(|foreign| {
            let Foreign { kind, name, .. } = foreign;
            let stage = &stage.name;
            let message = if foreign.leaving {
                format!(
                    "stage {stage} waits until {kind} {name} is gone, which a deleted \
                     ModelDeployment of this name had"
                )
            } else {
                format!(
                    "{kind} {name} exists and belongs to somebody else, but stage {stage} needs \
                     the name: rename the stage or this ModelDeployment, or delete the {kind}"
                )
            };
            (foreign, message)
        })
        .collect::<Vec<_>>()
    });
    let first = conflicts.next()?;
    // What a person has to act on comes before what goes by itself.
    let lasting = conflicts.find(|(foreign, _)| !foreign.leaving);
    Some(lasting.filter(|_| first.0.leaving).unwrap_or(first))
}

/// The status when nothing could be judged for this generation of the spec: what was refused or taken
/// back before is judged anew when it can.
pub fn judge_later(seen: &Observed) -> ModelDeploymentStatus {
    let mut status = seen.object.status.clone().unwrap_or_default();
    let generation = seen.object.metadata.generation.unwrap_or_default();
    if status.observed_generation != generation {
        for stage in &mut status.stages {
            stage.last_rollback = None;
            stage.next = stage
                .next
                .take()
                .filter(|next| next.phase != NextPhase::Refused);
        }
    }
    status.observed_generation = generation;
    status
}

/// The children of the deployment that had this name before are going.
fn waits(seen: &Observed, message: &str, now: Timestamp) -> Plan<ModelDeploymentStatus> {
    let mut status = judge_later(seen);
    let generation = status.observed_generation;
    status.phase = ModelDeploymentPhase::Pending;
    status.conditions = conditions::set(
        &status.conditions,
        &Verdict::Reconciling,
        Reason::Conflict,
        message,
        generation,
        now,
    );
    Plan::status(status)
}

fn stalled(
    seen: &Observed,
    reason: Reason,
    message: String,
    now: Timestamp,
) -> Plan<ModelDeploymentStatus> {
    let before = seen.object.status.clone().unwrap_or_default();
    let mut status = judge_later(seen);
    let generation = status.observed_generation;
    let news =
        before.phase != ModelDeploymentPhase::Stalled || before.observed_generation != generation;
    status.phase = ModelDeploymentPhase::Stalled;
    status.conditions = conditions::set(
        &status.conditions,
        &Verdict::Stalled,
        reason,
        &message,
        generation,
        now,
    );
    let mut plan = Plan::status(status);
    if news {
        plan.events.push(Event::warning(reason, message));
    }
    plan
}

fn move_on(
    seen: &Observed,
    settings: &Settings,
    owner: &Owner,
    pods: &Pods<'_>,
    now: Timestamp,
) -> Plan<ModelDeploymentStatus> {
    let spec = &seen.object.spec;
    let before = seen.object.status.clone().unwrap_or_default();
    let generation = seen.object.metadata.generation.unwrap_or_default();
    let context = Context {
        seen,
        pods,
        owner,
        changed: before.observed_generation != generation,
        now,
    };
    let known = |name: &str| before.stages.iter().find(|stage| stage.name == name);
    let mut plan = Plan::status(before.clone());
    if !seen.store_claim {
        let claim = settings.store.create_claim(&owner.namespace);
        plan.operations.extend(claim);
    }
    let (operations, events) = services(seen);
    plan.operations.extend(operations);
    plan.events.extend(events);
    let (mut stages, mut summaries, mut happened) = (vec![], vec![], vec![]);
    let mut source = Source::Model;
    for stage in &spec.stages {
        let step = stage::plan(&context, stage, &source, known(&stage.name));
        plan.operations.extend(step.operations);
        plan.events.extend(step.events);
        if let Some(delay) = step.requeue {
            plan = plan.within(delay);
        }
        // Later stages come first: newest first, and a version goes from stage to stage.
        happened.splice(0..0, step.history);
        stages.push(step.status);
        summaries.push(step.summary);
        source = Source::Stage(&stage.name, step.candidate);
    }
    plan.operations.extend(leftovers(seen, owner, &stages));
    let first = stages.first().and_then(|stage| stage.current.as_ref());
    let missing = target::target(seen, first).err();
    let overall = verdict::overall(&summaries, spec.paused, missing.as_ref());
    plan.status = ModelDeploymentStatus {
        observed_generation: generation,
        conditions: conditions::set(
            &before.conditions,
            &overall.verdict,
            overall.reason,
            &overall.message,
            generation,
            now,
        ),
        phase: overall.phase,
        stages,
        history: history(happened, before.history, spec.history),
    };
    plan
}

/// What happened, newest first, and no more of it than asked for.
fn history(mut new: Vec<HistoryEntry>, old: Vec<HistoryEntry>, most: u32) -> Vec<HistoryEntry> {
    new.extend(old);
    new.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    new
}

/// The Services that aren't as they should be.
fn services(seen: &Observed) -> (Vec<Operation>, Vec<Event>) {
    let (mut operations, mut events) = (vec![], vec![]);
    let stages = seen.object.spec.stages.iter();
    for wanted in stages.flat_map(|stage| service::build(&seen.object, &stage.name)) {
        let (object, hash) = stamp::stamp(Object::built_in(&wanted));
        let wanted = ServiceState::from(&wanted);
        let known = seen.services.iter().find(|one| one.name == wanted.name);
        let applied = known.filter(|one| one.spec_hash.as_deref() == Some(hash.as_str()));
        if applied.is_some_and(|one| one.leads_like(&wanted)) {
            continue;
        }
        if applied.is_some() {
            events.push(put_back(
                "Service",
                &wanted.name,
                "the selector or the ports",
            ));
        }
        operations.push(Operation::Apply(object));
    }
    (operations, events)
}

/// Tells that what somebody has changed of a child is as the spec has it again.
fn put_back(kind: &str, name: &str, what: &str) -> Event {
    Event::normal(
        Reason::Restored,
        format!("somebody has changed {what} in {kind} {name}: put back as the spec has it"),
    )
}

/// Deletes what belongs to stages that are gone, and tests that nobody waits for any more.
fn leftovers(seen: &Observed, owner: &Owner, stages: &[StageStatus]) -> Vec<Operation> {
    let namespace = &owner.namespace;
    // By name, as they are found: labels are anybody's to change.
    let kept: BTreeSet<String> = stages
        .iter()
        .flat_map(|one| {
            [
                names::stage(&owner.name, &one.name),
                names::peers(&owner.name, &one.name),
            ]
        })
        .collect();
    let tests: BTreeSet<String> = seen
        .object
        .spec
        .stages
        .iter()
        .zip(stages)
        .filter_map(|(stage, status)| Some((stage, status.next.as_ref()?)))
        .flat_map(|(stage, next)| {
            let version = Version {
                number: next.version,
                digest: next.digest.clone(),
            };
            gate::test::wanted(owner, stage, &version, &next.revision)
        })
        .collect();
    let deployments = seen
        .deployments
        .iter()
        .filter(|one| !kept.contains(&one.name))
        .map(|one| Target::built_in::<Deployment>(namespace, &one.name, &one.uid));
    let services = seen
        .services
        .iter()
        .filter(|one| !kept.contains(&one.name))
        .map(|one| Target::built_in::<Service>(namespace, &one.name, &one.uid));
    let jobs = seen
        .jobs
        .iter()
        .filter(|job| gate::test::is_test(job) && !job.deleting && !tests.contains(&job.name))
        .map(|job| Target::built_in::<Job>(namespace, &job.name, &job.uid));
    deployments
        .chain(services)
        .chain(jobs)
        .map(Operation::Delete)
        .collect()
}
