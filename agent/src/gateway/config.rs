//! What a gateway is started with.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use drift::profile::Profile;
use futures::future::BoxFuture;
use millwright_crds::wire::{self, contract, serving::GatewayTask};

/// Address to listen on, for pods whose network has one family only: `0.0.0.0`. Absent: all
/// addresses of both families.
const ENV_ADDRESS: &str = "MILLWRIGHT_GATEWAY_ADDRESS";
/// File of the reference profile of the inputs, in the reference folder.
const REFERENCE_INPUTS: &str = "profile.bin";
/// File of the reference profile of the predictions, in the reference folder.
const REFERENCE_PREDICTIONS: &str = "predictions.bin";

/// Seconds since the Unix epoch. Windows and horizons follow it; tests turn it by hand.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Admin addresses of the stage's gateways, this one among them.
pub type Resolver = Arc<dyn Fn() -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Everything that a gateway needs to start.
#[derive(Clone)]
pub struct Config {
    /// What the operator asks.
    pub task: GatewayTask,
    /// UID of the pod.
    pub pod_uid: String,
    /// Address for traffic.
    pub traffic: SocketAddr,
    /// Address for metrics, profiles and feedback.
    pub admin: SocketAddr,
    /// Profiles that live ones are built over.
    pub references: References,
    /// Finds the other gateways of the stage.
    pub peers: Resolver,
    /// Tells the time.
    pub clock: Clock,
    /// Bounds on memory.
    pub limits: Limits,
}

/// Profiles that live ones are built over.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// The training features; absent: inputs are not profiled.
    pub inputs: Option<Profile>,
    /// The predictions at the model's evaluation, in the column `prediction`; absent: predictions
    /// are not profiled.
    pub predictions: Option<Profile>,
}

/// Bounds on the memory that monitoring takes, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of a request or a response that is read; larger ones pass unread.
    pub body: usize,
    /// Most bytes that requests under way and waiting for the profiler hold together.
    pub buffered: usize,
    /// Most requests that wait for the profiler.
    pub queue: usize,
    /// Longest pause in a request's body that is read.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            buffered: 64 << 20,
            queue: 1024,
            pause: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// Reads the task and the pod's UID from the environment, and the references from the folder
    /// that the fetch container filled.
    ///
    /// # Errors
    /// When a variable is missing or a document can't be read; the message names it.
    pub fn from_environment() -> anyhow::Result<Self> {
        let task = variable(contract::ENV_TASK)?;
        let task: GatewayTask = wire::read(task.as_bytes()).context(contract::ENV_TASK)?;
        if task.window_seconds == 0 {
            bail!(
                "{}: window_seconds is 0, it must be at least 1",
                contract::ENV_TASK
            );
        }
        let address = match std::env::var(ENV_ADDRESS) {
            Ok(text) => text
                .parse()
                .with_context(|| format!("{ENV_ADDRESS} is `{text}`, not an IP address"))?,
            Err(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let folder = Path::new(contract::REFERENCE_DIR);
        let peers = dns(task.peers.clone(), contract::ADMIN_PORT);
        Ok(Self {
            pod_uid: variable(contract::ENV_POD_UID)?,
            traffic: (address, contract::GATEWAY_PORT).into(),
            admin: (address, contract::ADMIN_PORT).into(),
            references: References {
                inputs: profile(&folder.join(REFERENCE_INPUTS))?,
                predictions: profile(&folder.join(REFERENCE_PREDICTIONS))?,
            },
            peers,
            clock: Arc::new(system_time),
            limits: Limits::default(),
            task,
        })
    }
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("the environment variable {name} is needed"))
}

fn profile(path: &Path) -> anyhow::Result<Option<Profile>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let profile = Profile::decode(&bytes).with_context(|| path.display().to_string())?;
    Ok(Some(profile))
}

fn system_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// The addresses of a DNS name.
fn dns(name: String, port: u16) -> Resolver {
    Arc::new(move || {
        let name = name.clone();
        Box::pin(async move { Ok(tokio::net::lookup_host((name, port)).await?.collect()) })
    })
}
