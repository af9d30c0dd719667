//! What the examples refer to, so that a mutation is not held up by something else.

use anyhow::{Context as _, Result};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use millwright_crds::{Dataset, ModelDeployment};
use millwright_e2e::{apply, scene::Scene};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const AT: &str = "2026-01-02T03:04:05Z";

/// Makes a namespace with the data, the models and the deployments that the examples name.
pub async fn make(client: &Client, namespace: &str) -> Result<()> {
    let scene = Scene::new(client, namespace, None).await?;
    let models = ["delay", "flights-delay"];
    let mut documents = vec![object(
        "Dataset",
        "flights",
        json!({"source": {"uri": "pvc://feed/"}, "format": {"type": "Csv"}, "suspend": true}),
    )];
    for model in models {
        documents.push(object("Model", model, json!({})));
        documents.push(object(
            "ModelVersion",
            &format!("{model}-v1"),
            json!({
                "model": model, "version": 1,
                "artifact": {"digest": DIGEST, "bytes": 1, "files": 1},
            }),
        ));
        documents.push(object(
            "ModelDeployment",
            model,
            json!({
                "model": {"name": model, "track": "Latest"},
                "server": {"template": {"spec": {"containers": [{"name": "a", "image": "i"}]}}},
                "stages": [{"name": "production"}],
            }),
        ));
    }
    apply::apply(client, namespace, &documents).await?;

    let version = |name: &str, state: &str| {
        json!({
            "version": name, "digest": DIGEST, "state": state, "rows": 1, "files": 1, "bytes": 1,
            "createdAt": AT,
        })
    };
    let mut current = version("v2", "Current");
    if let Some(fields) = current.as_object_mut() {
        fields.remove("state");
    }
    let data = json!({"status": {
        "current": current,
        "versions": [version("v2", "Current"), version("v1", "Superseded")],
    }});
    change_status(&scene.api::<Dataset>(), "flights", &data).await?;
    for model in models {
        let serving = json!({"status": {"stages": [{
            "name": "production",
            "current": {"version": 1, "digest": DIGEST, "since": AT, "revision": "00000000"},
        }]}});
        change_status(&scene.api::<ModelDeployment>(), model, &serving).await?;
    }
    Ok(())
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
        "spec": spec,
    })
}

async fn change_status<K>(api: &Api<K>, name: &str, status: &Value) -> Result<()>
where
    K: millwright_e2e::scene::Kind,
{
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .map(drop)
        .map_err(apply::refusal)
        .with_context(|| format!("write the status of {name}"))
}
