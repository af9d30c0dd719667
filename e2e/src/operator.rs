//! The operator, as a process of this machine or from the chart.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{self, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, LogParams},
};
use parking_lot::Mutex;

use crate::{
    cleanup::Guard,
    cluster::Cluster,
    command::{Command, tail},
    http::Http,
    installation::{self, Installation, NAMESPACE},
    machine,
    wait::wait_for,
};

/// The ports that operators listen on.
const FIRST_PORT: u32 = 20_000;
const PORTS: u32 = 12_000;
/// It says at each look at an object that it does so: see [`crate::quiet`].
pub const LOG_LEVEL: &str = "info,millwright_operator=debug";
/// Longest time until the operator is ready.
const READY: Duration = Duration::from_secs(120);

/// A running operator, which ends when this is dropped.
pub struct Operator {
    user: String,
    audit_log: PathBuf,
    place: Place,
}

enum Place {
    Host(Host),
    Chart(Client),
}

/// A process, and how to start it again as the same replica.
struct Host {
    program: PathBuf,
    environment: Vec<(String, String)>,
    address: String,
    log: PathBuf,
    process: Arc<Mutex<Option<process::Child>>>,
    _end: Guard,
}

/// A replica of the operator as a process of this machine.
pub struct Replica<'a> {
    /// Rights and settings.
    pub installation: &'a Installation,
    /// Name of its pod: its identity in the election, and the name of its log.
    pub pod_name: &'a str,
    /// How it finds the API server; the installation's kubeconfig says it directly.
    pub kubeconfig: &'a Path,
    /// Settings beside those of the chart.
    pub environment: &'a [(&'a str, &'a str)],
}

impl Operator {
    /// Runs the program on this machine, with the rights and the settings that the chart gives it.
    ///
    /// # Errors
    /// When it can't be built, or doesn't get ready; the message has the end of its log.
    pub async fn on_host(cluster: &Cluster) -> Result<Self> {
        let installation = Installation::everywhere(cluster).await?;
        let replica = Replica {
            installation: &installation,
            pod_name: "millwright-operator-e2e",
            kubeconfig: installation.kubeconfig(),
            environment: &[("RUST_LOG", LOG_LEVEL)],
        };
        let operator = Self::start(cluster, &replica).await?;
        operator.ready().await?;
        Ok(operator)
    }

    /// Starts a replica on this machine. It may not be ready yet.
    ///
    /// # Errors
    /// When it can't be built or started.
    pub async fn start(cluster: &Cluster, replica: &Replica<'_>) -> Result<Self> {
        let Replica {
            installation,
            pod_name,
            ..
        } = replica;
        let program = machine::program("millwright-operator").await?;
        let kubeconfig = replica.kubeconfig.display().to_string();
        let address = free_address()?;
        let own = [
            ("KUBECONFIG", kubeconfig.as_str()),
            ("MILLWRIGHT_LISTEN", &address),
            ("POD_NAME", pod_name),
            ("POD_NAMESPACE", installation.namespace()),
        ];
        let own = own.iter().chain(replica.environment);
        let own = own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = installation.environment().iter().cloned().chain(own);
        let log = format!("{}-{pod_name}.log", installation.namespace());
        let process = Arc::new(Mutex::new(None));
        let ending = process.clone();
        let host = Host {
            program,
            environment: environment.collect(),
            address,
            log: installation.kubeconfig().with_file_name(log),
            process,
            _end: Guard::new(move || kill(&ending)),
        };
        host.spawn()?;
        Ok(Self {
            user: installation::user(installation.namespace()),
            audit_log: cluster.audit_log(),
            place: Place::Host(host),
        })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends or doesn't get ready; the message has the end of its log.
    pub async fn ready(&self) -> Result<()> {
        let url = format!("http://{}/readyz", self.host()?.address);
        let http = Http::default();
        let ready = async || {
            if let Some(status) = self.exit_status()? {
                bail!("it ended with {status}");
            }
            let (status, text) = http.get(&url).await?;
            if !status.is_success() {
                bail!("{text}");
            }
            Ok(Some(()))
        };
        let log = async || self.log_tail(40).await;
        wait_for("the operator is ready", READY, ready, log).await
    }

    /// Kills it: SIGKILL, nothing is tidied up. What [`Operator::start_again`] starts is the same
    /// replica. Of one that doesn't run on this machine nothing is killed.
    pub fn kill(&self) {
        if let Place::Host(host) = &self.place {
            kill(&host.process);
        }
    }

    /// Starts the same replica again: its name, its address, its log.
    ///
    /// # Errors
    /// When it runs, or can't be started.
    pub fn start_again(&self) -> Result<()> {
        self.host()?.spawn()
    }

    /// Its metrics, as Prometheus reads them; only of one that runs on this machine.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn metrics(&self) -> Result<String> {
        let url = format!("http://{}/metrics", self.host()?.address);
        Ok(Http::default().get(&url).await?.1)
    }

    /// Installs the chart on a node, as `make install` does, with these values (`NAME=VALUE`).
    ///
    /// # Errors
    /// When it doesn't get ready; the message has the end of its log.
    pub async fn from_chart(cluster: &Cluster, values: &[&str]) -> Result<Self> {
        let operator = Self::installed(cluster);
        let install = Command::new(machine::repository().join("hack/install.sh"))
            .args([
                "--set-string",
                &format!("logLevel={}", LOG_LEVEL.replace(',', "\\,")),
            ])
            .args(values.iter().flat_map(|value| ["--set", *value]))
            .env("CLUSTER", cluster.name())
            .without_env("KUBECONFIG");
        match install.output().await {
            Ok(_) => Ok(operator),
            Err(error) => Err(error.context(operator.log_tail(40).await)),
        }
    }

    /// The operator that somebody else installs with the chart.
    pub fn installed(cluster: &Cluster) -> Self {
        Self {
            user: installation::user(NAMESPACE),
            audit_log: cluster.audit_log(),
            place: Place::Chart(cluster.client().clone()),
        }
    }

    /// The user that its requests are made as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What the API server records of its requests, if the cluster has an audit log.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// The last lines of its log.
    pub async fn log_tail(&self, lines: usize) -> String {
        let result = self.log().await;
        result.map_or_else(|error| format!("{error:#}"), |text| tail(&text, lines))
    }

    /// Its log.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn log(&self) -> Result<String> {
        match &self.place {
            Place::Host(host) => Ok(std::fs::read_to_string(&host.log)?),
            Place::Chart(client) => log_of_pods(client).await,
        }
    }

    /// Its process; only of one that runs on this machine.
    pub fn pid(&self) -> Option<u32> {
        let process = self.host().ok()?.process.lock();
        process.as_ref().map(process::Child::id)
    }

    /// Where it answers for health and metrics; only of one that runs on this machine.
    pub fn url(&self) -> Option<String> {
        match &self.place {
            Place::Host(host) => Some(format!("http://{}", host.address)),
            Place::Chart(_) => None,
        }
    }

    /// Memory that its process has, in bytes; only of one that runs on this machine.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<u64> {
        let process = self.host()?.process.lock();
        let process = process.as_ref().context("the operator was killed")?;
        let path = format!("/proc/{}/status", process.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("{path}: it ended"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes
            .with_context(|| format!("{path} has no VmRSS"))?
            .parse()?;
        Ok(kibibytes * 1024)
    }

    fn host(&self) -> Result<&Host> {
        match &self.place {
            Place::Host(host) => Ok(host),
            Place::Chart(_) => bail!("the operator is no process of this machine"),
        }
    }

    fn exit_status(&self) -> Result<Option<process::ExitStatus>> {
        match &self.place {
            Place::Host(host) => match &mut *host.process.lock() {
                Some(process) => Ok(process.try_wait()?),
                None => Ok(None),
            },
            Place::Chart(_) => Ok(None),
        }
    }
}

impl Host {
    fn spawn(&self) -> Result<()> {
        let mut process = self.process.lock();
        if process.is_some() {
            bail!("the operator was started and not killed");
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = process::Command::new(&self.program)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the operator can't be started")?;
        *process = Some(child);
        Ok(())
    }
}

fn kill(process: &Mutex<Option<process::Child>>) {
    if let Some(mut process) = process.lock().take() {
        // It may have ended by itself.
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// A free address of this machine, below the ports that the system gives to clients: a replica that
/// was killed finds it free when it starts again.
///
/// # Errors
/// When none is free.
pub fn free_address() -> Result<String> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        // Other runs of the tests begin elsewhere.
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (process::id().wrapping_mul(61).wrapping_add(tried)) % PORTS;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

async fn log_of_pods(client: &Client) -> Result<String> {
    let api = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let mut text = String::new();
    for pod in api.list(&ListParams::default()).await? {
        let name = pod.name_any();
        match api.logs(&name, &LogParams::default()).await {
            Ok(log) => text.push_str(&log),
            Err(error) => text.push_str(&format!("{name}: no log: {error}\n")),
        }
    }
    Ok(text)
}
