//! Runs a command as PID 1 should: passes signals on, ends what doesn't end, and reaps what is left.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::Path,
    process,
    time::Duration,
};

use millwright_crds::wire::contract::exit;
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use tokio::{
    signal::unix::{Signal as Stream, SignalKind, signal},
    time::{Instant, sleep_until},
};

/// Longest time that killed processes are waited for.
const REAP: Duration = Duration::from_secs(5);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code, or 128 and the number of the signal that killed it.
    pub code: i32,
    /// Whether it was asked to stop before it ended.
    pub stopped: bool,
}

impl Ended {
    /// The exit code to pass on. A command that was asked to stop and ended with 0 didn't do what
    /// it was started for, so that is 143, as if SIGTERM had killed it.
    pub fn exit_code(self) -> i32 {
        if self.stopped && self.code == 0 {
            128 + Signal::SIGTERM as i32
        } else {
            self.code
        }
    }
}

/// Receives what the kernel and the kubelet tell this process.
pub(crate) struct Supervisor {
    children: Stream,
    terminate: Stream,
    interrupt: Stream,
    others: [(Signal, Stream); 4],
}

impl Supervisor {
    /// Takes the signals over. From here on SIGTERM doesn't end this process: between commands it
    /// goes on with what it does, and the kubelet's SIGKILL bounds that.
    ///
    /// # Errors
    /// When signals can't be received.
    pub fn new() -> io::Result<Self> {
        // Where this is not PID 1 (a shared process namespace), orphans come here all the same.
        prctl::set_child_subreaper(true)?;
        Ok(Self {
            children: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            others: [
                (Signal::SIGHUP, signal(SignalKind::hangup())?),
                (Signal::SIGQUIT, signal(SignalKind::quit())?),
                (Signal::SIGUSR1, signal(SignalKind::user_defined1())?),
                (Signal::SIGUSR2, signal(SignalKind::user_defined2())?),
            ],
        })
    }

    /// Runs a command, with some variables added to the environment, until it ends. SIGTERM,
    /// SIGINT and those that programs give a meaning go to the command; `grace` after the first
    /// SIGTERM or SIGINT its whole process group is killed. A command that such a signal kills, as it
    /// does a shell that waits for a program, leaves the rest of that time to what it has started.
    /// When the command has ended, so has all that it started.
    ///
    /// # Errors
    /// With a sentence and an exit code, 126 or 127, when it can't be started.
    pub async fn run(
        &mut self,
        command: &[OsString],
        environment: &[(&str, OsString)],
        grace: Duration,
    ) -> Result<Ended, (i32, String)> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| (exit::USAGE, "there is no command".to_owned()))?;
        let child = process::Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .spawn()
            .map_err(|error| explain(program, &error))?;
        let child = Pid::from_raw(child.id().cast_signed());
        let mut kill_at: Option<Instant> = None;
        let mut stopped = false;
        let status = loop {
            if let Some(status) = reap(child) {
                break status;
            }
            let [hangup, quit, user1, user2] = &mut self.others;
            let received = tokio::select! {
                _ = self.children.recv() => continue,
                _ = self.terminate.recv() => Signal::SIGTERM,
                _ = self.interrupt.recv() => Signal::SIGINT,
                _ = hangup.1.recv() => hangup.0,
                _ = quit.1.recv() => quit.0,
                _ = user1.1.recv() => user1.0,
                _ = user2.1.recv() => user2.0,
                () = at(kill_at) => {
                    tracing::warn!(
                        "{} did not end within {} s: killed",
                        program.display(),
                        grace.as_secs()
                    );
                    kill_at = None;
                    report(killpg(child, Signal::SIGKILL));
                    continue;
                }
            };
            if matches!(received, Signal::SIGTERM | Signal::SIGINT) && !stopped {
                stopped = true;
                kill_at = Some(Instant::now() + grace);
            }
            report(kill(child, received));
        };
        let code = match status {
            WaitStatus::Signaled(_, signal, _) => {
                if let Some(kill_at) = kill_at {
                    report(killpg(child, signal));
                    self.group_ends(child, kill_at).await;
                }
                128 + signal as i32
            }
            WaitStatus::Exited(_, code) => code,
            // Only of processes that are traced.
            _ => exit::USAGE,
        };
        self.end_the_rest(child).await;
        Ok(Ended { code, stopped })
    }

    /// Waits until nothing is left of a process group, but no longer than until `kill_at`.
    async fn group_ends(&mut self, group: Pid, kill_at: Instant) {
        let ended = async {
            loop {
                reap(group);
                if killpg(group, None) == Err(Errno::ESRCH) {
                    return;
                }
                self.children.recv().await;
            }
        };
        // Who does not end in time is killed next.
        let _ = tokio::time::timeout_at(kill_at, ended).await;
    }

    /// Kills what the command left behind, so that nobody writes to its folders any more.
    async fn end_the_rest(&mut self, group: Pid) {
        report(killpg(group, Signal::SIGKILL));
        if process::id() == 1 {
            // Everything else in this container.
            report(kill(Pid::from_raw(-1), Signal::SIGKILL));
        }
        let reaped = async {
            while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                if status == WaitStatus::StillAlive {
                    self.children.recv().await;
                }
            }
        };
        // What left the group and is no child of PID 1 is not ours to wait for.
        if tokio::time::timeout(REAP, reaped).await.is_err() {
            tracing::debug!("processes that the command started are still there");
        }
    }
}

/// Reaps whatever has ended; how `child` did if it is among that.
fn reap(child: Pid) -> Option<WaitStatus> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => return ended,
            Ok(status) if status.pid() == Some(child) => ended = Some(status),
            Ok(_) => {}
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// That a process is gone already is no news.
fn report(sent: nix::Result<()>) {
    if let Err(error) = sent
        && error != Errno::ESRCH
    {
        tracing::warn!("a signal can't be sent: {error}");
    }
}

fn explain(program: &OsStr, error: &io::Error) -> (i32, String) {
    let name = program.display();
    if error.kind() == io::ErrorKind::NotFound {
        let why = if Path::new(program).exists() {
            "it is there, but the interpreter or loader that it names is not".to_owned()
        } else if program.as_encoded_bytes().contains(&b'/') {
            "there is no such file in the image".to_owned()
        } else {
            let path = std::env::var("PATH").unwrap_or_default();
            format!("no folder of PATH={path} has it")
        };
        return (
            exit::NOT_FOUND,
            format!("command {name} can't be started: {why}; correct the container's command"),
        );
    }
    (
        exit::NOT_EXECUTABLE,
        format!("command {name} can't be started: {error}; correct the container's command"),
    )
}
