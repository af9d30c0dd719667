//! A folder that stands for a pod, and processes in it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use millwright_crds::wire::{
    self, Versioned,
    attempt::{AgentFailure, RunTask},
    manifest::Manifest,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sha2::{Digest, Sha256};

/// Longest time that anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Longest time that a process may take to end when its test is over.
const ENDING: Duration = Duration::from_secs(5);

/// The paths of a pod's containers, below a folder of its own, and the store.
pub struct Pod {
    root: tempfile::TempDir,
    store: PathBuf,
    environment: BTreeMap<&'static str, String>,
}

impl Pod {
    /// With an empty store.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("store");
        let url = format!("file://{}", store.display());
        Self::with(root, store, BTreeMap::from([("MILLWRIGHT_STORE", url)]))
    }

    /// With a store that these variables lead to, and whose files are in a folder.
    pub fn of(store: PathBuf, environment: BTreeMap<&'static str, String>) -> Self {
        Self::with(tempfile::tempdir().unwrap(), store, environment)
    }

    /// The same pod with another variable.
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.insert(name, value.into());
        self
    }

    /// The same pod without a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// The files of the store's blobs.
    pub fn blobs(&self) -> Vec<PathBuf> {
        files(&self.key("blobs"))
    }

    /// Another pod with the same store.
    pub fn beside(&self) -> Self {
        Self::of(self.store.clone(), self.environment.clone())
    }

    fn with(
        root: tempfile::TempDir,
        store: PathBuf,
        environment: BTreeMap<&'static str, String>,
    ) -> Self {
        fs::create_dir(root.path().join("dev")).unwrap();
        Self {
            root,
            store,
            environment,
        }
    }

    /// Where an absolute path of a container is.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.path().join(absolute.trim_start_matches('/'))
    }

    /// Where a key of the store is.
    pub fn key(&self, key: &str) -> PathBuf {
        self.store.join(key)
    }

    /// Writes a file.
    pub fn write(&self, absolute: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(absolute);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A role with its task; the rest of the environment is what the operator gives.
    pub fn agent<T: Versioned>(&self, task: &T, role: &[&str]) -> Command {
        let mut command = self.agent_without_task(role);
        let task = String::from_utf8(wire::write(task).unwrap()).unwrap();
        command.env("MILLWRIGHT_TASK", task);
        command
    }

    /// A role that needs no task.
    pub fn agent_without_task(&self, role: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millwright-agent"));
        command
            .arg("--root")
            .arg(self.root.path())
            .args(role)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(&self.environment)
            .env("MILLWRIGHT_NAMESPACE", "team")
            .env("MILLWRIGHT_POD_UID", "pod-1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a role to its end.
    pub fn run(&self, mut command: Command) -> Ended {
        // A pod that starts again has no message.
        match fs::remove_file(self.path("/dev/termination-log")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
        self.ended(command.output().unwrap())
    }

    /// How a process ended, with the message that it left.
    pub fn ended(&self, output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
            message: fs::read(self.path("/dev/termination-log")).ok(),
        }
    }

    /// Every file of the store that isn't a temporary one has the bytes that its name promises.
    pub fn check_store(&self) {
        for file in files(&self.key("blobs")) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if !name.contains('#') {
                assert_eq!(sha256(&file), name);
            }
        }
        for file in files(&self.key("manifests")) {
            let name = file.file_stem().unwrap().to_str().unwrap();
            if !file.to_string_lossy().contains('#') {
                assert_eq!(sha256(&file), name);
                let manifest: Manifest = wire::read(&fs::read(&file).unwrap()).unwrap();
                for entry in manifest.files {
                    let blob = self.key(&wire::contract::key::blob(&entry.sha256));
                    assert_eq!(blob.metadata().unwrap().len(), entry.size);
                }
            }
        }
    }
}

/// How a role ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub log: String,
    pub message: Option<Vec<u8>>,
}

impl Ended {
    /// The result of a role that ended well.
    pub fn result<T: Versioned>(&self) -> T {
        assert_eq!(self.code, Some(0), "{}", self.log);
        let message = self.message.as_ref().expect("a termination message");
        assert!(message.len() <= wire::TERMINATION_MESSAGE_LIMIT);
        wire::read(message).unwrap()
    }

    /// The failure of one that didn't.
    pub fn failure(&self, code: i32) -> AgentFailure {
        assert_eq!(self.code, Some(code), "{}", self.log);
        wire::read(self.message.as_ref().expect("a termination message")).unwrap()
    }

    /// Asserts a failure whose message has all of these.
    pub fn fails(&self, code: i32, says: &[&str]) {
        let message = self.failure(code).message;
        for part in says {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

/// A process that is killed when the test is over.
pub struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads the log up to a line with this text, and returns the line.
    pub fn wait_for(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert!(read > 0, "the log ended without \"{text}\":\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    pub fn id(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.id(), signal).unwrap();
    }

    /// Waits for its end: exit code and the rest of the log.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first, so that it ends what it has started; it may have ended already.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(self.id(), Signal::SIGTERM);
        }
        let start = Instant::now();
        while start.elapsed() < ENDING && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

/// A sidecar, ready, and the port that it answers on.
pub fn sidecar(pod: &Pod, task: &RunTask) -> (Running, u16) {
    let mut running = Running::start(pod.agent(task, &["run", "--port", "0"]));
    let port = running.wait_for("ready on");
    let port = port.trim().rsplit(':').next().unwrap().parse().unwrap();
    (running, port)
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn sha256(path: &Path) -> String {
    format!("{:x}", Sha256::digest(fs::read(path).unwrap()))
}

/// State letter and parent of a process, if there is one.
pub fn process(pid: impl AsRef<OsStr>) -> Option<(char, i32)> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.as_ref()).join("stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 2..].split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
