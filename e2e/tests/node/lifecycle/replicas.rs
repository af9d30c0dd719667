//! Two replicas and a node that is drained.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::join_all;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client, ResourceExt,
    api::{EvictParams, ListParams},
};
use millwright_e2e::{cluster::Cluster, installation::NAMESPACE, wait::wait_for};

const NAME: &str = "millwright-operator";
/// Longest time until a replica has taken the place of another.
const REPLACED: Duration = Duration::from_secs(60);

/// Both replicas are ready and one leads. When both are to be evicted, one is, and another pod takes
/// its place; then the other is, so that the leader has gone, too.
pub async fn the_leader_goes(cluster: &Cluster) -> Result<()> {
    let client = &cluster.client_without_retries().await?;
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let before = both_ready(client).await?;
    let leader = leader(client).await?;
    ensure!(
        before.contains(&leader),
        "{leader} leads, not one of {before:?}"
    );
    let params = EvictParams::default();
    let evictions = before.iter().map(|name| pods.evict(name, &params));
    let evictions = join_all(evictions).await;
    let refused = evictions
        .iter()
        .position(|result| matches!(result, Err(kube::Error::Api(status)) if status.code == 429));
    let evicted = evictions.iter().filter(|result| result.is_ok()).count();
    let (1, Some(refused)) = (evicted, refused) else {
        bail!("of two evictions one is refused by the budget, not {evictions:?}");
    };
    both_ready(client).await?;
    pods.evict(&before[refused], &params).await?;
    let names = both_ready(client).await?;
    ensure!(
        names.iter().all(|name| !before.contains(name)),
        "{before:?} were evicted, and there are {names:?}"
    );
    let look = async || Ok(names.contains(&self::leader(client).await?).then_some(()));
    let explain = async || format!("none of {names:?} leads");
    wait_for("a replica leads", REPLACED, look, explain).await
}

/// Waits until the budget allows a disruption: both replicas are ready. Their names.
async fn both_ready(client: &Client) -> Result<Vec<String>> {
    let budgets = Api::<PodDisruptionBudget>::namespaced(client.clone(), NAMESPACE);
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let look = async || {
        let status = budgets.get(NAME).await?.status.unwrap_or_default();
        let list = pods.list(&ListParams::default()).await?;
        let live = list
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let names: Vec<_> = live.map(ResourceExt::name_any).collect();
        let ready = status.current_healthy == 2 && status.disruptions_allowed == 1;
        Ok((ready && names.len() == 2).then_some(names))
    };
    let explain = async || millwright_e2e::diagnose::pods(client, NAMESPACE).await;
    wait_for("both replicas are ready", REPLACED, look, explain).await
}

async fn leader(client: &Client) -> Result<String> {
    let leases = Api::<Lease>::namespaced(client.clone(), NAMESPACE);
    let lease = leases.get(NAME).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    holder.context("nobody leads")
}
