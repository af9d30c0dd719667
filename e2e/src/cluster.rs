//! Clusters of the tests' own.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result, ensure};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    cleanup::Guard,
    command::Command,
    machine::{self, tool},
};

/// What the names of these clusters begin with.
const PREFIX: &str = "e2e-";

/// What a cluster has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// A node, on which pods run.
    pub node: bool,
    /// An audit log.
    pub audit: bool,
}

/// A Kubernetes that is removed when this is dropped.
pub struct Cluster {
    name: String,
    client: Client,
    _removal: Guard,
}

impl Cluster {
    /// Brings a cluster up and removes those of runs that were killed.
    ///
    /// # Errors
    /// When it doesn't come up; the message says which component is in trouble.
    pub async fn up(purpose: &str, parts: Parts) -> Result<Self> {
        Self::with(purpose, parts, &[]).await
    }

    /// Brings up a control plane to measure on: without limits on requests, with an audit log.
    ///
    /// # Errors
    /// As [`Cluster::up`].
    pub async fn unthrottled(purpose: &str) -> Result<Self> {
        let parts = Parts {
            node: false,
            audit: true,
        };
        Self::with(purpose, parts, &["--unthrottled"]).await
    }

    /// Brings up a control plane with these feature gates of the API server: what older versions lack.
    ///
    /// # Errors
    /// As [`Cluster::up`].
    pub async fn gated(purpose: &str, gates: &str) -> Result<Self> {
        Self::with(purpose, Parts::default(), &["--feature-gates", gates]).await
    }

    async fn with(purpose: &str, parts: Parts, flags: &[&str]) -> Result<Self> {
        let devcluster = tool("devcluster");
        ensure!(
            devcluster.exists(),
            "there is no {}: build it with hack/tools.sh",
            devcluster.display()
        );
        let name = format!("{PREFIX}{purpose}-{}", process::id());
        let removal = {
            fs::create_dir_all(lock_directory())
                .with_context(|| format!("{} can't be created", lock_directory().display()))?;
            // One run at a time looks at locks and takes its own.
            let turn = open_lock(&lock_directory().join("turn"))?;
            let _turn = tokio::task::spawn_blocking(move || turn.lock().map(|()| turn)).await??;
            remove_leftovers().await?;
            reserve(&name)?
        };
        let mut up = Command::new(&devcluster).args(["up", "--name", &name]);
        if !parts.node {
            up = up.arg("--control-plane-only");
        }
        if parts.audit {
            up = up.arg("--audit");
        }
        up.args(flags).output().await?;
        Ok(Self {
            client: client(&kubeconfig(&name)).await?,
            name,
            _removal: removal,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client with all rights.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client that shows every answer: the usual one sends again what was refused with 429.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn client_without_retries(&self) -> Result<Client> {
        let mut config = config(&self.kubeconfig()).await?;
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// The file that gives all rights.
    pub fn kubeconfig(&self) -> PathBuf {
        kubeconfig(&self.name)
    }

    /// The API server's audit log, if the cluster has one.
    pub fn audit_log(&self) -> PathBuf {
        directory(&self.name).join("audit.log")
    }

    /// A file of the test's own that goes with the cluster.
    pub fn file(&self, name: &str) -> PathBuf {
        directory(&self.name).join(name)
    }

    /// The folder of this machine that a dynamic volume is.
    pub fn volume(&self, name: &str) -> PathBuf {
        directory(&self.name).join("volumes").join(name)
    }

    /// Kills a component and keeps it down.
    ///
    /// # Errors
    /// When there is no such component.
    pub async fn stop_component(&self, component: &str) -> Result<()> {
        self.component("stop-component", component, &[]).await
    }

    /// Lets a component run again, and returns when its process is there.
    ///
    /// # Errors
    /// When there is no such component, or it can't be started.
    pub async fn start_component(&self, component: &str) -> Result<()> {
        self.component("start-component", component, &[]).await
    }

    /// Sends a signal to a component. What dies of it is started again at once.
    ///
    /// # Errors
    /// When there is no such component, or it doesn't run.
    pub async fn signal_component(&self, component: &str, signal: &str) -> Result<()> {
        self.component("signal", component, &[signal]).await
    }

    async fn component(&self, verb: &str, component: &str, arguments: &[&str]) -> Result<()> {
        let command = Command::new(tool("devcluster"))
            .args([verb, "--name", &self.name])
            .args(["--component", component])
            .args(arguments);
        command.output().await.map(drop)
    }
}

/// A client as this kubeconfig says.
///
/// # Errors
/// When the file can't be read or used.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    Ok(Client::try_from(config(kubeconfig).await?)?)
}

async fn config(kubeconfig: &Path) -> Result<Config> {
    let read = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("{} can't be read", kubeconfig.display()))?;
    Ok(Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?)
}

fn directory(cluster: &str) -> PathBuf {
    machine::home().join("clusters").join(cluster)
}

fn kubeconfig(cluster: &str) -> PathBuf {
    directory(cluster).join("kubeconfig")
}

/// Marks a name as in use for as long as this process lives.
fn reserve(name: &str) -> Result<Guard> {
    let path = lock_path(name);
    let file = open_lock(&path)?;
    file.try_lock()
        .with_context(|| format!("another run of the tests holds {}", path.display()))?;
    let name = name.to_owned();
    Ok(Guard::new(move || {
        remove(&name);
        drop(file);
        let _ = fs::remove_file(path);
    }))
}

fn remove(name: &str) {
    let status = process::Command::new(tool("devcluster"))
        .args(["down", "--name", name])
        .stderr(process::Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("cluster {name} could not be removed; do it with: devcluster down --name {name}");
    }
}

/// Removes clusters of runs that no longer live: the lock of a dead process is free.
async fn remove_leftovers() -> Result<()> {
    for entry in fs::read_dir(lock_directory())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.and_then(|name| name.strip_suffix(".lock")) else {
            continue;
        };
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => {
                eprintln!("removing cluster {name}, which a killed run left");
                let down = Command::new(tool("devcluster")).args(["down", "--name", name]);
                down.output().await?;
                fs::remove_file(&path)?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

fn lock_directory() -> PathBuf {
    machine::home().join("e2e")
}

fn lock_path(name: &str) -> PathBuf {
    lock_directory().join(format!("{name}.lock"))
}

fn open_lock(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("{} can't be opened", path.display()))
}
