//! `agent evaluate`: PID 1 of the evaluator. Runs the user's command once per model on the same
//! data, and hands what they measured to the sidecar.

use std::{collections::BTreeMap, ffi::OsString, fs, io, path::PathBuf, time::Duration};

use millwright_crds::wire::{
    contract,
    evaluation::{EvaluateTask, EvaluationReport, MAX_METRICS},
};

use crate::{
    environment::{self, Layout},
    failure::Failure,
    files::let_others_read,
    handover::{self, EvaluationRequest},
    metrics,
    supervisor::Supervisor,
};

/// Longest time that storing an evaluation may take.
const HANDOVER: Duration = Duration::from_secs(300);

/// Evaluates the candidate, then the champion if there is one, and leaves an [`EvaluationReport`]
/// as termination message. Returns 0, or the code of the command that failed, with no message.
///
/// # Errors
/// When the command left no metrics that can be used, or they could not be stored.
pub(crate) async fn run(layout: &Layout, command: &[OsString]) -> Result<i32, Failure> {
    let task: EvaluateTask = environment::task()?;
    let mut supervisor = Supervisor::new()
        .map_err(|error| Failure::usage(format!("signals can't be received: {error}")))?;
    let mut report = EvaluationReport {
        v: 1,
        candidate: BTreeMap::new(),
        champion: BTreeMap::new(),
        predictions: None,
    };
    for model in [Some("candidate"), task.champion.then_some("champion")]
        .into_iter()
        .flatten()
    {
        tracing::info!("evaluating the {model}");
        let output = empty_output(layout, model)?;
        let model_dir = layout.path(&format!("{}/{model}", contract::EVALUATION_MODELS));
        let data = layout.path(contract::EVALUATION_DATA);
        let variables = [
            (contract::ENV_MODEL_DIR, model_dir.into_os_string()),
            (contract::ENV_OUTPUT_DIR, output.clone().into_os_string()),
            (&contract::env_input("data"), data.into_os_string()),
        ];
        let grace = Duration::from_secs(task.grace_seconds);
        let ended = match supervisor.run(command, &variables, grace).await {
            Ok(ended) => ended,
            Err((code, message)) => {
                tracing::error!("{message}");
                return Ok(code);
            }
        };
        let code = ended.exit_code();
        if code != 0 {
            // Kubernetes shows the last lines; this one says which model they are about.
            tracing::error!("the evaluation of the {model} ended with code {code}");
            return Ok(code);
        }
        let metrics = measured(&output, model, task.objective.as_deref())?;
        match model {
            "candidate" => report.candidate = metrics,
            _ => report.champion = metrics,
        }
    }
    let outputs = layout.path(contract::EVALUATION_OUTPUT);
    let_others_read(&outputs);
    let predictions = Some(outputs.join("candidate/predictions.csv")).filter(|file| file.exists());
    let request = EvaluationRequest {
        report,
        predictions,
        timeout_seconds: handover::time_to_answer(HANDOVER.as_secs()),
    };
    let stored: EvaluationReport = handover::ask(
        &layout.path(contract::SOCKET),
        handover::EVALUATION,
        &request,
        HANDOVER,
    )
    .await
    .map_err(Failure::evaluation)?;
    layout.leave_result(&stored).map_err(Failure::evaluation)?;
    tracing::info!("evaluated: {}", text(&stored));
    Ok(0)
}

/// The folder that the command writes to for a model, without what an earlier start left there.
fn empty_output(layout: &Layout, model: &str) -> Result<PathBuf, Failure> {
    let folder = layout.path(&format!("{}/{model}", contract::EVALUATION_OUTPUT));
    let cleared = match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&folder),
    };
    cleared.map_err(|error| {
        Failure::evaluation(format!(
            "folder {} can't be made: {error}",
            folder.display()
        ))
    })?;
    Ok(folder)
}

fn measured(
    output: &std::path::Path,
    model: &str,
    objective: Option<&str>,
) -> Result<BTreeMap<String, f64>, Failure> {
    let file = output.join("metrics.json");
    let named = |what: &str| {
        Failure::evaluation(format!(
            "the evaluation of the {model} ended well, but {} {what}",
            file.display()
        ))
    };
    let metrics = metrics::read(&file)
        .map_err(|error| named(&error))?
        .ok_or_else(|| {
            named("was not written: write {\"metric\": number} there (MILLWRIGHT_OUTPUT_DIR)")
        })?;
    if let Some(objective) = objective {
        metrics
            .objective(objective)
            .map_err(|error| named(&error))?;
    } else if metrics.values.is_empty() {
        return Err(named("has no metric"));
    }
    Ok(metrics.most(MAX_METRICS, objective))
}

fn text(report: &EvaluationReport) -> String {
    let of = |name: &str, metrics: &BTreeMap<String, f64>| {
        let metrics: Vec<_> = metrics
            .iter()
            .map(|(metric, value)| format!("{metric} {value}"))
            .collect();
        format!("{name}: {}", metrics.join(", "))
    };
    if report.champion.is_empty() {
        of("candidate", &report.candidate)
    } else {
        format!(
            "{}; {}",
            of("candidate", &report.candidate),
            of("champion", &report.champion)
        )
    }
}
