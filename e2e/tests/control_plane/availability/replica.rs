//! A replica of the operator as a process that is paused, killed and asked how it is.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use http::StatusCode;
use millwright_e2e::{
    cleanup::Guard, cluster::Cluster, command::tail, http::Http, installation::Installation,
    machine, operator::free_address, wait::wait_for,
};
use parking_lot::Mutex;

/// Longest time until a new replica is ready.
const READY: Duration = Duration::from_secs(60);
/// Clock ticks of /proc in a second.
const TICKS: u64 = 100;

/// A replica, which is killed when this is dropped.
pub struct Replica {
    name: String,
    address: String,
    log: PathBuf,
    process: Arc<Mutex<Child>>,
    http: Http,
    _end: Guard,
}

impl Replica {
    /// Starts a replica with this name of its pod. It may not be ready yet.
    pub async fn start(cluster: &Cluster, chart: &Installation, name: &str) -> Result<Self> {
        let program = machine::program("millwright-operator").await?;
        let log = cluster.kubeconfig().with_file_name(format!("{name}.log"));
        let output = File::create(&log)?;
        let address = free_address()?;
        let process = Command::new(program)
            .envs(chart.environment().iter().cloned())
            .env("KUBECONFIG", chart.kubeconfig())
            .env("MILLWRIGHT_LISTEN", &address)
            .env("POD_NAME", name)
            .env("POD_NAMESPACE", chart.namespace())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{name} can't be started"))?;
        let process = Arc::new(Mutex::new(process));
        let ending = process.clone();
        let end = Guard::new(move || {
            let mut process = ending.lock();
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        });
        Ok(Self {
            name: name.into(),
            address,
            log,
            process,
            http: Http::default(),
            _end: end,
        })
    }

    /// Its name in the election.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.process.lock().id();
        let status = Command::new("sh")
            .args(["-c", &format!("kill -s {signal} {pid}")])
            .status()?;
        ensure!(status.success(), "{signal} to {}: {status}", self.name);
        Ok(())
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Result<Option<ExitStatus>> {
        Ok(self.process.lock().try_wait()?)
    }

    /// Fails unless it is still the process that was started, and lives.
    pub async fn lives(&self) -> Result<()> {
        if let Some(status) = self.exit_status()? {
            bail!("{} ended with {status}:\n{}", self.name, self.log_tail());
        }
        let (status, text) = self.get("healthz").await?;
        ensure!(
            status == StatusCode::OK,
            "{} is not alive: {text}",
            self.name
        );
        Ok(())
    }

    /// Whether it is ready, and what it says.
    pub async fn readiness(&self) -> Result<(bool, String)> {
        let (status, text) = self.get("readyz").await?;
        let known = status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE;
        ensure!(known, "{} answered {status}: {text}", self.name);
        Ok((status == StatusCode::OK, text))
    }

    /// Waits until it is ready.
    pub async fn until_ready(&self) -> Result<String> {
        let what = format!("{} is ready", self.name);
        self.until(&what, READY, |ready, _| ready).await
    }

    /// Waits until it is ready and leads.
    pub async fn until_leads(&self, timeout: Duration) -> Result<String> {
        let what = format!("{} leads", self.name);
        let leads = |ready, text: &str| ready && text.contains("this replica leads");
        self.until(&what, timeout, leads).await
    }

    /// Waits until it is not ready and says this.
    pub async fn until_says(&self, words: &str) -> Result<String> {
        let what = format!("{} is not ready and says: {words}", self.name);
        self.until(&what, READY, |ready, text| !ready && text.contains(words))
            .await
    }

    async fn until(
        &self,
        what: &str,
        timeout: Duration,
        is_right: impl Fn(bool, &str) -> bool,
    ) -> Result<String> {
        let look = async || {
            self.lives().await?;
            let (ready, text) = self.readiness().await?;
            ensure!(is_right(ready, &text), "ready: {ready}, {text}");
            Ok(Some(text))
        };
        wait_for(what, timeout, look, async || self.log_tail()).await
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, String)> {
        let url = format!("http://{}/{path}", self.address);
        self.http.get(&url).await
    }

    /// Time that processors have spent on it.
    pub fn processor_time(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.process.lock().id());
        let stat = std::fs::read_to_string(Path::new(&path)).context("it ended")?;
        let fields = stat.rsplit_once(')').context("no name in stat")?.1;
        // User and system time, the 14th and 15th field; the text begins with the third.
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS))
    }

    /// All that it has logged.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.log()
            .map_or_else(|error| format!("{error:#}"), |text| tail(&text, 40))
    }
}
