//! What happens when a replica of the operator, the API server or etcd is away.

mod absence;
mod election;
mod outage;
mod refusals;
mod replica;
mod writers;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use millwright_crds::{LABEL_OWNER, TrainingJob};
use millwright_e2e::{
    audit::AuditLog,
    cluster::{Cluster, Parts},
    installation::Installation,
    scene::Scene,
    suite::Test,
    wait::wait_for,
};
use serde_json::json;

use self::replica::Replica;
use crate::{
    operator::{run_manifest, uid},
    world::{World, install_kinds},
};

/// Longest time until the operator works again after what was away is back.
const BACK: Duration = Duration::from_secs(15);

/// The tests. Each has a cluster of its own, and mostly waits.
pub fn tests() -> Vec<Test<World>> {
    vec![
        Test::new("availability::three_minutes_away", |_: Arc<World>| {
            three_minutes_away()
        }),
        Test::new("availability::whatever_is_away", |_: Arc<World>| {
            whatever_is_away()
        }),
        Test::new(
            "availability::lists_that_are_not_streamed",
            |_: Arc<World>| lists_that_are_not_streamed(),
        ),
        Test::new("availability::one_of_two_writes", |_: Arc<World>| {
            election::one_of_two_writes()
        }),
    ]
}

/// A cluster with one replica of the operator.
struct Place {
    // Ends before its cluster.
    replica: Replica,
    cluster: Cluster,
}

impl Place {
    /// A cluster; the kinds may be missing yet.
    async fn new(purpose: &str, with_kinds: bool) -> Result<Self> {
        let cluster = bare(purpose).await?;
        if with_kinds {
            install_kinds(&cluster).await?;
        }
        let chart = Installation::everywhere(&cluster).await?;
        let replica = Replica::start(&cluster, &chart, "replica").await?;
        Ok(Self { replica, cluster })
    }

    /// Waits until the API server is ready, etcd included.
    async fn api_server_answers(&self) -> Result<()> {
        let client = self.cluster.client();
        let answers = async || {
            let request = http::Request::get("/readyz").body(vec![])?;
            let answer = client.request_text(request);
            let answer = tokio::time::timeout(Duration::from_secs(2), answer).await?;
            Ok(answer.is_ok().then_some(()))
        };
        let what = "the API server is ready";
        wait_for(what, Duration::from_secs(60), answers, async || {
            String::new()
        })
        .await
    }

    /// Creates a run and waits until the operator has made its Job: nobody else has to act for that.
    async fn works(&self, scene: &Scene, name: &str) -> Result<()> {
        scene
            .apply_documents(&[run_manifest(name, &json!({}))])
            .await?;
        let owner = uid::<TrainingJob>(scene, name).await?;
        let what = format!("the Job of {name} is made");
        let made = async || job_of(scene, &owner).await;
        let made = wait_for(&what, BACK, made, async || self.replica.log_tail());
        made.await.map(drop)
    }

    fn audit(&self) -> Result<AuditLog> {
        AuditLog::from_now(&self.cluster.audit_log())
    }
}

/// The Job of an owner.
async fn job_of(scene: &Scene, owner: &str) -> Result<Option<Job>> {
    let params = ListParams::default().labels(&format!("{LABEL_OWNER}={owner}"));
    Ok(scene.api::<Job>().list(&params).await?.items.pop())
}

/// A control plane with an audit log, without the kinds.
async fn bare(purpose: &str) -> Result<Cluster> {
    let parts = Parts {
        audit: true,
        node: false,
    };
    let cluster = Cluster::up(purpose, parts).await?;
    // It would say of each pod that no node has room, while the tests say that it runs.
    cluster.stop_component("scheduler").await?;
    Ok(cluster)
}

/// On Kubernetes before 1.32, and on 1.33, watches don't begin with the list.
async fn lists_that_are_not_streamed() -> Result<()> {
    let cluster = Cluster::gated("lists", "WatchList=false").await?;
    cluster.stop_component("scheduler").await?;
    install_kinds(&cluster).await?;
    let chart = Installation::everywhere(&cluster).await?;
    let scene = Scene::new(cluster.client(), "lists", None).await?;
    scene
        .apply_documents(&[run_manifest("there-before", &json!({}))])
        .await?;
    let replica = Replica::start(&cluster, &chart, "replica").await?;
    let place = Place { replica, cluster };
    place.replica.until_ready().await?;
    ensure!(
        place.replica.log()?.contains("lists are read"),
        "this API server streams lists"
    );
    let owner = uid::<TrainingJob>(&scene, "there-before").await?;
    let made = async || job_of(&scene, &owner).await;
    let explain = async || place.replica.log_tail();
    wait_for("its Job is made", BACK, made, explain).await?;
    place.works(&scene, "after").await?;
    scene.close().await
}

async fn three_minutes_away() -> Result<()> {
    let place = Place::new("away", true).await?;
    place.replica.until_ready().await?;
    outage::api_server(&place, Duration::from_secs(180)).await
}

/// One process lives through all of it.
async fn whatever_is_away() -> Result<()> {
    let place = Place::new("absence", false).await?;
    absence::kinds(&place).await.context("kinds missing")?;
    absence::etcd(&place).await.context("etcd away")?;
    absence::history(&place).await.context("watches expired")?;
    refusals::internal_error(&place).await.context("500")?;
    outage::api_server(&place, Duration::from_secs(30)).await
}
