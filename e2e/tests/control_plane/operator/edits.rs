//! What others change in the children of a stage is put back.

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
use millwright_e2e::scene::{Kind, Scene};
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
    scene.apply_documents(&[version(), deployment()]).await?;
    let there = |_: &Service| Some(());
    scene
        .wait::<Service, _>(CHILD, "the stage has a Service", SOON, there)
        .await?;
    let made = |one: &Deployment| Some(one.clone());
    let mut made = scene
        .wait::<Deployment, _>(CHILD, "the stage has a Deployment", SOON, made)
        .await?;
    let image = image(&made).context("no image")?;

    // As `kubectl set image` does.
    made.metadata.managed_fields = None;
    made.metadata.resource_version = None;
    let template = made
        .spec
        .as_mut()
        .and_then(|one| one.template.spec.as_mut());
    template.context("no pod")?.containers[0].image = Some("example/hotfix:1".into());
    let api = scene.api::<Deployment>();
    api.replace(CHILD, &PostParams::default(), &made).await?;
    is_restored::<Deployment>(&scene, "the image", |one| {
        self::image(one) == Some(image.clone())
    })
    .await?;

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

async fn is_restored<K: Kind>(
    scene: &Scene,
    what: &str,
    is_right: impl Fn(&K) -> bool,
) -> Result<()> {
    let look = |one: &K| is_right(one).then_some(());
    let what = format!("{what} is put back");
    scene.wait::<K, _>(CHILD, &what, SOON, look).await
}

fn image(deployment: &Deployment) -> Option<String> {
    let template = &deployment.spec.as_ref()?.template;
    template.spec.as_ref()?.containers.first()?.image.clone()
}
