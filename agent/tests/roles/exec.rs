//! `agent exec`, without a sidecar: what becomes of the command.

use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

use millwright_crds::wire::attempt::ExecTask;
use nix::sys::signal::Signal;

use crate::pod::{Ended, PATIENCE, Pod, Running, eventually, process};

pub fn task(publish: bool) -> ExecTask {
    ExecTask {
        v: 1,
        grace_seconds: 1,
        publish,
        publish_timeout_seconds: 30,
    }
}

fn exec(pod: &Pod, command: &[&str]) -> Ended {
    pod.run(pod.agent(&task(false), &[&["exec", "--"], command].concat()))
}

/// Starts a shell script that says when it is ready, and waits for that.
fn started(pod: &Pod, script: &str) -> Running {
    let script = format!("{script}; touch ready; while :; do sleep 0.01; done");
    let mut command = pod.agent(&task(false), &["exec", "--", "sh", "-c", &script]);
    command.current_dir(pod.path("/dev"));
    let running = Running::start(command);
    eventually("the command is ready", || pod.path("/dev/ready").exists());
    running
}

#[test]
fn the_command_s_own_code_and_no_message() {
    let pod = Pod::new();
    for code in [0, 1, 3, 255] {
        let ended = exec(&pod, &["sh", "-c", &format!("echo last >&2; exit {code}")]);
        assert_eq!(ended.code, Some(code));
        assert_eq!(ended.message, None);
        assert!(ended.log.ends_with("last\n"), "{}", ended.log);
    }
    assert_eq!(exec(&pod, &["sh", "-c", "kill -9 $$"]).code, Some(137));
}

#[test]
fn the_environment_is_the_container_s() {
    let pod = Pod::new();
    let mut command = pod.agent(
        &task(false),
        &[
            "exec",
            "--",
            "sh",
            "-c",
            "test \"$PARAM_A\" = '$(x)' && test \"$1\" = '$(y)'",
            "-",
            "$(y)",
        ],
    );
    command.env("PARAM_A", "$(x)");
    assert_eq!(pod.run(command).code, Some(0));
}

#[test]
fn what_can_t_be_started() {
    let pod = Pod::new();
    let none = exec(&pod, &["no-such-command"]);
    assert_eq!(none.code, Some(127));
    assert!(
        none.log.contains("no-such-command") && none.log.contains("PATH="),
        "{}",
        none.log
    );
    let file = pod.write("/script", "#!/no/interpreter\n");
    let file = file.to_str().unwrap();
    let denied = exec(&pod, &[file]);
    assert_eq!((denied.code, denied.message), (Some(126), None));
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    let script = exec(&pod, &[file]);
    assert_eq!(script.code, Some(127));
    assert!(script.log.contains("interpreter"), "{}", script.log);
    let usage = pod.run(pod.agent(&task(false), &["exec"]));
    assert_eq!(usage.code, Some(64), "{}", usage.log);
}

#[test]
fn sigterm_reaches_the_command() {
    let pod = Pod::new();
    let running = started(&pod, "trap 'exit 7' TERM");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().0, Some(7));
    let pod = Pod::new();
    let running = started(&pod, "trap 'exit 8' INT");
    running.signal(Signal::SIGINT);
    assert_eq!(running.end().0, Some(8));
}

#[test]
fn what_a_shell_waits_for_is_asked_to_end_too() {
    let pod = Pod::new();
    // The signal kills the outer shell at once; the inner one saves what it has.
    let inner = "trap 'sleep 0.3; echo saved > saved; exit 0' TERM; touch ready; \
                 while :; do sleep 0.01; done";
    let script = format!("sh -c \"{inner}\" && true");
    let mut command = pod.agent(&task(false), &["exec", "--", "sh", "-c", &script]);
    command.current_dir(pod.path("/dev"));
    let running = Running::start(command);
    eventually("the command is ready", || pod.path("/dev/ready").exists());
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().0, Some(143));
    assert!(pod.path("/dev/saved").exists(), "it was killed");
}

#[test]
fn a_command_that_was_stopped_never_counts_as_done() {
    let pod = Pod::new();
    let running = started(&pod, "trap 'exit 0' TERM");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().0, Some(143));
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_with_its_children() {
    let pod = Pod::new();
    let running = started(
        &pod,
        "trap '' TERM; { sh -c 'echo $$ > child; sleep 600' & }",
    );
    let start = Instant::now();
    running.signal(Signal::SIGTERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(137));
    assert!(start.elapsed().as_secs_f64() >= 1.0 && start.elapsed() < PATIENCE);
    assert!(log.contains("within 1 s"), "{log}");
    let child = fs::read_to_string(pod.path("/dev/child")).unwrap();
    assert_eq!(process(child.trim()), None);
}

#[test]
fn what_the_command_leaves_running_ends_with_it() {
    let pod = Pod::new();
    let mut command = pod.agent(
        &task(false),
        &["exec", "--", "sh", "-c", "sleep 600 & echo $! > child"],
    );
    command.current_dir(pod.path("/dev"));
    assert_eq!(pod.run(command).code, Some(0));
    let child = fs::read_to_string(pod.path("/dev/child")).unwrap();
    assert_eq!(process(child.trim()), None);
}

#[test]
fn orphans_are_reaped() {
    let pod = Pod::new();
    // The middle shell ends at once, so its child becomes the agent's.
    let running = started(
        &pod,
        "mkfifo pipe; sh -c 'sh -c \"echo \\$\\$ > orphan; read x < pipe\" &'",
    );
    let orphan = || fs::read_to_string(pod.path("/dev/orphan")).unwrap_or_default();
    let agent = running.id().as_raw();
    eventually("the orphan is the agent's", || {
        process(orphan().trim()).is_some_and(|(_, parent)| parent == agent)
    });
    fs::write(pod.path("/dev/pipe"), "go\n").unwrap();
    eventually("the orphan is reaped", || {
        process(orphan().trim()).is_none()
    });
}

#[test]
fn without_a_sidecar_publishing_fails_in_time() {
    let pod = Pod::new();
    let mut task = task(true);
    task.publish_timeout_seconds = 1;
    let ended = pod.run(pod.agent(&task, &["exec", "--", "true"]));
    ended.fails(74, &["sidecar", "within 1 s"]);
}
