//! The API server is there and refuses for a while.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{Api, api::DeleteParams};
use millwright_crds::TrainingJob;
use millwright_e2e::{
    apply,
    audit::table,
    installation::{NAMESPACE, user},
    scene::Scene,
    wait::never,
};
use serde_json::{Value, json};

use super::{BACK, Place};
use crate::operator::run_manifest;

/// How long the API server refuses.
const REFUSES: Duration = Duration::from_secs(5);
/// Most requests in that time: tries, not a storm.
const TRIES: usize = 120;

/// A webhook that is away keeps Jobs from being made: 500.
pub async fn internal_error(place: &Place) -> Result<()> {
    let replica = &place.replica;
    let client = place.cluster.client();
    let scene = Scene::new(client, "refused-500", None).await?;
    let log = place.audit()?;
    apply::apply(client, "", &[absent_webhook()]).await?;
    scene
        .apply_documents(&[run_manifest("run", &json!({}))])
        .await?;
    let said = |run: &TrainingJob| {
        let conditions = &run.status.as_ref()?.conditions;
        let failed =
            |c: &&millwright_crds::common::Condition| c.message.contains("failed calling webhook");
        conditions.iter().find(failed).map(|c| c.message.clone())
    };
    let what = "the status says what the API server said";
    let message = scene.wait("run", what, BACK, said).await?;
    eprintln!("with 500 the status says: {message}");
    never("it is not ready", REFUSES / 2, async || {
        replica.lives().await?;
        let (ready, text) = replica.readiness().await?;
        Ok((!ready).then_some(text))
    })
    .await?;
    let refused = log.of_user(&user(NAMESPACE))?;
    let refused: Vec<_> = refused.iter().filter(|r| r.code == 500).collect();
    eprintln!("answered with 500:\n{}", table(refused.iter().copied()));
    ensure!(
        !refused.is_empty() && refused.len() <= TRIES,
        "{} requests",
        refused.len()
    );
    Api::<ValidatingWebhookConfiguration>::all(client.clone())
        .delete("absent", &DeleteParams::default())
        .await?;
    let back = Instant::now();
    place
        .works(&scene, "run")
        .await
        .context("after the webhook was removed")?;
    eprintln!(
        "works {:.1} s after the last 500",
        back.elapsed().as_secs_f64()
    );
    scene.close().await
}

fn absent_webhook() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "absent"},
        "webhooks": [{
            "name": "absent.example.com", "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 2,
            // Port 1 is closed: it is refused at once.
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{
                "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["jobs"], "scope": "Namespaced",
            }],
        }],
    })
}
