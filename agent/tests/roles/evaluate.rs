//! `agent evaluate` and `agent run --evaluation` together.

use std::fs;

use drift::profile::{ColumnProfile, Profile};
use millwright_crds::wire::{
    self,
    contract::key,
    evaluation::{EvaluateTask, EvaluationReport, EvaluationStoreTask},
};
use nix::sys::signal::Signal;

use crate::pod::{Ended, Pod, Running, eventually};

const DIGEST: &str = "sha256:abcd";

pub fn sidecar(pod: &Pod) -> Running {
    let task = EvaluationStoreTask {
        v: 1,
        uid: "uid-1".into(),
        attempt: 2,
        model: "delay".into(),
        digest: DIGEST.into(),
    };
    let mut running = Running::start(pod.agent(&task, &["run", "--evaluation", "--port", "0"]));
    running.wait_for("ready on");
    running
}

/// Runs a script for a candidate, and a champion if asked for, whose folders hold their error.
pub fn evaluate(pod: &Pod, champion: bool, script: &str) -> Ended {
    pod.write("/mnt/models/candidate/mae", "8.5");
    pod.write("/mnt/models/champion/mae", "9.5");
    pod.write("/mnt/inputs/data/a.csv", "x\n1\n");
    let task = EvaluateTask {
        v: 1,
        champion,
        objective: Some("mae".into()),
        grace_seconds: 1,
    };
    let mut command = pod.agent(&task, &["evaluate", "--", "sh", "-e", "-c", script]);
    command.env_remove("MILLWRIGHT_STORE");
    pod.run(command)
}

pub const SCRIPT: &str = "test -f $MILLWRIGHT_INPUT_DATA/a.csv; \
    echo \"{\\\"mae\\\": $(cat $MILLWRIGHT_MODEL_DIR/mae)}\" > $MILLWRIGHT_OUTPUT_DIR/metrics.json; \
    printf 'prediction,label\\n1.5,2\\n2.5,2\\n' > $MILLWRIGHT_OUTPUT_DIR/predictions.csv";

#[test]
fn both_models_and_the_predictions() {
    let pod = Pod::new();
    let _sidecar = sidecar(&pod);
    let report: EvaluationReport = evaluate(&pod, true, SCRIPT).result();
    assert_eq!(
        (report.candidate["mae"], report.champion["mae"]),
        (8.5, 9.5)
    );
    let stored = fs::read(pod.key("runs/uid-1/2/evaluation.json")).unwrap();
    assert_eq!(wire::read::<EvaluationReport>(&stored).unwrap(), report);
    let profile = key::model_predictions("team", "delay", DIGEST);
    assert_eq!(report.predictions.as_deref(), Some(profile.as_str()));
    let profile = Profile::decode(&fs::read(pod.key(&profile)).unwrap()).unwrap();
    assert_eq!(profile.columns().len(), 1);
    let ColumnProfile::Numeric(predictions) = profile.column("prediction").unwrap() else {
        panic!("predictions are numbers");
    };
    assert_eq!(predictions.count(), 2);
}

#[test]
fn without_a_champion_and_without_predictions() {
    let pod = Pod::new();
    let _sidecar = sidecar(&pod);
    let script = "echo '{\"mae\": 1, \"r2\": 0.5}' > $MILLWRIGHT_OUTPUT_DIR/metrics.json";
    let report: EvaluationReport = evaluate(&pod, false, script).result();
    assert_eq!(report.candidate.len(), 2);
    assert!(report.champion.is_empty());
    assert_eq!(report.predictions, None);
}

#[test]
fn what_an_evaluator_did_wrong_is_named() {
    let pod = Pod::new();
    let _sidecar = sidecar(&pod);
    evaluate(&pod, false, "true").fails(75, &["candidate", "metrics.json", "was not written"]);
    let metrics = |text: &str| format!("echo '{text}' > $MILLWRIGHT_OUTPUT_DIR/metrics.json");
    evaluate(&pod, false, &metrics("{\"rmse\": 1}")).fails(75, &["no \"mae\"", "it has rmse"]);
    evaluate(&pod, false, &metrics("{\"mae\": Infinity}")).fails(75, &["\"mae\"", "infinite"]);
    evaluate(&pod, false, &metrics("{mae}")).fails(75, &["JSON object"]);
    let predictions = metrics("{\"mae\": 1}") + "; echo p > $MILLWRIGHT_OUTPUT_DIR/predictions.csv";
    evaluate(&pod, false, &predictions)
        .fails(75, &["predictions.csv has no column \"prediction\""]);
}

#[test]
fn predictions_are_no_link_to_a_file_of_the_sidecar() {
    let pod = Pod::new();
    let _sidecar = sidecar(&pod);
    let script = "echo '{\"mae\": 1}' > $MILLWRIGHT_OUTPUT_DIR/metrics.json; \
        ln -s /proc/self/environ $MILLWRIGHT_OUTPUT_DIR/predictions.csv";
    evaluate(&pod, false, script).fails(75, &["predictions.csv is not a file there"]);
}

#[test]
fn the_command_s_own_code_passes_through() {
    let pod = Pod::new();
    let _sidecar = sidecar(&pod);
    let ended = evaluate(
        &pod,
        true,
        "case $MILLWRIGHT_MODEL_DIR in *champion) exit 4;; esac;
        echo '{\"mae\": 1}' > $MILLWRIGHT_OUTPUT_DIR/metrics.json",
    );
    assert_eq!((ended.code, ended.message.as_ref()), (Some(4), None));
    assert!(
        ended.log.contains("of the champion ended with code 4"),
        "{}",
        ended.log
    );
}

#[test]
fn a_stop_ends_the_evaluation() {
    let pod = Pod::new();
    let task = EvaluateTask {
        v: 1,
        champion: true,
        objective: None,
        grace_seconds: 1,
    };
    let script =
        "touch $MILLWRIGHT_OUTPUT_DIR/ready; trap 'exit 0' TERM; while :; do sleep 0.01; done";
    let running = Running::start(pod.agent(&task, &["evaluate", "--", "sh", "-c", script]));
    eventually("the command runs", || {
        pod.path("/millwright/run/output/candidate/ready").exists()
    });
    running.signal(Signal::SIGTERM);
    // Before its trap stands the shell dies of the signal itself: the code is the same.
    assert_eq!(running.end().0, Some(143));
}
