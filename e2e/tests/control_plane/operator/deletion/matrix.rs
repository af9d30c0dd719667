//! Each kind in each phase is deleted in each way.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod, Service},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, PropagationPolicy},
};
use millwright_crds::{LABEL_KIND, ModelVersion, TrainingJob};
use millwright_e2e::{
    apply,
    audit::{AuditLog, table},
    scene::{Kind, Scene},
    wait::never,
};

use super::{
    GONE,
    again::{conflicts, names_get_free},
    cases::{CASES, reach, result},
};
use crate::{
    kubelet::{End, Kubelet},
    operator::uid,
    world::{World, resource, scene},
};

/// The claim of the artifact store.
const STORE: &str = "millwright-artifacts";
/// How long nothing may be written for what is gone.
const REST: Duration = Duration::from_secs(3);

pub async fn foreground(world: &World) -> Result<()> {
    all(world, "deleted-foreground", PropagationPolicy::Foreground).await
}

pub async fn background(world: &World) -> Result<()> {
    all(world, "deleted-background", PropagationPolicy::Background).await
}

pub async fn orphan(world: &World) -> Result<()> {
    all(world, "deleted-orphan", PropagationPolicy::Orphan).await
}

async fn all(world: &World, namespace: &str, propagation: PropagationPolicy) -> Result<()> {
    let scene = scene(world, namespace).await?;
    let begun = Instant::now();
    reach(&scene).await?;
    let reached = begun.elapsed();
    let (claim, versions) = (claim(&scene).await?, versions(&scene).await?);
    let children = children(&scene).await?;
    let trainer = match propagation {
        PropagationPolicy::Orphan => {
            let owner = uid::<TrainingJob>(&scene, "tj-running").await?;
            Some(Kubelet(&scene).pod(&owner, "training", 1).await?)
        }
        _ => None,
    };
    for (kind, name, _) in CASES {
        let params = DeleteParams {
            propagation_policy: Some(propagation.clone()),
            ..DeleteParams::default()
        };
        let api = apply::api(scene.client(), Some(namespace), &resource(kind));
        api.delete(name, &params).await.map_err(apply::refusal)?;
    }
    are_gone(&scene).await?;
    if let Some(trainer) = trainer {
        // What an orphan makes belongs to nobody.
        Kubelet(&scene)
            .ends(&trainer, &End::well(&result())?)
            .await?;
    } else {
        nothing_is_left(&scene).await?;
    }
    comes_to_rest(world, &scene).await?;

    ensure!(
        self::claim(&scene).await? == claim,
        "the artifact store's claim was deleted or belongs to somebody"
    );
    let left = self::versions(&scene).await?;
    let wanted: Vec<_> = versions
        .into_iter()
        .filter(|name| !CASES.iter().any(|(_, case, _)| case == name))
        .collect();
    ensure!(
        left == wanted,
        "ModelVersions left: {left:?}, expected: {wanted:?}"
    );
    if propagation == PropagationPolicy::Orphan {
        are_untouched(&scene, &children).await?;
        conflicts(&scene).await?;
        names_get_free(&scene).await?;
    }
    eprintln!(
        "{} objects of 6 kinds and their {} children deleted ({propagation:?}): in their phases \
         after {:.1} s, done after {:.1} s",
        CASES.len(),
        children.len(),
        reached.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    scene.close().await
}

/// UID of the store's claim, which belongs to nobody.
async fn claim(scene: &Scene) -> Result<Option<String>> {
    let claim: PersistentVolumeClaim = scene.get(STORE).await?;
    let stays = claim.metadata.deletion_timestamp.is_none() && claim.owner_references().is_empty();
    Ok(claim.uid().filter(|_| stays))
}

async fn versions(scene: &Scene) -> Result<Vec<String>> {
    let list = scene
        .api::<ModelVersion>()
        .list(&ListParams::default())
        .await?;
    Ok(list.iter().map(ResourceExt::name_any).collect())
}

async fn are_gone(scene: &Scene) -> Result<()> {
    let look = async || {
        for (kind, name, _) in CASES {
            let api = apply::api(scene.client(), Some(scene.namespace()), &resource(kind));
            if api.get_metadata_opt(name).await?.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    };
    scene.wait_until("all objects are gone", GONE, look).await
}

async fn nothing_is_left(scene: &Scene) -> Result<()> {
    let look = async || Ok(children(scene).await?.is_empty().then_some(()));
    scene.wait_until("all children are gone", GONE, look).await
}

/// UID of each child with its kind, name, generation and whether it belongs to somebody.
async fn children(scene: &Scene) -> Result<BTreeMap<String, (String, Option<i64>, bool)>> {
    let mut found = BTreeMap::new();
    list::<Job>(scene, &mut found).await?;
    list::<Deployment>(scene, &mut found).await?;
    list::<Service>(scene, &mut found).await?;
    list::<TrainingJob>(scene, &mut found).await?;
    list::<Pod>(scene, &mut found).await?;
    Ok(found)
}

async fn list<K: Kind>(
    scene: &Scene,
    found: &mut BTreeMap<String, (String, Option<i64>, bool)>,
) -> Result<()> {
    let params = ListParams::default().labels(LABEL_KIND);
    for one in scene.api::<K>().list_metadata(&params).await? {
        let what = format!("{} {}", K::kind(&()), one.name_any());
        let owned = !one.owner_references().is_empty();
        found.insert(
            one.uid().unwrap_or_default(),
            (what, one.metadata.generation, owned),
        );
    }
    Ok(())
}

/// The children of before are still there, as they were, and the topmost belong to nobody.
async fn are_untouched(
    scene: &Scene,
    before: &BTreeMap<String, (String, Option<i64>, bool)>,
) -> Result<()> {
    let after = children(scene).await?;
    for (uid, (what, generation, _)) in before {
        if what.starts_with("Pod md-") {
            // The pods of a version that was taken back may still have been going.
            continue;
        }
        // The run of a policy owns its Job, and Jobs own their pods.
        let below = what.starts_with("Pod ") || what.starts_with("Job rp-");
        let found = after.get(uid);
        ensure!(
            found.is_some_and(|(_, now, owned)| now == generation && (below || !owned)),
            "{what} was touched: {found:?}"
        );
    }
    Ok(())
}

/// The operator has nothing to do with what is gone.
async fn comes_to_rest(world: &World, scene: &Scene) -> Result<()> {
    let managed = world.managed().await?;
    let from_now = || AuditLog::from_now(&managed.cluster.audit_log());
    let asked = |log: &AuditLog| -> Result<Vec<_>> {
        let mut requests = log.of_user(managed.operator.user())?;
        requests.retain(|request| request.namespace == scene.namespace());
        Ok(requests)
    };
    let quiet = async || {
        let log = from_now()?;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        Ok(asked(&log)?.is_empty().then_some(()))
    };
    scene.wait_until("the operator rests", GONE, quiet).await?;
    let log = from_now()?;
    never("the operator asked for something", REST, async || {
        let requests = asked(&log)?;
        Ok((!requests.is_empty()).then(|| table(&requests)))
    })
    .await
}
