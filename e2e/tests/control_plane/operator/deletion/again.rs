//! Objects that are made again under the name of one that was deleted.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Event, Service},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use millwright_crds::{
    Dataset, LABEL_NAME, LABEL_OWNER, ModelDeployment, ModelVersion, TrainingJob,
    training_job::TrainingJobPhase,
};
use millwright_e2e::{
    apply,
    scene::{Kind, Scene},
};
use serde_json::{Value, json};

use super::{
    super::{SOON, phase, run_manifest, uid},
    cases::{manifest, result},
};
use crate::{
    kubelet::{End, Kubelet},
    world::{World, resource, scene},
};

/// What has children whose names a new object of the same name needs.
const AGAIN: [(&str, &str); 4] = [
    ("TrainingJob", "tj-running"),
    ("Dataset", "ds-ready"),
    ("Dataset", "ds-syncing"),
    ("ModelDeployment", "md-healthy"),
];

/// Beside the orphans of its predecessor an object stalls and says what to do.
pub async fn conflicts(scene: &Scene) -> Result<()> {
    let mut manifests: Vec<Value> = AGAIN
        .iter()
        .filter_map(|(kind, name)| manifest(kind, name))
        .collect();
    manifests.extend(manifest("ModelVersion", "served-v1"));
    scene.apply_documents(&manifests).await?;
    for (kind, name) in AGAIN {
        let api = apply::api(scene.client(), Some(scene.namespace()), &resource(kind));
        let look = async || {
            let object = api.get(name).await?;
            let conditions = object.data["status"]["conditions"].as_array().cloned();
            let stalled = conditions.into_iter().flatten().find(|condition| {
                condition["type"] == "Stalled" && condition["reason"] == "Conflict"
            });
            Ok(stalled
                .map(|condition| condition["message"].as_str().unwrap_or_default().to_owned()))
        };
        let message = scene
            .wait_until(
                &format!("{kind} {name} says what is in its way"),
                SOON,
                look,
            )
            .await?;
        ensure!(
            message.contains("delete"),
            "nobody is told what to do: {message}"
        );
        let owner = api.get(name).await?.uid().unwrap_or_default();
        let events = scene.api::<Event>();
        let told = async || {
            let list = events.list(&ListParams::default()).await?;
            let about =
                |event: &Event| event.involved_object.uid.as_deref() == Some(owner.as_str());
            let conflict = |event: &Event| event.reason.as_deref() == Some("Conflict");
            Ok(list.iter().any(|e| about(e) && conflict(e)).then_some(()))
        };
        scene
            .wait_until(
                &format!("an Event of {kind} {name} says so, too"),
                SOON,
                told,
            )
            .await?;
    }
    Ok(())
}

/// When a person has deleted the orphans, the new objects go on.
pub async fn names_get_free(scene: &Scene) -> Result<()> {
    for (_, name) in AGAIN {
        delete_children::<Job>(scene, name).await?;
        delete_children::<Deployment>(scene, name).await?;
        delete_children::<Service>(scene, name).await?;
    }
    let kubelet = Kubelet(scene);
    kubelet
        .pod(
            &uid::<TrainingJob>(scene, "tj-running").await?,
            "training",
            1,
        )
        .await?;
    for name in ["ds-ready", "ds-syncing"] {
        kubelet
            .pod(&uid::<Dataset>(scene, name).await?, "sync", 1)
            .await?;
    }
    let owner = uid::<ModelDeployment>(scene, "md-healthy").await?;
    kubelet.server(&owner, "serving").await.map(drop)
}

async fn delete_children<K>(scene: &Scene, owner: &str) -> Result<()>
where
    K: Kind,
{
    let api = scene.api::<K>();
    let params = ListParams::default().labels(&format!("{LABEL_NAME}={owner}"));
    for one in api.list_metadata(&params).await? {
        api.delete(&one.name_any(), &DeleteParams::background())
            .await
            .map_err(apply::refusal)?;
    }
    Ok(())
}

/// Deleted and made again at once, while the children of the first still go.
pub async fn at_once(world: &World) -> Result<()> {
    let scene = scene(world, "deleted-again").await?;
    let kubelet = Kubelet(&scene);
    let names = ["tj-running", "ds-ready", "md-healthy"];
    let manifests: Vec<Value> = [
        ("TrainingJob", "tj-running"),
        ("Dataset", "ds-ready"),
        ("ModelDeployment", "md-healthy"),
        ("ModelVersion", "served-v1"),
    ]
    .iter()
    .filter_map(|(kind, name)| manifest(kind, name))
    .collect();
    let mut owners: Vec<String> = vec![];
    // Three times in a row, and each time when the children are there.
    for _ in 0..3 {
        scene.apply_documents(&manifests).await?;
        let new = [
            uid::<TrainingJob>(&scene, names[0]).await?,
            uid::<Dataset>(&scene, names[1]).await?,
            uid::<ModelDeployment>(&scene, names[2]).await?,
        ];
        ensure!(new.iter().all(|uid| !owners.contains(uid)), "not made anew");
        let pod = kubelet.pod(&new[0], "training", 1).await?;
        kubelet.starts(&pod).await?;
        kubelet.pod(&new[1], "sync", 1).await?;
        kubelet.server(&new[2], "serving").await?;
        owners.extend(new);
        scene.delete::<TrainingJob>(names[0]).await?;
        scene.delete::<Dataset>(names[1]).await?;
        scene.delete::<ModelDeployment>(names[2]).await?;
    }
    // Nothing of the three is left, and nothing was registered.
    let gone = async || {
        let params = ListParams::default().labels(LABEL_OWNER);
        let jobs = scene.api::<Job>().list_metadata(&params).await?;
        let deployments = scene.api::<Deployment>().list_metadata(&params).await?;
        Ok((jobs.items.is_empty() && deployments.items.is_empty()).then_some(()))
    };
    scene
        .wait_until("all children are gone", SOON, gone)
        .await?;
    let versions = scene
        .api::<ModelVersion>()
        .list(&ListParams::default())
        .await?;
    let names: Vec<_> = versions.iter().map(ResourceExt::name_any).collect();
    ensure!(names == ["served-v1"], "{names:?}");
    scene.close().await
}

/// The Model is gone while its versions are there: the next run gets a number that is free.
pub async fn numbers_are_not_used_again(world: &World) -> Result<()> {
    let scene = scene(world, "deleted-model").await?;
    let kubelet = Kubelet(&scene);
    for (run, version) in [
        ("one", "delay-v1"),
        ("two", "delay-v2"),
        ("three", "delay-v3"),
    ] {
        scene
            .apply_documents(&[run_manifest(run, &json!({}))])
            .await?;
        let owner = uid::<TrainingJob>(&scene, run).await?;
        let pod = kubelet.pod(&owner, "training", 1).await?;
        kubelet.starts(&pod).await?;
        kubelet.ends(&pod, &End::well(&result())?).await?;
        let ended = phase(&scene, run, TrainingJobPhase::Succeeded).await?;
        let registered = ended.model_version.context("nothing was registered")?;
        ensure!(registered == version, "{run} registered {registered}");
        scene.delete::<millwright_crds::Model>("delay").await?;
    }
    scene.close().await
}
