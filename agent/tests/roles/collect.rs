//! `agent collect`.

use millwright_crds::{
    training_job::FailureReason,
    wire::{attempt::AttemptResult, evaluation::EvaluationReport},
};

use crate::{
    evaluate,
    pod::{Ended, Pod, Running, sidecar},
    publish,
};

fn collect(pod: &Pod, more: &[&str]) -> Ended {
    let role = [&["collect", "--uid", "uid-1", "--attempt", "2"], more].concat();
    pod.run(pod.agent_without_task(&role))
}

#[test]
fn what_was_published_is_said_again() {
    let pod = Pod::new();
    pod.write("/mnt/model/m", "m");
    let running = sidecar(&pod, &publish::task());
    let task = crate::exec::task(true);
    let result: AttemptResult = pod.run(pod.agent(&task, &["exec", "--", "true"])).result();
    drop(running);
    let other = pod.beside();
    assert_eq!(collect(&other, &[]).result::<AttemptResult>(), result);

    let running: Running = evaluate::sidecar(&pod);
    let report: EvaluationReport = evaluate::evaluate(&pod, true, evaluate::SCRIPT).result();
    drop(running);
    let again: EvaluationReport = collect(&other, &["--evaluation"]).result();
    assert_eq!(again, report);
}

#[test]
fn an_attempt_that_left_nothing() {
    let pod = Pod::new();
    let ended = collect(&pod, &[]);
    assert_eq!(ended.failure(69).reason, FailureReason::PublishFailed);
    ended.fails(69, &["runs/uid-1/2/result.json"]);
    let ended = collect(&pod, &["--evaluation"]);
    assert_eq!(ended.failure(69).reason, FailureReason::EvaluationFailed);
}
