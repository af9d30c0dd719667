//! The API server is there and refuses for a while.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration, flowcontrol::v1::FlowSchema,
};
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
const REFUSES: Duration = Duration::from_secs(10);
/// Most requests in that time: tries, not a storm.
const TRIES: usize = 120;

/// Priority and Fairness has no place for the operator: 429 with Retry-After.
pub async fn too_many_requests(place: &Place) -> Result<()> {
    let replica = &place.replica;
    let client = place.cluster.client();
    let scene = Scene::new(client, "refused-429", None).await?;
    let log = place.audit()?;
    apply::apply(client, "", &no_place()).await?;
    let said = replica.until_says("Too many requests").await?;
    eprintln!("with 429 it says:\n{said}");
    let run = run_manifest("run", &json!({}));
    scene.apply_documents(&[run]).await?;
    never("it is ready", REFUSES, async || {
        replica.lives().await?;
        let (ready, text) = replica.readiness().await?;
        Ok(ready.then_some(text))
    })
    .await?;
    let refused = log.of_user(&user(NAMESPACE))?;
    let refused: Vec<_> = refused.iter().filter(|r| r.code == 429).collect();
    eprintln!("answered with 429:\n{}", table(refused.iter().copied()));
    ensure!(
        !refused.is_empty() && refused.len() <= TRIES,
        "{} requests",
        refused.len()
    );
    Api::<FlowSchema>::all(client.clone())
        .delete("nothing-for-the-operator", &DeleteParams::default())
        .await?;
    let back = Instant::now();
    replica.until_leads(BACK).await?;
    place.works(&scene, "run").await?;
    eprintln!(
        "works {:.1} s after the last 429",
        back.elapsed().as_secs_f64()
    );
    scene.close().await
}

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

fn no_place() -> [Value; 2] {
    let name = "nothing-for-the-operator";
    [
        json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
            "metadata": {"name": name},
            "spec": {"type": "Limited", "limited": {
                "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
                "limitResponse": {"type": "Reject"},
            }},
        }),
        json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema",
            "metadata": {"name": name},
            "spec": {
                "priorityLevelConfiguration": {"name": name}, "matchingPrecedence": 2,
                "rules": [{
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": {
                        "name": "millwright-operator", "namespace": NAMESPACE,
                    }}],
                    "resourceRules": [{
                        "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
                        "namespaces": ["*"], "clusterScope": true,
                    }],
                }],
            },
        }),
    ]
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
