//! `kubectl millwright retrain`: asks a policy for a run, on the record.

use futures::StreamExt;
use jiff::Timestamp;
use kube::{
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher::watch_object},
};
use millwright_crds::{
    ANNOTATION_RETRAIN, RetrainPolicy, RetrainPolicyStatus, retrain_policy::PolicyRun,
};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::{
    Outcome,
    args::RetrainOptions,
    cluster::Cluster,
    kind::{Kind, Reference},
    objects::{stands, typed},
    problem::{self, Problem},
    terminal::Terminal,
};

/// The field manager of our one write. Flux strips managers whose names begin with `kubectl`.
const FIELD_MANAGER: &str = "millwright-cli";
/// What a run names as its trigger when a person asked for it.
const MANUAL: &str = "manual";

/// Asks, waits for the operator's answer, and names the run that follows.
pub async fn run(
    cluster: &Cluster,
    terminal: &Terminal,
    options: &RetrainOptions,
) -> Result<Outcome, Problem> {
    let object = &options.policy;
    if object.kind != Kind::RetrainPolicy {
        return Err(Problem::new(
            format!(
                "a {} can't be asked for a run, only a RetrainPolicy",
                object.kind
            ),
            "write rp/NAME; to train without a policy, create a TrainingJob",
        ));
    }
    let policy = read(cluster, object).await?;
    let before = policy.status.clone().unwrap_or_default();
    if let Some(why) = refusal(&policy, &before) {
        terminal.print(&format!("no run: {why}"))?;
        return Ok(Outcome::Failed);
    }
    let request = request(before.version, Timestamp::now());
    ask(cluster, object, &request).await?;

    let Some(after) = answer(cluster, object, &request, options).await? else {
        terminal.print(&format!(
            "{object} has not answered yet; it will when the operator runs: kubectl get pods -A -l app.kubernetes.io/name=millwright"
        ))?;
        return Ok(Outcome::TimedOut);
    };
    match started(&before, &after) {
        Some(run) => {
            terminal.print(&format!(
                "TrainingJob {} follows; wait for its end: kubectl millwright wait tj/{} -n {}",
                run.training_job, run.training_job, cluster.namespace
            ))?;
            Ok(Outcome::Done)
        }
        None => {
            let why = stands(&after.conditions)
                .map_or("the policy gives no reason", |said| said.message.as_str());
            terminal.print(&format!("no run: {why}"))?;
            Ok(Outcome::Failed)
        }
    }
}

async fn read(cluster: &Cluster, object: &Reference) -> Result<RetrainPolicy, Problem> {
    typed(&cluster.get(object).await?).map_err(|error| unreadable(object, &error))
}

fn unreadable(object: &Reference, error: &str) -> Problem {
    Problem::new(
        format!("{object} can't be read by this version of the plugin: {error}"),
        "take the plugin of the version that the cluster's CRDs have",
    )
}

/// Why asking would be in vain.
fn refusal(policy: &RetrainPolicy, status: &RetrainPolicyStatus) -> Option<String> {
    let stage = &policy.spec.deployment;
    if policy.spec.suspend {
        Some("spec.suspend of the policy is true; set it to false first".into())
    } else if status.version.is_none() {
        Some(format!(
            "no version runs in stage {} of ModelDeployment {} yet; the first model is trained by a TrainingJob of your own",
            stage.stage, stage.name
        ))
    } else {
        None
    }
}

/// Names the version that the run shall replace, so that a manifest applied again later asks for
/// nothing.
fn request(version: Option<u32>, now: Timestamp) -> String {
    format!("{}/{now}", version.unwrap_or(0))
}

async fn ask(cluster: &Cluster, object: &Reference, request: &str) -> Result<(), Problem> {
    let patch = json!({"metadata": {"annotations": {ANNOTATION_RETRAIN: request}}});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    cluster
        .api(object.kind)
        .patch(&object.name, &params, &Patch::Merge(patch))
        .await
        .map_err(|error| {
            let name = Some(object.name.as_str());
            cluster.request("patch", object.kind, name).failed(&error)
        })?;
    Ok(())
}

/// The status that answers the request; `None` when the time is over first.
async fn answer(
    cluster: &Cluster,
    object: &Reference,
    request: &str,
    options: &RetrainOptions,
) -> Result<Option<RetrainPolicyStatus>, Problem> {
    let watch = watch_object(cluster.api(object.kind), &object.name).default_backoff();
    let mut watch = std::pin::pin!(watch);
    let deadline = Instant::now() + options.timeout;
    while let Ok(Some(seen)) = timeout_at(deadline, watch.next()).await {
        match seen {
            Ok(Some(found)) => {
                let policy: RetrainPolicy =
                    typed(&found).map_err(|error| unreadable(object, &error))?;
                let status = policy.status.unwrap_or_default();
                if status.answered.as_deref() == Some(request) {
                    return Ok(Some(status));
                }
            }
            Ok(None) => {
                return Err(problem::missing(
                    object.kind,
                    &object.name,
                    &cluster.namespace,
                ));
            }
            Err(error) => {
                let name = Some(object.name.as_str());
                let problem = cluster
                    .request("watch", object.kind, name)
                    .watch_failed(&error);
                // Interruptions pass; a missing right does not.
                if let kube::runtime::watcher::Error::InitialListFailed(_) = error {
                    return Err(problem);
                }
            }
        }
    }
    Ok(None)
}

/// The run that was started because a person asked.
fn started<'a>(
    before: &RetrainPolicyStatus,
    after: &'a RetrainPolicyStatus,
) -> Option<&'a PolicyRun> {
    let known = before.last_run.as_ref().map_or(0, |run| run.firing);
    after
        .last_run
        .as_ref()
        .filter(|run| run.firing > known && run.trigger == MANUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(firing: Option<u32>) -> RetrainPolicyStatus {
        RetrainPolicyStatus {
            last_run: firing.map(|firing| PolicyRun {
                training_job: format!("run-{firing}"),
                firing,
                trigger: MANUAL.into(),
                started_at: "2026-11-23T14:00:00Z".into(),
                finished_at: None,
                outcome: None,
                model_version: None,
            }),
            ..RetrainPolicyStatus::default()
        }
    }

    #[test]
    fn a_run_that_was_there_before_is_no_answer() {
        assert!(started(&status(Some(1)), &status(Some(1))).is_none());
        assert!(started(&status(None), &status(None)).is_none());
        let after = status(Some(2));
        assert_eq!(
            started(&status(Some(1)), &after).unwrap().training_job,
            "run-2"
        );
    }

    #[test]
    fn a_request_names_the_running_version_and_is_never_repeated() {
        let at = |text: &str| text.parse().unwrap();
        let one = request(Some(7), at("2026-11-23T14:02:11.5Z"));
        assert!(one.starts_with("7/"), "{one}");
        assert_ne!(one, request(Some(7), at("2026-11-23T14:02:11.6Z")));
    }
}
