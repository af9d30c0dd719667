//! Every kind is led through every way in which it can stand, and an object of each is recorded: what
//! GitOps tools make of them is tested in `e2e/gitops`.

mod data;
mod deployments;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use millwright_e2e::{
    record::Recorder,
    scene::{Kind, Scene},
    suite::Test,
};
use serde_json::{Value, json};

use crate::world::{self, World};

/// Longest time until an object stands as it should.
const SOON: Duration = Duration::from_secs(90);
/// Longest time until an object is gone after its children.
const GONE: Duration = Duration::from_secs(60);
/// A digest of files.
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The tests of how objects stand.
pub fn tests() -> Vec<Test<World>> {
    vec![
        Test::new("health::data_and_runs", |world: Arc<World>| async move {
            data::data_and_runs(&world).await
        }),
        Test::new(
            "health::deployments_and_policies",
            |world: Arc<World>| async move { deployments::deployments_and_policies(&world).await },
        ),
    ]
}

/// A namespace, and what is seen in it.
struct Stage {
    scene: Scene,
    recorder: Recorder,
}

impl Stage {
    async fn new(world: &World, namespace: &str) -> Result<Self> {
        let scene = world::scene(world, namespace).await?;
        let recorder = Recorder::start(scene.client(), Some(namespace)).await?;
        Ok(Self { scene, recorder })
    }

    /// Waits until objects have stood in each of these ways.
    async fn saw(&self, standings: &[&str]) -> Result<()> {
        for standing in standings {
            let seen = self.recorder.saw(standing, SOON).await;
            if let Err(error) = seen {
                let explain = self.scene.explain().await;
                return Err(error.context(explain));
            }
        }
        Ok(())
    }

    /// Creates an object of ours.
    async fn create(&self, kind: &str, name: &str, spec: Value) -> Result<()> {
        let manifest = json!({
            "apiVersion": "millwright.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        });
        self.scene.apply_documents(&[manifest]).await.map(drop)
    }

    /// Deletes an object after its children, so that its deletion is seen.
    async fn delete<K: Kind>(&self, name: &str) -> Result<()> {
        let api = self.scene.api::<K>();
        api.delete(name, &DeleteParams::foreground()).await?;
        let kind = K::kind(&()).to_lowercase();
        self.saw(&[&format!("{kind}-deleted")]).await?;
        // What follows from it comes when it is gone, and the garbage collector takes its time.
        let gone = async || Ok(api.get_opt(name).await?.is_none().then_some(()));
        let what = format!("{kind} {name} is gone");
        self.scene.wait_until(&what, GONE, gone).await
    }

    async fn close(self) -> Result<()> {
        self.recorder.all_known()?;
        self.scene.close().await
    }
}

/// Plays the kubelet for pods that serve: of those with these labels, so many are ready; in the others
/// the server crashes again and again.
async fn pods_are_ready(scene: &Scene, labels: &str, count: usize) -> Result<()> {
    let pods = scene.api::<Pod>();
    let list = pods.list(&ListParams::default().labels(labels)).await?;
    for (index, pod) in list.into_iter().enumerate() {
        let status = if index < count { "True" } else { "False" };
        let conditions = ["Ready", "ContainersReady"].map(|kind| {
            json!({"type": kind, "status": status, "lastTransitionTime": pod.creation_timestamp()})
        });
        let server = if index < count {
            json!([])
        } else {
            crashes(pod.creation_timestamp())
        };
        let patch = Patch::Merge(json!({"status": {
            "phase": "Running", "conditions": conditions, "containerStatuses": server,
        }}));
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch)
            .await?;
    }
    Ok(())
}

fn crashes(since: Option<Time>) -> Value {
    json!([{
        "name": "server", "image": "example/server:1", "imageID": "example@sha256:00",
        "ready": false, "started": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}},
        "lastState": {"terminated": {
            "exitCode": 1, "reason": "Error", "message": "no such file: model.txt",
            "startedAt": since, "finishedAt": since,
        }},
    }])
}
