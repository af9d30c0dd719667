//! What others change in the children of a stage is put back.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Event, Service},
};
use kube::{
    ResourceExt,
    api::{ListParams, PostParams},
};
use millwright_crds::{LABEL_OWNER, LABEL_STAGE};
use millwright_e2e::{
    installation::Installation,
    operator::{LOG_LEVEL, Operator, Replica},
    scene::{Kind, Scene},
};
use serde_json::json;

use super::SOON;
use crate::{
    objects::refused::{deployment, version},
    world::{World, scene},
};

/// The Deployment and the Service of the stage.
const CHILD: &str = "served-serving";

pub async fn children_are_put_back(world: &World) -> Result<()> {
    let scene = scene(world, "edited").await?;
    let made = serves(&scene).await?;
    let image = image(&made)?;
    set_image(&scene, &made).await?;
    has_image(&scene, &image).await?;

    let labels = json!({"metadata": {"labels": {LABEL_STAGE: "other", LABEL_OWNER: null}}});
    scene.merge::<Deployment>(CHILD, &labels).await?;
    is_restored::<Deployment>(&scene, "the labels", |one| {
        let labels = one.labels();
        labels
            .get(LABEL_STAGE)
            .is_some_and(|stage| stage == "serving")
            && labels.contains_key(LABEL_OWNER)
    })
    .await?;
    let now = scene.get::<Deployment>(CHILD).await?;
    ensure!(now.uid() == made.uid(), "it was made anew");

    let selector = json!({"spec": {"selector": {"app": "hotfix"}}});
    scene.merge::<Service>(CHILD, &selector).await?;
    is_restored::<Service>(&scene, "the selector", |one| {
        let selector = one.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        selector.is_some_and(|selector| !selector.contains_key("app"))
    })
    .await?;

    let told = async || {
        let events = scene.api::<Event>().list(&ListParams::default()).await?;
        let messages = events.items.into_iter().filter_map(|event| {
            (event.reason.as_deref() == Some("Restored")).then_some(event.message?)
        });
        let messages: Vec<_> = messages.collect();
        let all = ["spec", "label", "selector"];
        let all = all.map(|what| messages.iter().any(|message| message.contains(what)));
        Ok((all == [true; 3]).then_some(()))
    };
    scene.wait_until("people are told", SOON, told).await?;
    scene.close().await
}

/// An operator finds what was changed while there was none.
pub async fn edits_in_its_absence_are_put_back(world: &World) -> Result<()> {
    let namespace = "edited-alone";
    let cluster = world.faults().await?;
    Scene::new(cluster.client(), namespace, None).await?;
    let installation = Installation::within(cluster, namespace).await?;
    let replica = Replica {
        installation: &installation,
        pod_name: "millwright-operator",
        kubeconfig: installation.kubeconfig(),
        environment: &[("RUST_LOG", LOG_LEVEL)],
    };
    let operator = Arc::new(Operator::start(cluster, &replica).await?);
    operator.ready().await?;
    let scene = Scene::of(cluster.client(), namespace, Some(operator.clone()));
    let made = serves(&scene).await?;
    let image = image(&made)?;

    operator.kill();
    set_image(&scene, &made).await?;
    operator.start_again()?;
    has_image(&scene, &image).await?;
    scene.close().await
}

/// A stage, when it has its children.
async fn serves(scene: &Scene) -> Result<Deployment> {
    scene.apply_documents(&[version(), deployment()]).await?;
    let there = |_: &Service| Some(());
    scene
        .wait::<Service, _>(CHILD, "the stage has a Service", SOON, there)
        .await?;
    let made = |one: &Deployment| Some(one.clone());
    scene
        .wait::<Deployment, _>(CHILD, "the stage has a Deployment", SOON, made)
        .await
}

/// As `kubectl set image` does.
async fn set_image(scene: &Scene, deployment: &Deployment) -> Result<()> {
    let mut deployment = deployment.clone();
    deployment.metadata.managed_fields = None;
    deployment.metadata.resource_version = None;
    let spec = deployment.spec.as_mut();
    let pod = spec.and_then(|one| one.template.spec.as_mut());
    pod.context("no pod")?.containers[0].image = Some("example/hotfix:1".into());
    let api = scene.api::<Deployment>();
    api.replace(CHILD, &PostParams::default(), &deployment)
        .await?;
    Ok(())
}

async fn has_image(scene: &Scene, wanted: &str) -> Result<()> {
    is_restored::<Deployment>(scene, "the image", |one| {
        image(one).is_ok_and(|image| image == wanted)
    })
    .await
}

async fn is_restored<K: Kind>(
    scene: &Scene,
    what: &str,
    is_right: impl Fn(&K) -> bool,
) -> Result<()> {
    let look = |one: &K| is_right(one).then_some(());
    let what = format!("{what} is put back");
    scene.wait::<K, _>(CHILD, &what, SOON, look).await
}

fn image(deployment: &Deployment) -> Result<String> {
    let spec = deployment.spec.as_ref();
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let container = pod.and_then(|pod| pod.containers.first());
    let image = container.and_then(|container| container.image.clone());
    image.context("the Deployment has no image")
}
