//! The operator, as a process of this machine or from the chart.

use std::{
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::{self, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Pod, ServiceAccount},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, LogParams, PostParams},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    apply,
    cleanup::Guard,
    cluster::Cluster,
    command::{Command, tail},
    http::Http,
    machine::{self, tool},
    wait::wait_for,
};

/// Namespace of the installation.
pub const NAMESPACE: &str = "millwright-system";
/// Name of the operator's ServiceAccount and Deployment.
const ACCOUNT: &str = "millwright-operator";
/// How long the operator's token is good for, in seconds: longer than any run of the tests.
const TOKEN_SECONDS: i64 = 6 * 3_600;
/// Longest time until the operator is ready.
const READY: Duration = Duration::from_secs(120);

/// A running operator, which ends when this is dropped.
pub struct Operator {
    user: String,
    place: Place,
}

enum Place {
    Host(Host),
    Chart(Client),
}

struct Host {
    process: Arc<Mutex<process::Child>>,
    log: PathBuf,
    _end: Guard,
}

impl Operator {
    /// Runs the program on this machine, with the rights and the settings that the chart gives it.
    ///
    /// # Errors
    /// When it can't be built, or doesn't get ready; the message has the end of its log.
    pub async fn on_host(cluster: &Cluster) -> Result<Self> {
        let program = machine::program("millwright-operator").await?;
        let chart = Rendered::install(cluster).await?;
        let log = cluster.kubeconfig().with_file_name("operator.log");
        let output = File::create(&log)?;
        let address = free_address()?;
        let mut command = process::Command::new(program);
        for (name, value) in &chart.environment {
            command.env(name, value);
        }
        let process = command
            .env("KUBECONFIG", &chart.kubeconfig)
            .env("MILLWRIGHT_LISTEN", &address)
            .env("POD_NAME", "millwright-operator-e2e")
            .env("POD_NAMESPACE", NAMESPACE)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("the operator can't be started")?;
        let process = Arc::new(Mutex::new(process));
        let ending = process.clone();
        let end = Guard::new(move || {
            let mut process = ending.lock();
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        });
        let operator = Self {
            user: format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"),
            place: Place::Host(Host {
                process,
                log,
                _end: end,
            }),
        };
        let (http, url) = (Http::default(), format!("http://{address}/readyz"));
        let ready = async || {
            if let Some(status) = operator.exit_status()? {
                bail!("it ended with {status}");
            }
            let (status, text) = http.get(&url).await?;
            if !status.is_success() {
                bail!("{text}");
            }
            Ok(Some(()))
        };
        let log = async || operator.log_tail(40).await;
        wait_for("the operator is ready", READY, ready, log).await?;
        Ok(operator)
    }

    /// Installs the chart on a node, as `make install` does.
    ///
    /// # Errors
    /// When it doesn't get ready; the message has the end of its log.
    pub async fn from_chart(cluster: &Cluster) -> Result<Self> {
        let operator = Self::installed(cluster);
        let install = Command::new(machine::repository().join("hack/install.sh"))
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
            user: format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"),
            place: Place::Chart(cluster.client().clone()),
        }
    }

    /// The user that its requests are made as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The last lines of its log.
    pub async fn log_tail(&self, lines: usize) -> String {
        let result = match &self.place {
            Place::Host(host) => std::fs::read_to_string(&host.log).map_err(Into::into),
            Place::Chart(client) => log_of_pods(client).await,
        };
        result.map_or_else(|error| format!("{error:#}"), |text| tail(&text, lines))
    }

    /// Memory that its process has, in bytes; only of one that runs on this machine.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<u64> {
        let Place::Host(host) = &self.place else {
            bail!("the operator is no process of this machine");
        };
        let path = format!("/proc/{}/status", host.process.lock().id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("{path}: it ended"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes
            .with_context(|| format!("{path} has no VmRSS"))?
            .parse()?;
        Ok(kibibytes * 1024)
    }

    fn exit_status(&self) -> Result<Option<process::ExitStatus>> {
        match &self.place {
            Place::Host(host) => Ok(host.process.lock().try_wait()?),
            Place::Chart(_) => Ok(None),
        }
    }
}

/// What the chart says of the operator, without its pod.
struct Rendered {
    environment: Vec<(String, String)>,
    kubeconfig: PathBuf,
}

impl Rendered {
    /// Applies all of the chart but the Deployment, and makes a kubeconfig of its ServiceAccount.
    async fn install(cluster: &Cluster) -> Result<Self> {
        let render = Command::new(tool("helm"))
            .args(["template", "millwright"])
            .arg(machine::repository().join("charts/millwright"))
            .args(["--namespace", NAMESPACE, "--set", "crds.install=false"]);
        let documents = apply::parse(&render.output().await?)?;
        let (deployments, others): (Vec<_>, Vec<_>) = documents
            .into_iter()
            .partition(|document| document["kind"] == "Deployment");
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
        });
        apply::apply(cluster.client(), "", &[namespace]).await?;
        apply::apply(cluster.client(), NAMESPACE, &others).await?;
        let environment = deployments
            .first()
            .and_then(|deployment| deployment.pointer("/spec/template/spec/containers/0/env"))
            .and_then(Value::as_array)
            .context("the chart has no Deployment with an environment")?
            .iter()
            .filter_map(|variable| {
                let value = variable["value"].as_str()?;
                Some((variable["name"].as_str()?.to_owned(), value.to_owned()))
            })
            .collect();
        Ok(Self {
            environment,
            kubeconfig: kubeconfig(cluster).await?,
        })
    }
}

/// A kubeconfig with the rights of the operator's ServiceAccount.
async fn kubeconfig(cluster: &Cluster) -> Result<PathBuf> {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let answer = Api::<ServiceAccount>::namespaced(cluster.client().clone(), NAMESPACE)
        .create_token_request(ACCOUNT, &PostParams::default(), &request)
        .await
        .map_err(apply::refusal)
        .with_context(|| format!("a token of the ServiceAccount {ACCOUNT}"))?;
    let token = answer.status.context("the answer has no token")?.token;
    let [mut config] = <[Value; 1]>::try_from(apply::read(&cluster.kubeconfig())?)
        .map_err(|_| anyhow::anyhow!("the cluster's kubeconfig is not one document"))?;
    config["users"][0]["user"] = json!({"token": token});
    let path = cluster.kubeconfig().with_file_name("operator.kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// A free address of this machine. Nothing keeps it free, but few programs take ports so fast.
fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?.to_string())
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
