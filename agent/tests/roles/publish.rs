//! `agent exec` and `agent run` together: a model is published.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use drift::profile::Profile;
use millwright_crds::wire::{
    self,
    attempt::{AttemptResult, ProgressReport, RunTask},
    contract::key,
};
use nix::sys::signal::Signal;

use crate::{
    exec::task as exec_task,
    pod::{Ended, Pod, Running, eventually, files, sidecar},
};

pub fn task() -> RunTask {
    RunTask {
        v: 1,
        training_job: "train".into(),
        uid: "uid-1".into(),
        attempt: 2,
        model: Some("delay".into()),
        output: "/mnt/model".into(),
        objective: Some("mae".into()),
        profile_input: None,
    }
}

/// A trainer that runs a shell script in the output folder.
fn trainer(pod: &Pod, script: &str) -> Command {
    let output = pod.path("/mnt/model");
    fs::create_dir_all(&output).unwrap();
    let mut command = pod.agent(&exec_task(true), &["exec", "--", "sh", "-c", script]);
    command
        .env_remove("MILLWRIGHT_STORE")
        .env("MILLWRIGHT_MODEL_DIR", &output)
        .current_dir(output);
    command
}

pub fn train(pod: &Pod, script: &str) -> Ended {
    pod.run(trainer(pod, script))
}

#[test]
fn a_model_its_metrics_and_its_profile() {
    let pod = Pod::new();
    let (sidecar, _) = sidecar(&pod, &task());
    let rows = pod.path("/millwright/run/training-rows.csv");
    let script = format!(
        "umask 077; mkdir sub; echo model > sub/m; echo '{{\"mae\": 9.5, \"why\": \"x\"}}' > \
         metrics.json; printf 'x,c\\n1,a\\n2,b\\n' > {}",
        rows.display()
    );
    let ended = train(&pod, &script);
    let result: AttemptResult = ended.result();
    assert_eq!(result.files, 2);
    assert_eq!(result.metrics.get("mae"), Some(&9.5));
    assert_eq!(result.metrics.len(), 1);
    assert_eq!(result.key, "runs/uid-1/2/result.json");
    let stored: AttemptResult = wire::read(&fs::read(pod.key(&result.key)).unwrap()).unwrap();
    assert_eq!(stored, result);
    let profile = key::model_profile("team", "delay", &result.digest);
    assert_eq!(result.profile.as_deref(), Some(profile.as_str()));
    let profile = Profile::decode(&fs::read(pod.key(&profile)).unwrap()).unwrap();
    assert_eq!(profile.columns().len(), 2);
    // The sidecar of a real pod is another user.
    for file in ["/mnt/model/sub/m", "/millwright/run/training-rows.csv"] {
        let mode = pod.path(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o444, 0o444, "{file}");
    }
    pod.check_store();
    sidecar.signal(Signal::SIGTERM);
    let (code, log) = sidecar.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\"why\" is left out"), "{log}");
}

#[test]
fn the_same_bytes_have_the_same_digest() {
    let digests: Vec<String> = (0..2)
        .map(|attempt| {
            let pod = Pod::new();
            let mut task = task();
            task.attempt = attempt;
            let _sidecar = sidecar(&pod, &task);
            let result: AttemptResult = train(&pod, "echo a > b; echo c > a").result();
            result.digest
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn the_input_s_profile_stands_in_for_training_rows() {
    let pod = Pod::new();
    let mut task = task();
    task.profile_input = Some("/mnt/inputs/train".into());
    pod.write("/mnt/inputs/train/a.csv", "x\n1\n");
    pod.write("/mnt/inputs/train/b/c.csv", "x\n2\n");
    let first = sidecar(&pod, &task);
    let result: AttemptResult = train(&pod, "echo m > m").result();
    let profile = fs::read(pod.key(&result.profile.unwrap())).unwrap();
    let of_rows = Profile::decode(&profile).unwrap();
    assert_eq!(of_rows.column("x").unwrap().count(), 2);
    drop(first);

    pod.write("/mnt/inputs/profile.bin", &profile);
    task.profile_input = Some("/mnt/inputs/profile.bin".into());
    let second = sidecar(&pod, &task);
    let result: AttemptResult = train(&pod, "echo other > m").result();
    let copied = fs::read(pod.key(&result.profile.unwrap())).unwrap();
    assert_eq!(Profile::decode(&copied).unwrap(), of_rows);
    drop(second);

    task.profile_input = Some("/mnt/inputs/none".into());
    let _third = sidecar(&pod, &task);
    let result: AttemptResult = train(&pod, "echo third > m").result();
    assert_eq!(result.profile, None);
}

#[test]
fn what_can_t_be_published_is_named() {
    let pod = Pod::new();
    let _sidecar = sidecar(&pod, &task());
    train(&pod, "true").fails(74, &["output.path /mnt/model", "left no file"]);
    train(&pod, "echo m > m; echo '{\"mae\": NaN}' > metrics.json")
        .fails(74, &["/mnt/model/metrics.json", "\"mae\"", "NaN"]);
    train(&pod, "echo mae=3 > metrics.json").fails(74, &["metrics.json", "JSON object"]);
    train(&pod, "rm metrics.json; mkfifo pipe").fails(74, &["pipe", "neither a file"]);
    fs::remove_file(pod.path("/mnt/model/pipe")).unwrap();
    symlink("/etc/passwd", pod.path("/mnt/model/link")).unwrap();
    train(&pod, "true").fails(74, &["link is a link to /etc/passwd"]);
    fs::remove_file(pod.path("/mnt/model/link")).unwrap();
    pod.write("/millwright/run/training-rows.csv", "a,b\n1\n");
    train(&pod, "true").fails(74, &["training-rows.csv has 1 fields in line 2"]);
    assert!(files(&pod.key("runs")).is_empty());
    assert_eq!(train(&pod, "exit 3").code, Some(3));
}

#[test]
fn an_upload_that_fails_and_recovers() {
    let pod = Pod::new();
    let (mut sidecar, port) = sidecar(&pod, &task());
    assert!(!progress(port).publishing);
    // Nothing can be made below a file.
    fs::write(pod.key("blobs"), "").unwrap();
    let trainer = Running::start(trainer(&pod, "echo model > m"));
    let line = sidecar.wait_for("trying again");
    assert!(
        line.contains("the artifact store failed at blobs/"),
        "{line}"
    );
    assert!(progress(port).publishing);
    // The trainer is done by now: a stop waits for its model.
    trainer.signal(Signal::SIGTERM);
    fs::remove_file(pod.key("blobs")).unwrap();
    let (code, log) = trainer.end();
    assert_eq!(code, Some(0), "{log}");
    pod.check_store();
}

#[test]
fn a_store_that_never_recovers() {
    let pod = Pod::new();
    let _sidecar = sidecar(&pod, &task());
    fs::write(pod.key("blobs"), "").unwrap();
    let mut task = exec_task(true);
    task.publish_timeout_seconds = 4;
    pod.write("/mnt/model/m", "m");
    pod.run(pod.agent(&task, &["exec", "--", "true"]))
        .fails(74, &["the artifact store failed at blobs/"]);
}

#[test]
fn a_sidecar_that_is_killed_in_mid_upload() {
    let pod = Pod::new();
    let (first, _) = sidecar(&pod, &task());
    let script =
        "dd if=/dev/zero of=m bs=1M count=100 2>&1; echo \"{\\\"mae\\\": 1}\" > metrics.json";
    let trainer = Running::start(trainer(&pod, script));
    eventually("an upload has begun", || {
        !files(&pod.key("blobs")).is_empty()
    });
    first.signal(Signal::SIGKILL);
    drop(first);
    pod.check_store();
    let _second = sidecar(&pod, &task());
    let (code, log) = trainer.end();
    assert_eq!(code, Some(0), "{log}");
    pod.check_store();
    let result = fs::read(pod.key("runs/uid-1/2/result.json")).unwrap();
    assert_eq!(wire::read::<AttemptResult>(&result).unwrap().files, 2);
}

#[test]
fn a_sidecar_that_comes_late() {
    let pod = Pod::new();
    let mut trainer = Running::start(trainer(&pod, "echo m > m"));
    trainer.wait_for("publishing");
    let _sidecar = sidecar(&pod, &task());
    let (code, log) = trainer.end();
    assert_eq!(code, Some(0), "{log}");
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn progress(port: u16) -> ProgressReport {
    let answer = get(port, "/progress");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    wire::read(body.as_bytes()).unwrap()
}

#[test]
fn health_and_progress() {
    let pod = Pod::new();
    let (_sidecar, port) = sidecar(&pod, &task());
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200"));
    let progress = || progress(port);
    let none = progress();
    assert_eq!((none.pod_uid.as_str(), none.percent), ("pod-1", None));
    pod.write(
        "/mnt/model/metrics.jsonl",
        "{\"loss\": 2, \"percent\": 40}\n{\"loss\": 1}\n{\"lo",
    );
    let some = progress();
    assert_eq!(some.percent, Some(40));
    assert_eq!(some.metrics["loss"], 1.0);
}
