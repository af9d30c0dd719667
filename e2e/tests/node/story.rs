//! The flights example in a namespace of a test, with fewer flights a week.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    ResourceExt,
    api::{ListParams, LogParams},
    core::object::HasStatus,
};
use millwright_crds::{
    Dataset, ModelDeployment, TrainingJob, dataset::DatasetPhase,
    model_deployment::ModelDeploymentPhase, training_job::TrainingJobPhase,
};
use millwright_e2e::{apply, machine, scene::Scene};
use serde_json::{Value, json};

/// Flights a week: enough for the errors of the example's README.
const FLIGHTS: u32 = 500;
/// Longest time for a step of the story on a busy machine.
const STEP: Duration = Duration::from_secs(300);

/// The story in a namespace.
pub struct Story(pub Scene);

impl Story {
    /// Applies a manifest of the example, changed.
    async fn manifest(&self, file: &str, change: impl Fn(&mut Value)) -> Result<()> {
        let path = machine::repository().join("examples/flights").join(file);
        let mut documents = apply::read(&path)?;
        documents.iter_mut().for_each(change);
        self.0.apply_documents(&documents).await?;
        Ok(())
    }

    /// Data until February, and the first model.
    pub async fn begin(&self) -> Result<()> {
        let scene = &self.0;
        self.manifest("01-data.yaml", |_| {}).await?;
        self.job("flights-winter", STEP).await?;
        self.manifest("02-dataset.yaml", |_| {}).await?;
        scene
            .wait(
                "flights",
                "the data have a version",
                STEP,
                |dataset: &Dataset| {
                    let phase = dataset.status().map(|status| status.phase);
                    (phase == Some(DatasetPhase::Ready)).then_some(())
                },
            )
            .await?;
        self.manifest("03-model.yaml", |_| {}).await?;
        self.run("flights-delay-first").await.map(drop)
    }

    /// The first model in both stages, and beside them if `baseline` is wanted.
    pub async fn serve(&self, baseline: bool) -> Result<()> {
        self.manifest("04-deployment.yaml", |_| {}).await?;
        if baseline {
            self.manifest("05-baseline.yaml", |_| {}).await?;
            self.healthy("flights-baseline").await?;
        }
        self.healthy("flights-delay").await
    }

    async fn healthy(&self, name: &str) -> Result<()> {
        let what = "all its stages serve";
        let look = |deployment: &ModelDeployment| {
            let phase = deployment.status().map(|status| status.phase);
            (phase == Some(ModelDeploymentPhase::Healthy)).then_some(())
        };
        self.0.wait(name, what, STEP, look).await
    }

    /// The policy, then the client with these arguments, to its end.
    pub async fn replay(&self, arguments: &[&str], timeout: Duration) -> Result<String> {
        self.manifest("06-policy.yaml", |policy| {
            for trigger in policy["spec"]["triggers"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                if let Some(quality) = trigger.get_mut("quality") {
                    quality["minLabels"] = FLIGHTS.into();
                }
                if let Some(drift) = trigger.get_mut("drift") {
                    drift["minSamples"] = FLIGHTS.into();
                }
            }
        })
        .await?;
        let namespace = self.0.namespace();
        self.manifest("07-replay.yaml", |document| {
            if document["kind"] == "RoleBinding" {
                document["subjects"][0]["namespace"] = namespace.into();
            }
            if document["kind"] == "Job" {
                document["spec"]["template"]["spec"]["containers"][0]["args"] = arguments.into();
            }
        })
        .await?;
        self.job("flights-replay", timeout).await
    }

    /// Applies the first model's manifest under another name and with other parameters.
    pub async fn train(&self, name: &str, parameters: &Value) -> Result<TrainingJob> {
        self.manifest("03-model.yaml", |run| {
            run["metadata"]["name"] = name.into();
            json_patch::merge(&mut run["spec"]["parameters"], parameters);
        })
        .await?;
        self.run(name).await
    }

    /// Waits until a run has ended well.
    async fn run(&self, name: &str) -> Result<TrainingJob> {
        let ended = |run: &TrainingJob| {
            let phase = run.status()?.phase;
            phase.is_final().then(|| (phase, run.clone()))
        };
        let (phase, run) = self.0.wait(name, "the run has ended", STEP, ended).await?;
        ensure!(
            phase == TrainingJobPhase::Succeeded,
            "the run {name} failed: {}",
            json!(run.status)
        );
        Ok(run)
    }

    /// Waits until a Job has ended well; what its pod wrote.
    async fn job(&self, name: &str, timeout: Duration) -> Result<String> {
        let condition = |job: &Job| {
            let conditions = job.status.as_ref()?.conditions.as_ref()?;
            let ended = ["Complete", "Failed"];
            let found = conditions
                .iter()
                .find(|c| ended.contains(&c.type_.as_str()) && c.status == "True")?;
            Some(found.type_.clone())
        };
        let waited = self
            .0
            .wait(name, "the Job has ended", timeout, condition)
            .await;
        let log = self.log(name).await;
        match waited {
            Ok(condition) if condition == "Complete" => log,
            Ok(_) => bail!("Job {name} failed:\n{}", log?),
            Err(error) => {
                Err(error.context(format!("Job {name} wrote:\n{}", log.unwrap_or_default())))
            }
        }
    }

    async fn log(&self, job: &str) -> Result<String> {
        let labels = format!("batch.kubernetes.io/job-name={job}");
        let pods = self.0.api::<Pod>();
        let list = pods.list(&ListParams::default().labels(&labels)).await?;
        let pod = list
            .items
            .last()
            .with_context(|| format!("Job {job} has no pod"))?;
        Ok(pods.logs(&pod.name_any(), &LogParams::default()).await?)
    }
}
