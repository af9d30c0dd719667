//! The life of an installation: with Helm alone, in namespaces that enforce the Pod Security Standard
//! `restricted`, with rights in one namespace only.

mod helm;
mod replicas;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::{
    api::{
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
        core::v1::{Namespace, Pod},
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::object::HasStatus,
};
use millwright_crds::{
    Dataset, Model, ModelDeployment, ModelVersion, TrainingJob,
    model_deployment::ModelDeploymentPhase, training_job::TrainingJobPhase,
};
use millwright_e2e::{
    apply,
    cluster::{Cluster, Parts},
    images,
    installation::NAMESPACE,
    operator::Operator,
    scene::{Kind, Scene},
};
use serde_json::{Value, json};

use crate::{
    rollout,
    trainer::{self, MODEL, run},
    world::World,
};
use helm::Helm;

/// Longest time until the operator has seen something.
const SOON: Duration = Duration::from_secs(60);

/// Install the version before, work, upgrade, uninstall, install again.
pub async fn install_upgrade_uninstall(_: &World) -> Result<()> {
    let parts = Parts {
        node: true,
        audit: false,
    };
    let cluster = Cluster::up("lifecycle", parts).await?;
    images::load(&cluster, &["operator", "agent", "flights"]).await?;
    let client = cluster.client();
    let operator = Arc::new(Operator::installed(&cluster));
    let system = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    apply::apply(client, "", &[system]).await?;
    let ours = Scene::new(client, "team-a", Some(operator.clone())).await?;
    let others = Scene::new(client, "team-b", Some(operator)).await?;
    for namespace in [NAMESPACE, "team-a", "team-b"] {
        restrict(client, namespace).await?;
    }
    let helm = Helm(&cluster);

    helm.install(&helm::previous(&cluster).await?).await?;
    has_rights_in_one_namespace(client).await?;
    others
        .apply_documents(&[run("run", MODEL, &json!({"model": "small"})), model("{}")?])
        .await?;
    work(&ours).await?;
    replicas::the_leader_goes(&cluster).await?;
    let before = finished(&ours).await?;

    let described = model("{description: made by a person}")?;
    ours.apply_documents(std::slice::from_ref(&described))
        .await?;
    let stored: Model = ours.get("by-hand").await?;
    ensure!(
        stored.spec.description.is_none(),
        "the version before knows the new field"
    );
    helm.upgrade(&helm::current()).await?;
    ours.apply_documents(&[described]).await?;
    seen(&ours).await?;
    prints_columns(client).await?;

    helm.uninstall().await?;
    let left = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let gone = async || {
        let left = left.list(&ListParams::default()).await?;
        Ok(left.items.is_empty().then_some(()))
    };
    ours.wait_until("the operator's pods are gone", SOON, gone)
        .await?;
    ensure!(
        kinds(client).await?.len() == 6,
        "CRDs went with the release"
    );
    ensure!(
        finished(&ours).await? == before,
        "objects changed with the release"
    );

    // What was applied meanwhile is picked up.
    let again = model("{description: changed while nobody looked}")?;
    ours.apply_documents(&[again]).await?;
    helm.install(&helm::current()).await?;
    seen(&ours).await?;
    ensure!(
        finished(&ours).await? == before,
        "an object that had ended was written again: {before:?}, now {:?}",
        finished(&ours).await?
    );
    untouched(&others).await
}

/// Pods of a namespace must be as the Pod Security Standard `restricted` says.
async fn restrict(client: &Client, namespace: &str) -> Result<()> {
    let labels = json!({"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }}});
    let api = Api::<Namespace>::all(client.clone());
    api.patch(namespace, &PatchParams::default(), &Patch::Merge(labels))
        .await?;
    Ok(())
}

/// There is no right in the cluster as a whole, nor to anything in another namespace.
async fn has_rights_in_one_namespace(client: &Client) -> Result<()> {
    let ours = ListParams::default().labels("app.kubernetes.io/name=millwright");
    let roles = Api::<ClusterRole>::all(client.clone()).list(&ours).await?;
    let bindings = Api::<ClusterRoleBinding>::all(client.clone())
        .list(&ours)
        .await?;
    ensure!(
        roles.items.is_empty() && bindings.items.is_empty(),
        "the release has rights in the whole cluster"
    );
    for (verb, resource, namespace, allowed) in [
        ("create", "batch/jobs", "team-a", true),
        ("create", "batch/jobs", "team-b", false),
        ("list", "millwright.dev/models", "team-b", false),
        ("get", "/secrets", "team-a", false),
        ("get", "/pods/log", "team-a", false),
    ] {
        let found = may(client, verb, resource, namespace).await?;
        ensure!(
            found == allowed,
            "the operator may {verb} {resource} in {namespace}: {found}"
        );
    }
    Ok(())
}

async fn may(client: &Client, verb: &str, resource: &str, namespace: &str) -> Result<bool> {
    let (group, resource) = resource.split_once('/').context("group/resource")?;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!(
                "system:serviceaccount:{NAMESPACE}:millwright-operator"
            )),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.into()),
                group: Some(group.into()),
                resource: Some(resource.into()),
                subresource: Some(subresource.into()),
                namespace: Some(namespace.into()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api = Api::<SubjectAccessReview>::all(client.clone());
    let answer = api.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// A run, a sync of what it published, and a model server: all pods that Millwright makes.
async fn work(scene: &Scene) -> Result<()> {
    let registers = run("run", MODEL, &json!({"model": "small"}));
    scene.apply_documents(&[registers]).await?;
    trainer::status(scene, "run", "the run has ended well", |status| {
        status.phase == TrainingJobPhase::Succeeded
    })
    .await?;
    let files = json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": "files"},
        "spec": {"source": {"uri": "pvc://millwright-artifacts/runs/"}, "format": {"type": "Csv"}},
    });
    scene
        .apply_documents(&[files, rollout::deployment()])
        .await?;
    // Whatever it makes of them, its pod has run.
    let synced = |dataset: &Dataset| dataset.status()?.last_sync.clone();
    scene
        .wait("files", "its files were read", trainer::SOON, synced)
        .await?;
    let healthy = |deployment: &ModelDeployment| {
        (deployment.status()?.phase == ModelDeploymentPhase::Healthy).then_some(())
    };
    scene
        .wait("small", "its stage serves", trainer::SOON, healthy)
        .await
}

/// The resourceVersions of what has come to an end, or to rest.
async fn finished(scene: &Scene) -> Result<Vec<Option<String>>> {
    async fn version<K: Kind>(scene: &Scene, name: &str) -> Result<Option<String>> {
        Ok(scene.get::<K>(name).await?.resource_version())
    }
    Ok(vec![
        version::<TrainingJob>(scene, "run").await?,
        version::<ModelVersion>(scene, "small-v1").await?,
        version::<Model>(scene, "small").await?,
    ])
}

fn model(spec: &str) -> Result<Value> {
    let manifest = format!(
        "apiVersion: millwright.dev/v1alpha1\nkind: Model\nmetadata: {{name: by-hand}}\nspec: {spec}"
    );
    Ok(apply::parse(&manifest)?.swap_remove(0))
}

/// Waits until the operator has seen the Model that a person made.
async fn seen(scene: &Scene) -> Result<()> {
    let look = |model: &Model| {
        let observed = model.status.as_ref()?.observed_generation;
        (Some(observed) == model.metadata.generation).then_some(())
    };
    scene
        .wait("by-hand", "the operator has seen it", SOON, look)
        .await
}

async fn kinds(client: &Client) -> Result<Vec<CustomResourceDefinition>> {
    let all = Api::<CustomResourceDefinition>::all(client.clone());
    let mut list = all.list(&ListParams::default()).await?.items;
    list.retain(|crd| crd.spec.group == millwright_crds::GROUP);
    Ok(list)
}

/// The upgrade has brought the columns of Models, too.
async fn prints_columns(client: &Client) -> Result<()> {
    let kinds = kinds(client).await?;
    let models = kinds.iter().find(|crd| crd.spec.names.kind == "Model");
    let columns = models.and_then(|crd| crd.spec.versions[0].additional_printer_columns.as_ref());
    ensure!(
        columns.is_some_and(|columns| !columns.is_empty()),
        "the CRD of Models is the one of the version before"
    );
    Ok(())
}

/// In a namespace that is not the operator's business nothing has happened.
async fn untouched(scene: &Scene) -> Result<()> {
    let run: TrainingJob = scene.get("run").await?;
    let model: Model = scene.get("by-hand").await?;
    ensure!(
        run.status
            .is_none_or(|status| status.observed_generation == -1)
            && model
                .status
                .is_none_or(|status| status.observed_generation == -1),
        "the operator wrote in {}",
        scene.namespace()
    );
    let pods = scene.api::<Pod>().list(&ListParams::default()).await?;
    ensure!(
        pods.items.is_empty(),
        "there are pods in {}",
        scene.namespace()
    );
    Ok(())
}
