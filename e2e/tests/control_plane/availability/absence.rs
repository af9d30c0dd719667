//! What the operator needs is not there, or not any more: its kinds, the store of the API server, the
//! history that a watch goes on from.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use millwright_e2e::{audit::table, installation, scene::Scene, wait::never};

use super::{BACK, Place};
use crate::world::install_kinds;

/// The operator is there before its kinds.
pub async fn kinds(place: &Place) -> Result<()> {
    let replica = &place.replica;
    replica
        .until_says("trainingjobs: the kind is not known to the API server: install the CRDs")
        .await?;
    never("it is ready", Duration::from_secs(5), async || {
        replica.lives().await?;
        let (ready, text) = replica.readiness().await?;
        Ok(ready.then_some(text))
    })
    .await?;
    install_kinds(&place.cluster).await?;
    let installed = Instant::now();
    replica.until_leads(BACK).await?;
    eprintln!(
        "ready {:.1} s after the kinds were there",
        installed.elapsed().as_secs_f64()
    );
    let scene = Scene::new(place.cluster.client(), "kinds", None).await?;
    place.works(&scene, "run").await
}

/// etcd is killed, and away for some seconds.
pub async fn etcd(place: &Place) -> Result<()> {
    let replica = &place.replica;
    let log = place.audit()?;
    let scene = Scene::new(place.cluster.client(), "etcd", None).await?;
    place.works(&scene, "before").await?;
    place.cluster.stop_component("etcd").await?;
    let down = Instant::now();
    let said = replica.until_says("leader election: the Lease").await?;
    eprintln!(
        "not ready {:.1} s after etcd was killed:\n{said}",
        down.elapsed().as_secs_f64()
    );
    never(
        "it is ready without etcd",
        Duration::from_secs(5),
        async || {
            replica.lives().await?;
            let (ready, text) = replica.readiness().await?;
            Ok(ready.then_some(text))
        },
    )
    .await?;
    place.cluster.start_component("etcd").await?;
    place.api_server_answers().await?;
    let back = Instant::now();
    replica.until_leads(2 * BACK).await?;
    eprintln!(
        "ready {:.1} s after etcd's return",
        back.elapsed().as_secs_f64()
    );
    place.works(&scene, "after").await?;
    let refused = log.of_user(&installation::user(installation::NAMESPACE))?;
    let refused = refused.iter().filter(|request| request.code >= 400);
    eprintln!("refused meanwhile:\n{}", table(refused));
    scene.close().await
}

/// While the operator is paused the API server starts anew, and with it what it remembers: watches that
/// go on from before that get 410.
pub async fn history(place: &Place) -> Result<()> {
    let replica = &place.replica;
    let expired = "the watch was too old and starts again";
    let before = replica.log()?.matches(expired).count();
    replica.signal("STOP")?;
    // The history of the new process begins after this.
    let scene = Scene::new(place.cluster.client(), "history", None).await?;
    place.cluster.signal_component("apiserver", "KILL").await?;
    place.api_server_answers().await?;
    let run = crate::operator::run_manifest("meanwhile", &serde_json::json!({}));
    scene.apply_documents(&[run]).await?;
    replica.signal("CONT")?;
    let woken = Instant::now();
    replica.until_leads(BACK).await?;
    eprintln!("ready {:.1} s after it woke", woken.elapsed().as_secs_f64());
    place.works(&scene, "meanwhile").await?;
    let expired = replica.log()?.matches(expired).count() - before;
    eprintln!("{expired} watches had expired");
    ensure!(expired > 0, "no watch had expired:\n{}", replica.log_tail());
    scene.close().await
}
