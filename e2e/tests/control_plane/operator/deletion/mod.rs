//! Deleting: what goes with an object, what stays, and what a new object of the same name meets.

pub mod again;
mod cases;
pub mod in_use;
pub mod matrix;

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::DeleteParams};
use millwright_crds::TrainingJob;
use millwright_e2e::apply;
use serde_json::json;

use super::{run_manifest, uid};
use crate::{
    kubelet::Kubelet,
    rules::VALID,
    world::{World, scene},
};

/// Longest time until a namespace is gone.
const GONE: Duration = Duration::from_secs(180);

pub async fn a_namespace_goes_with_all_in_it(world: &World) -> Result<()> {
    let scene = scene(world, "deleted").await?;
    // Every kind is there in every phase.
    cases::reach(&scene).await?;
    for manifest in VALID {
        let mut documents = apply::parse(manifest)?;
        for document in &mut documents {
            if let Some(fields) = document.as_object_mut() {
                fields.remove("status");
            }
        }
        scene.apply_documents(&documents).await?;
    }
    // One run is in the midst of its work.
    scene
        .apply_documents(&[run_manifest("at-work", &json!({}))])
        .await?;
    let owner = uid::<TrainingJob>(&scene, "at-work").await?;
    let kubelet = Kubelet(&scene);
    kubelet
        .starts(&kubelet.pod(&owner, "training", 1).await?)
        .await?;

    let (client, name) = (scene.client().clone(), scene.namespace().to_owned());
    let namespaces = Api::<Namespace>::all(client.clone());
    let deleted = namespaces.get(&name).await?.uid();
    // Not by closing the scene, which waits for rest: syncs that failed are tried again for ever.
    namespaces
        .delete(&name, &DeleteParams::background())
        .await?;
    let gone = async || {
        let found = namespaces.get_opt(&name).await?;
        Ok(found
            .is_none_or(|found| found.uid() != deleted)
            .then_some(()))
    };
    let explain = async || match namespaces.get(&name).await {
        Ok(namespace) => millwright_e2e::diagnose::yaml(&namespace),
        Err(error) => error.to_string(),
    };
    millwright_e2e::wait::wait_for("the namespace is gone", GONE, gone, explain).await
}
