//! The evaluation gate: bounds on what the evaluation pod measured.
//!
//! Two versions are only compared by scores on the same data. The evaluation has them for the new
//! version and for the champion, which the last stage runs; a stage that runs another version is
//! compared with that version's own evaluation if it was on the same data digest. Where there is no
//! such score the gate refuses and asks for a new training: letting the version in would mean that
//! nobody has compared it with what it replaces. A person who pins an older version than the stage
//! serves goes back because of what no evaluation has shown: it need not be better.

use millwright_crds::{
    metric::Goal,
    model_deployment::{CurrentStageVersion, EvaluationGate},
    model_version::VersionEvaluation,
};

use super::{Case, Judgement};
use crate::{
    Reason,
    model_deployment::{target::Version, text::figure},
};

/// Characters of a digest in a message.
const DIGEST_LENGTH: usize = 19;

/// What the gate says.
pub(super) fn judge(gate: &EvaluationGate, case: &Case<'_>) -> Judgement {
    let candidate = case.candidate;
    if case.already_in() {
        return Judgement::passed(format!(
            "{candidate} is in this stage already; only its pods change"
        ));
    }
    let Some(record) = candidate.record(case.versions) else {
        return Judgement::pending(format!(
            "the ModelVersion of {candidate} was deleted, and its evaluation with it: make it \
             again, or train again"
        ));
    };
    let name = record.metadata.name.as_deref().unwrap_or_default();
    let missing = |what: String| Judgement::failed(Reason::EvaluationMissing, what);
    let Some(evaluation) = &record.spec.evaluation else {
        return missing(format!(
            "ModelVersion {name} has no evaluation: give the TrainingJob spec.evaluation and \
             train again: refused"
        ));
    };
    let metric = &gate.metric;
    let Some(value) = evaluation.metrics.get(metric).copied() else {
        let known: Vec<&str> = evaluation.metrics.keys().map(String::as_str).collect();
        return missing(format!(
            "the evaluation of {name} has no metric {metric}, it has {}: write it to the \
             evaluator's metrics.json, or name another in the gate: refused",
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        ));
    };
    let Some(goal) = gate.goal() else {
        return Judgement::failed(
            Reason::InvalidSpec,
            format!("set goal (Maximize or Minimize): which side of {metric} is good isn't known"),
        );
    };
    let data = format!(
        "{metric} {} on {} {} ({}…)",
        figure(value),
        evaluation.dataset,
        evaluation.version,
        evaluation
            .digest
            .chars()
            .take(DIGEST_LENGTH)
            .collect::<String>()
    );
    let (within, bound) = bound(gate.limit, goal, value);
    let judgement = match compare(gate, goal, value, evaluation, case) {
        Err(outdated) => Judgement::failed(
            Reason::EvaluationOutdated,
            format!("{data}{}; {outdated}: refused", bound_clause(&bound)),
        ),
        Ok((better, comparison)) => {
            let clauses: Vec<String> = [bound, comparison].into_iter().flatten().collect();
            let text = format!("{data} {}", clauses.join(", and "));
            if within && better {
                Judgement::passed(text)
            } else {
                Judgement::failed(Reason::GateFailed, format!("{text}: refused"))
            }
        }
    };
    Judgement {
        value: Some(value),
        ..judgement
    }
}

fn bound_clause(bound: &Option<String>) -> String {
    bound
        .as_ref()
        .map(|clause| format!(" {clause}"))
        .unwrap_or_default()
}

/// Whether the value is on the good side of the limit, and the words for it.
fn bound(limit: Option<f64>, goal: Goal, value: f64) -> (bool, Option<String>) {
    let Some(limit) = limit else {
        return (true, None);
    };
    let within = goal.improvement(value, limit) >= 0.0;
    let words = if within { "is within" } else { "is beyond" };
    (within, Some(format!("{words} the limit {}", figure(limit))))
}

/// Whether the value is better enough than that of the version in the stage, and the words for it.
fn compare(
    gate: &EvaluationGate,
    goal: Goal,
    value: f64,
    evaluation: &VersionEvaluation,
    case: &Case<'_>,
) -> Result<(bool, Option<String>), String> {
    let Some(least) = gate.min_improvement else {
        return Ok((true, None));
    };
    if case.goes_back() {
        let why = "need not be better: spec.model.version goes back to it";
        return Ok((true, Some(why.into())));
    }
    let Some(current) = case.current else {
        return Ok((
            true,
            Some("has nothing to be better than: the stage is empty".into()),
        ));
    };
    let theirs = score_of(current, &gate.metric, evaluation, case)?;
    let better = goal.improvement(value, theirs) >= least;
    let words = if better { "is" } else { "is not" };
    Ok((
        better,
        Some(format!(
            "{words} at least {} better than v{}'s {} on the same data",
            figure(least),
            current.version,
            figure(theirs)
        )),
    ))
}

/// The score of the version in the stage, on the data of this evaluation.
fn score_of(
    current: &CurrentStageVersion,
    metric: &str,
    evaluation: &VersionEvaluation,
    case: &Case<'_>,
) -> Result<f64, String> {
    let number = current.version;
    let champion = evaluation
        .champion
        .as_ref()
        .filter(|champion| champion.version == number)
        .map(|champion| &champion.metrics);
    let own = || {
        Version::serving(current)
            .record(case.versions)
            .and_then(|record| record.spec.evaluation.as_ref())
            .filter(|own| own.digest == evaluation.digest)
            .map(|own| &own.metrics)
    };
    if let Some(metrics) = champion.or_else(own) {
        return metrics.get(metric).copied().ok_or_else(|| {
            format!("v{number}, which the stage serves, has no {metric} on the same data")
        });
    }
    Err(match &evaluation.champion {
        Some(champion) => format!(
            "it was compared with v{}, but the stage serves v{number} by now: train again, so \
             that both are scored on the same data",
            champion.version
        ),
        None => format!(
            "it was not compared with v{number}, which the stage serves: train with \
             spec.evaluation.against: Champion, so that both are scored on the same data"
        ),
    })
}

#[cfg(test)]
mod tests;
