//! What Kubernetes keeps from running although it took it: each object says so, and why.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use millwright_crds::{Dataset, TrainingJob};
use millwright_e2e::{apply, scene::Scene};
use serde_json::{Value, json};

use crate::{
    commands::Commands,
    kubelet::Kubelet,
    operator::{run_manifest, uid},
    world::{World, resource, scene},
};

/// Longest time until an object says what is in its way: pods are waited for before anything is said.
const SAID: Duration = Duration::from_secs(90);

/// A namespace in which no pod may be created, for a reason of each sort.
pub async fn pods(world: &World) -> Result<()> {
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-pods"},
        "spec": {"hard": {"pods": "0"}},
    });
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tiny"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]},
    });
    let security = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": "refused-security",
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    });
    let cases = futures::future::join_all([
        no_pods(world, "refused-quota", quota, "exceeded quota"),
        no_pods(world, "refused-range", range, "maximum memory usage"),
        no_pods(world, "refused-security", security, "violates PodSecurity"),
    ]);
    cases.await.into_iter().collect()
}

async fn no_pods(world: &World, namespace: &str, rule: Value, word: &str) -> Result<()> {
    let scene = scene(world, namespace).await?;
    if rule["kind"] == "Namespace" {
        let api = Api::<Namespace>::all(scene.client().clone());
        api.patch(namespace, &PatchParams::default(), &Patch::Merge(&rule))
            .await?;
    } else {
        scene.apply_documents(std::slice::from_ref(&rule)).await?;
    }
    if rule["kind"] == "ResourceQuota" {
        // It counts from when its controller has seen it.
        let seen = |quota: &ResourceQuota| quota.status.as_ref()?.hard.clone();
        scene
            .wait::<ResourceQuota, _>("no-pods", "the quota counts", SAID, seen)
            .await?;
    }
    scene
        .apply_documents(&[
            run_manifest("run", &json!({})),
            version(),
            deployment(),
            dataset(),
        ])
        .await?;
    let describe = "kubectl describe job";
    futures::try_join!(
        says(&scene, "TrainingJob", "run", "PodRefused", describe),
        says(&scene, "ModelDeployment", "served", "PodRefused", word),
        async {
            if namespace == "refused-security" {
                // Pods of ours alone keep the strictest rules.
                let owner = uid::<Dataset>(&scene, "data").await?;
                Kubelet(&scene).pod(&owner, "sync", 1).await.map(drop)
            } else {
                says(&scene, "Dataset", "data", "PodRefused", describe).await
            }
        },
    )?;
    let text = diagnosis(world, &scene, "tj/run").await?;
    for part in ["PodRefused", "what to do", "describe"] {
        ensure!(text.contains(part), "{part} is not in: {text}");
    }
    scene.close().await
}

/// No Job may be created: it is tried again until one may.
pub async fn jobs(world: &World) -> Result<()> {
    let scene = scene(world, "refused-jobs").await?;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-jobs"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    });
    scene.apply_documents(&[quota]).await?;
    let seen = |quota: &ResourceQuota| quota.status.as_ref()?.hard.clone();
    scene
        .wait::<ResourceQuota, _>("no-jobs", "the quota counts", SAID, seen)
        .await?;
    scene
        .apply_documents(&[run_manifest("run", &json!({}))])
        .await?;
    // An API server that has not seen the quota's status yet refuses with other words.
    let said = "exceeded quota: no-jobs";
    says(&scene, "TrainingJob", "run", "ApplyFailed", said).await?;
    let text = diagnosis(world, &scene, "tj/run").await?;
    ensure!(
        text.contains("no-jobs") && text.contains("what to do"),
        "{text}"
    );
    scene
        .api::<ResourceQuota>()
        .delete("no-jobs", &DeleteParams::default())
        .await?;
    let owner = uid::<TrainingJob>(&scene, "run").await?;
    Kubelet(&scene).pod(&owner, "training", 1).await?;
    scene.close().await
}

/// What nodes and the scheduler say of pods reaches the status, and the diagnosis.
pub async fn nodes(world: &World) -> Result<()> {
    let scene = scene(world, "refused-nodes").await?;
    let kubelet = Kubelet(&scene);
    let names = ["claim", "config", "pull", "typo"];
    let mut manifests: Vec<_> = names[..3]
        .iter()
        .map(|name| run_manifest(name, &json!({})))
        .collect();
    let typo = json!({"template": {"spec": {"containers": [{"name": "a", "image": "i", "comand": ["train"]}]}}});
    manifests.push(run_manifest("typo", &typo));
    scene.apply_documents(&manifests).await?;
    let pod = async |name: &str| -> Result<Pod> {
        let owner = uid::<TrainingJob>(&scene, name).await?;
        kubelet.pod(&owner, "training", 1).await
    };
    let unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims";
    kubelet.has_no_place(&pod("claim").await?, unbound).await?;
    let missing = "configmap \"settings\" not found";
    let config = pod("config").await?;
    kubelet
        .can_not_start(&config, "CreateContainerConfigError", missing)
        .await?;
    let denied = "failed to pull image: pull access denied, authorization failed";
    kubelet
        .can_not_start(&pod("pull").await?, "ErrImagePull", denied)
        .await?;
    for (name, reason, said, next) in [
        ("claim", "Unschedulable", unbound, "kubectl get pvc"),
        ("config", "ContainerStart", missing, "describe"),
        ("pull", "ImagePull", denied, "kubectl replace --force"),
        (
            "typo",
            "InvalidSpec",
            "spec.template.spec.containers[0].comand",
            "kubectl replace --force",
        ),
    ] {
        says(&scene, "TrainingJob", name, reason, said).await?;
        let text = diagnosis(world, &scene, &format!("tj/{name}")).await?;
        for part in [reason, said, "what to do", next] {
            ensure!(text.contains(part), "{part} is not in: {text}");
        }
    }
    scene.close().await
}

/// An object that is nested deeper than any reader follows is left out, and others are not.
pub async fn depth(world: &World) -> Result<()> {
    let scene = scene(world, "refused-depth").await?;
    let mut deep = json!("bottom");
    for _ in 0..200 {
        deep = json!({ "a": deep });
    }
    let template = json!({"template": {"spec": {"affinity": deep}}});
    let api = apply::api(
        scene.client(),
        Some(scene.namespace()),
        &resource("TrainingJob"),
    );
    // It is stored, but the answer can't be read, either.
    let answer = apply::create_strictly(&api, &run_manifest("deep", &template)).await;
    ensure!(
        matches!(answer, Err(kube::Error::SerdeError(_))),
        "{answer:?}"
    );
    scene
        .apply_documents(&[run_manifest("run", &json!({}))])
        .await?;
    let owner = uid::<TrainingJob>(&scene, "run").await?;
    Kubelet(&scene).pod(&owner, "training", 1).await?;
    let log = world.managed().await?.operator.log_tail(usize::MAX).await;
    ensure!(
        log.contains("one of the trainingjobs can't be read"),
        "nobody is told:\n{log}"
    );
    api.delete("deep", &DeleteParams::default()).await.ok();
    scene.close().await
}

/// Waits until an object's condition Ready gives this reason, and says this in its message.
async fn says(scene: &Scene, kind: &str, name: &str, reason: &str, said: &str) -> Result<()> {
    let api = apply::api(scene.client(), Some(scene.namespace()), &resource(kind));
    let look = async || {
        let object = api.get(name).await?;
        let conditions = object.data["status"]["conditions"].as_array();
        let ready = conditions.and_then(|all| all.iter().find(|c| c["type"] == "Ready"));
        let ready = ready.context("it has no condition Ready")?;
        let message = ready["message"].as_str().unwrap_or_default();
        ensure!(
            ready["reason"] == reason && message.contains(said),
            "it says {}: {message}",
            ready["reason"]
        );
        Ok(Some(()))
    };
    let what = format!("{kind} {name} says {reason}: {said}");
    scene.wait_until(&what, SAID, look).await
}

async fn diagnosis(world: &World, scene: &Scene, object: &str) -> Result<String> {
    let commands = Commands {
        cluster: &world.managed().await?.cluster,
        namespace: scene.namespace(),
    };
    commands.plugin(&format!("diagnose {object}")).await
}

/// A version of a model.
pub fn version() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "ModelVersion",
        "metadata": {"name": "served-v1"},
        "spec": {"model": "served", "version": 1, "artifact": {
            "digest": format!("sha256:{}", "ab".repeat(32)), "bytes": 1, "files": 1,
        }},
    })
}

/// A deployment of it with one stage.
pub fn deployment() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "ModelDeployment",
        "metadata": {"name": "served"},
        "spec": {
            "model": {"name": "served", "track": "Latest"},
            "server": {"template": {"spec": {"containers": [{"name": "server", "image": "i"}]}}},
            "stages": [{"name": "serving"}],
        },
    })
}

fn dataset() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": "data"},
        "spec": {"source": {"uri": "pvc://feed/"}, "format": {"type": "Csv"}},
    })
}
