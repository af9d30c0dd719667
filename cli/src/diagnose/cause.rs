//! Causes: the reasons that an object gives, in the words of the table that the planners use.

use millwright_crds::{
    Dataset, ModelDeployment, RetrainPolicy, TrainingJob,
    common::{Condition, ConditionType},
    dataset::VersionState,
    model_deployment::{GateState, ModelDeploymentPhase},
    retrain_policy::RunOutcome,
    training_job::FailureReason,
};
use millwright_plan::{Reason, reason::CHANGE};

use super::Case;
use crate::{
    kind::{Kind, Reference},
    objects::{State, condition, stands, typed},
};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// One word.
    pub reason: String,
    /// What it means.
    pub meaning: Option<String>,
    /// What the object says of it.
    pub message: String,
    /// A command that shows or mends it.
    pub command: Option<String>,
}

/// What is wrong with an object, the most particular first; nothing for one that is well.
pub fn causes(case: &Case) -> Vec<Cause> {
    let state = State::of(case.object);
    let mut reasons = match case.reference.kind {
        Kind::Dataset => typed(case.object).map(|object| of_dataset(&object)),
        Kind::TrainingJob => typed(case.object).map(|object| of_training_job(&object)),
        Kind::ModelDeployment => typed(case.object).map(|object| of_deployment(&object)),
        Kind::Model | Kind::ModelVersion | Kind::RetrainPolicy => Ok(vec![]),
    }
    .unwrap_or_default();
    let failed = Reason::GateFailed.as_str();
    // Gates that refuse for another reason than a measured value say it themselves.
    let by_gates = !reasons.is_empty() && reasons.iter().all(|(reason, _)| reason != failed);
    let conditions = of_conditions(&state.conditions).into_iter();
    reasons.extend(conditions.filter(|(reason, _)| !by_gates || reason != failed));

    let mut causes: Vec<Cause> = vec![];
    if !state.observed && !is_new_and_seen(case) {
        causes.push(unobserved());
    }
    for (reason, message) in reasons {
        match causes.iter_mut().find(|cause| cause.reason == reason) {
            // The conditions say the same as what is more particular, with more or less around it.
            Some(known) if known.message.contains(&message) => {}
            Some(known) if message.contains(&known.message) => known.message = message,
            Some(known) => known.message = format!("{}; {message}", known.message),
            None => causes.extend(advised(case, reason, message)),
        }
    }
    causes
}

/// Objects whose own diagnosis tells more.
pub fn related(case: &Case) -> Vec<Reference> {
    let job = |name: &str| Reference {
        kind: Kind::TrainingJob,
        name: name.to_owned(),
    };
    match case.reference.kind {
        Kind::TrainingJob => typed::<TrainingJob>(case.object)
            .ok()
            .filter(|object| {
                let failure = object.status.as_ref().and_then(|s| s.failure.as_ref());
                failure.is_some_and(|failure| failure.reason == FailureReason::InputUnavailable)
                    || is_waiting_for_data(&State::of(case.object))
            })
            .map(|object| {
                let evaluation = object.spec.evaluation.iter().map(|e| &e.dataset.name);
                let inputs = object.spec.inputs.iter().map(|input| &input.dataset.name);
                let mut names: Vec<_> = inputs.chain(evaluation).cloned().collect();
                names.dedup();
                names
            })
            .unwrap_or_default()
            .into_iter()
            .map(|name| Reference {
                kind: Kind::Dataset,
                name,
            })
            .collect(),
        Kind::RetrainPolicy => typed::<RetrainPolicy>(case.object)
            .ok()
            .and_then(|object| object.status?.last_run)
            .filter(|run| run.outcome == Some(RunOutcome::Failed))
            .map(|run| job(&run.training_job))
            .into_iter()
            .collect(),
        _ => vec![],
    }
}

fn is_waiting_for_data(state: &State) -> bool {
    state
        .condition(ConditionType::Ready)
        .is_some_and(|ready| ready.reason == Reason::InputUnavailable.as_str())
}

type Said = (String, String);

/// What the conditions say. Ready gives its reason even when it is true, if that is one to mend: an
/// object can do its job while something newer is in trouble.
fn of_conditions(conditions: &[Condition]) -> Vec<Said> {
    let stalled = condition(conditions, ConditionType::Stalled).filter(|c| c.status == "True");
    let ready = stands(conditions).filter(|c| {
        c.type_ == ConditionType::Suspended.as_str()
            || c.status != "True"
            || Reason::parse(&c.reason).and_then(Reason::advice).is_some()
    });
    stalled
        .into_iter()
        .chain(ready)
        .map(|condition| (condition.reason.clone(), condition.message.clone()))
        .collect()
}

fn of_dataset(dataset: &Dataset) -> Vec<Said> {
    let newest = dataset
        .status
        .as_ref()
        .and_then(|status| status.versions.first());
    newest
        .filter(|version| version.state == VersionState::Rejected)
        .map(|version| {
            let failed = version.failed.iter();
            let failed: Vec<_> = failed
                .map(|failed| format!("{}: {}", failed.expectation, failed.observed))
                .collect();
            let message = format!("{} failed {}", version.version, failed.join("; "));
            (Reason::ExpectationFailed.as_str().to_owned(), message)
        })
        .into_iter()
        .collect()
}

fn of_training_job(job: &TrainingJob) -> Vec<Said> {
    let status = job.status.clone().unwrap_or_default();
    let succeeded = condition(&status.conditions, ConditionType::Complete)
        .is_some_and(|complete| complete.status == "True");
    status
        .failure
        .filter(|_| !succeeded)
        .map(|failure| (format!("{:?}", failure.reason), failure.message))
        .into_iter()
        .collect()
}

fn of_deployment(deployment: &ModelDeployment) -> Vec<Said> {
    let status = deployment.status.clone().unwrap_or_default();
    let refused = status.stages.iter().flat_map(|stage| {
        let gates = stage.next.iter().flat_map(|next| {
            next.gates
                .iter()
                .filter(|gate| gate.state == GateState::Failed)
                .map(move |gate| (next.version, gate))
        });
        gates.map(|(version, gate)| {
            let message = format!(
                "v{version} was refused entry to {} by gate {}: {}",
                stage.name, gate.name, gate.message
            );
            (gate.reason.clone(), message)
        })
    });
    let taken_back = status
        .stages
        .iter()
        .filter(|_| status.phase == ModelDeploymentPhase::RolledBack)
        .filter_map(|stage| {
            let rollback = stage.last_rollback.as_ref()?;
            let message = format!(
                "v{} in {}: {}",
                rollback.version, stage.name, rollback.message
            );
            Some((rollback.reason.clone(), message))
        });
    refused.chain(taken_back).collect()
}

/// A reason that needs mending, with what the table says of it.
fn advised(case: &Case, reason: String, message: String) -> Option<Cause> {
    let known = Reason::parse(&reason);
    let advice = known.and_then(Reason::advice);
    if known.is_some() && advice.is_none() {
        return None;
    }
    Some(Cause {
        reason,
        message,
        meaning: advice.map(|advice| advice.cause.to_owned()),
        command: advice.map(|advice| {
            advice
                .command
                .replace(CHANGE, change(case.reference.kind))
                .replace("{namespace}", case.namespace)
                .replace("{kind}", case.reference.kind.short())
                .replace("{name}", &case.reference.name)
        }),
    })
}

/// How a spec is changed. That of a run stays as it was: it is made again.
fn change(kind: Kind) -> &'static str {
    match kind {
        Kind::TrainingJob => {
            "kubectl -n {namespace} get {kind} {name} -o yaml > {name}.yaml  # change it, then: \
             kubectl replace --force -f {name}.yaml"
        }
        _ => "kubectl -n {namespace} edit {kind} {name}",
    }
}

/// The first status of a run comes when its trainer runs; until then its Events show that the
/// operator is at work.
fn is_new_and_seen(case: &Case) -> bool {
    let observed = case.object.data.pointer("/status/observedGeneration");
    let new = observed.and_then(serde_json::Value::as_i64).unwrap_or(-1) < 0;
    new && case.events.as_ref().is_ok_and(|events| !events.is_empty())
}

fn unobserved() -> Cause {
    Cause {
        reason: "NotObserved".into(),
        meaning: Some("The operator has not looked at the current spec.".into()),
        message: "it does not run, is not allowed in this namespace, or is about to look".into(),
        command: Some("kubectl get pods -A -l app.kubernetes.io/name=millwright".into()),
    }
}
