//! Millwright with all its artifacts, and a source, in an object store.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod, Secret};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::object::HasStatus,
};
use millwright_crds::{
    ANNOTATION_RETRAIN, Dataset, LABEL_KIND, ModelDeployment, ModelVersion, RetrainPolicy,
    model_deployment::ModelDeploymentPhase, training_job::TrainingJobPhase,
};
use millwright_e2e::scene::Scene;
use serde_json::{Value, json};

use crate::{
    rollout,
    trainer::{self, MODEL, run},
    world::{STORE, World},
};

/// Longest time for a step on a busy machine.
const STEP: Duration = Duration::from_secs(180);
/// Names and secrets of the server's only account.
const ACCOUNT: [&str; 2] = ["AKTEST", "not-a-secret"];

/// Makes two buckets, one of them with data.
const BUCKETS: &str = "
import os
os.makedirs('/data/artifacts')
os.makedirs('/data/feed/2013')
with open('/data/feed/2013/01.csv', 'w') as file:
    file.write('x,y\\n' + ''.join(f'{i},{i % 7}\\n' for i in range(1000)))
";

/// Knows the error of each kind of model.
const EVALUATOR: &str = "
import json, os
with open(os.environ['MILLWRIGHT_MODEL_DIR'] + '/model.txt') as file:
    error = {'good': 2.0, 'better': 1.0}[file.read()]
with open(os.environ['MILLWRIGHT_OUTPUT_DIR'] + '/metrics.json', 'w') as file:
    json.dump({'mae': error}, file)
";

pub async fn a_whole_loop_in_a_bucket(world: &World) -> Result<()> {
    let node = world.node_with_objects().await?;
    let operator = Some(node.operator.clone());
    let scene = Scene::new(node.cluster.client(), "objects", operator).await?;
    scene.apply_documents(&server()).await?;
    scene.apply_documents(&[dataset()]).await?;

    // The store's Secret is not there, then holds a wrong key, then the right one.
    dataset_says(&scene, &["secret \"store\" not found"]).await?;
    put_secret(&scene, "feed", ACCOUNT[1]).await?;
    put_secret(&scene, "store", "wrong").await?;
    let refused = [
        "SignatureDoesNotMatch",
        "AWS_SECRET_ACCESS_KEY in Secret store",
        STORE,
    ];
    dataset_says(&scene, &refused).await?;
    event_says(&scene, &refused).await?;
    put_secret(&scene, "store", ACCOUNT[1]).await?;
    let again = json!({"metadata": {"annotations": {"millwright.dev/refresh": "again"}}});
    scene.merge::<Dataset>("feed", &again).await?;
    let synced = |dataset: &Dataset| {
        let current = dataset.status()?.current.clone()?;
        Some((current.version, current.rows))
    };
    let current = scene.wait("feed", "it has a version", STEP, synced).await?;
    ensure!(current == ("v1".into(), 1_000), "{current:?}");

    scene.apply_documents(&[evaluated("first", "good")]).await?;
    let status = trainer::status(&scene, "first", "the run has ended", |status| {
        status.phase.is_final()
    })
    .await?;
    ensure!(status.phase == TrainingJobPhase::Succeeded, "{status:?}");
    scene.get::<ModelVersion>("small-v1").await?;
    scene.apply_documents(&[gated()]).await?;
    serves(&scene, 1).await?;

    // A person asks for the next, which is better on the same data.
    scene.apply_documents(&[policy()]).await?;
    let asked = json!({"metadata": {"annotations": {ANNOTATION_RETRAIN: "1"}}});
    scene.merge::<RetrainPolicy>("small", &asked).await?;
    serves(&scene, 2).await?;
    let version: ModelVersion = scene.get("small-v2").await?;
    let evaluation = version.spec.evaluation.context("v2 has no evaluation")?;
    let champion = evaluation
        .champion
        .context("v2 was compared with nothing")?;
    ensure!(
        (evaluation.metrics["mae"], champion.version) == (1.0, 1),
        "{champion:?}"
    );
    credentials_stay_with_us(&scene).await?;
    scene.close().await
}

/// Waits until the stage serves this version, and nothing else is under way.
async fn serves(scene: &Scene, version: u32) -> Result<()> {
    let look = |deployment: &ModelDeployment| {
        let status = deployment.status()?;
        let current = status.stages.first()?.current.as_ref()?.version;
        (status.phase == ModelDeploymentPhase::Healthy && current == version).then_some(())
    };
    let what = format!("v{version} serves");
    scene.wait("small", &what, STEP, look).await
}

/// A run that makes a model of this kind, and an evaluation that knows how good it is.
fn evaluated(name: &str, kind: &str) -> Value {
    let evaluator = trainer::pod(
        "evaluator",
        json!({"command": ["python3", "-c", EVALUATOR]}),
    );
    let spec = json!({
        "model": "small",
        "parameters": {"kind": kind},
        "inputs": [{"name": "train", "dataset": {"name": "feed"}}],
        "evaluation": {"dataset": {"name": "feed"}, "template": {"spec": evaluator}},
    });
    run(name, MODEL, &spec)
}

/// A deployment that takes only what is better than what it has.
fn gated() -> Value {
    let mut deployment = rollout::deployment();
    deployment["spec"]["stages"][0]["gates"] = json!([
        {"name": "better", "evaluation": {"metric": "mae", "limit": 5, "minImprovement": 0.5}},
    ]);
    deployment
}

fn policy() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "RetrainPolicy",
        "metadata": {"name": "small"},
        "spec": {
            "deployment": {"name": "small", "stage": "serving"},
            "triggers": [
                {"name": "quality", "quality": {"metric": "accuracy", "limit": {"value": 0.5}}},
            ],
            "template": {"spec": evaluated("next", "better")["spec"]},
        },
    })
}

/// No volume was made for artifacts, and no container of the user's has the store's Secret.
async fn credentials_stay_with_us(scene: &Scene) -> Result<()> {
    let claims = scene.api::<PersistentVolumeClaim>();
    let claims = claims.list(&ListParams::default()).await?.items;
    ensure!(claims.is_empty(), "{claims:?}");
    let ours = ListParams::default().labels(LABEL_KIND);
    let pods = scene.api::<Pod>().list(&ours).await?.items;
    let mut with = 0;
    for pod in &pods {
        let name = pod.name_any();
        let spec = pod.spec.as_ref().context("a pod without a spec")?;
        for container in spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
        {
            if container
                .env_from
                .iter()
                .flatten()
                .any(|from| from.secret_ref.is_some())
            {
                let image = container.image.as_deref().unwrap_or_default();
                ensure!(image.contains("/agent:"), "{name}: {}", container.name);
                with += 1;
            }
        }
    }
    ensure!(
        with >= 3,
        "{with} containers of {} pods have the Secret",
        pods.len()
    );
    Ok(())
}

/// Waits until the Dataset's conditions say all of this.
async fn dataset_says(scene: &Scene, parts: &[&str]) -> Result<()> {
    let look = |dataset: &Dataset| {
        let mut conditions = dataset.status()?.conditions.iter();
        let found = conditions.any(|c| parts.iter().all(|part| c.message.contains(part)));
        found.then_some(())
    };
    scene
        .wait("feed", &format!("it says {parts:?}"), STEP, look)
        .await
}

/// Waits until an Event says all of this.
async fn event_says(scene: &Scene, parts: &[&str]) -> Result<()> {
    let events = scene.api::<Event>();
    let look = async || {
        let list = events.list(&ListParams::default()).await?;
        let found = list.items.iter().any(|event| {
            let message = event.message.as_deref().unwrap_or_default();
            parts.iter().all(|part| message.contains(part))
        });
        Ok(found.then_some(()))
    };
    scene
        .wait_until(&format!("an Event says {parts:?}"), STEP, look)
        .await
}

async fn put_secret(scene: &Scene, name: &str, key: &str) -> Result<()> {
    let secret: Secret = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": {
            "AWS_ACCESS_KEY_ID": ACCOUNT[0],
            "AWS_SECRET_ACCESS_KEY": key,
            "AWS_ENDPOINT_URL": "http://s3.objects.svc:7070",
            "AWS_ALLOW_HTTP": "true",
        },
    }))?;
    let apply = PatchParams::apply("e2e");
    scene
        .api::<Secret>()
        .patch(name, &apply, &Patch::Apply(&secret))
        .await?;
    Ok(())
}

fn dataset() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "Dataset",
        "metadata": {"name": "feed"},
        "spec": {
            "source": {
                "uri": "s3://feed/2013/",
                "include": ["*.csv"],
                "credentials": {"secretName": "feed"},
            },
            "format": {"type": "Csv"},
        },
    })
}

/// The server and its Service.
fn server() -> Vec<Value> {
    let mut pod = trainer::pod("buckets", json!({"command": ["python3", "-c", BUCKETS]}));
    let mut init = pod["containers"][0].take();
    let mount = json!([{"name": "data", "mountPath": "/data"}]);
    init["volumeMounts"] = mount.clone();
    let mut server = init.clone();
    let changes = json!({
        "name": "server",
        "image": "localhost/versitygw:dev",
        "command": null,
        "args": ["--port", ":7070", "posix", "/data"],
        "env": [
            {"name": "ROOT_ACCESS_KEY", "value": ACCOUNT[0]},
            {"name": "ROOT_SECRET_KEY", "value": ACCOUNT[1]},
        ],
        "readinessProbe": {"tcpSocket": {"port": 7070}, "periodSeconds": 1},
    });
    json_patch::merge(&mut server, &changes);
    pod["initContainers"] = json!([init]);
    pod["containers"] = json!([server]);
    pod["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    vec![
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "s3", "labels": {"app": "s3"}}, "spec": pod,
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s3"},
            "spec": {"selector": {"app": "s3"}, "ports": [{"port": 7070}]},
        }),
    ]
}
