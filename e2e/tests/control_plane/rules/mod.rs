//! Every rule of the kinds' schemas refuses what it should, with a message that names the field.
//!
//! The rules are read from the CRDs of the chart. Manifests that break them are made from the valid
//! ones in `valid/`, so a new rule needs a case only when it is in CEL, and fails here without.

mod cel;
mod mutation;
mod place;
mod schema;

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use millwright_e2e::{
    apply::{self, refusal},
    scene::Scene,
    suite::Test,
};
use serde_json::Value;

use self::{
    mutation::{Broken, broken, is_status},
    schema::{Check, Rule},
};
use crate::world::{self, World};

/// Requests side by side.
const CONCURRENCY: usize = 8;

/// The valid manifests.
pub const VALID: [&str; 6] = [
    include_str!("../valid/dataset.yaml"),
    include_str!("../valid/model.yaml"),
    include_str!("../valid/model-deployment.yaml"),
    include_str!("../valid/model-version.yaml"),
    include_str!("../valid/retrain-policy.yaml"),
    include_str!("../valid/training-job.yaml"),
];

/// One test per kind.
pub fn tests() -> Result<Vec<Test<World>>> {
    let crds = world::crds()?;
    let test = |crd: Value| {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default();
        let name = format!("rules::{}", kind.to_lowercase());
        Test::new(name, move |world: Arc<World>| async move {
            refuses(&world, &crd).await
        })
    };
    Ok(crds.into_iter().map(test).collect())
}

/// How a broken manifest is sent.
#[derive(Clone, Copy)]
enum Way {
    Create,
    Change,
    ChangeStatus,
}

struct Case {
    rule: Rule,
    way: Way,
    broken: Broken,
}

async fn refuses(world: &World, crd: &Value) -> Result<()> {
    let cluster = world.bare().await?;
    let names = &crd["spec"]["names"];
    let kind = names["kind"].as_str().unwrap_or_default();
    let valid = valid(kind)?;
    let cases = cases(&schema::rules(crd)?, &valid)?;

    let scene = Scene::new(
        cluster.client(),
        &format!("rules-{}", kind.to_lowercase()),
        None,
    )
    .await?;
    let mut specs = valid.clone();
    for object in &mut specs {
        object
            .as_object_mut()
            .context("no object")?
            .remove("status");
    }
    scene.apply_documents(&specs).await?;
    let gvk = GroupVersionKind::gvk("millwright.dev", "v1alpha1", kind);
    let plural = names["plural"].as_str().unwrap_or_default();
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    let api = apply::api(cluster.client(), Some(scene.namespace()), &resource);
    for object in &valid {
        change_status(&api, object, false)
            .await
            .map_err(refusal)
            .with_context(|| format!("the valid status of {kind} {}", name(object)))?;
    }

    let count = cases.len();
    let wrong: Vec<String> = stream::iter(cases)
        .map(|case| {
            let api = &api;
            async move { case.send(api).await.err().map(|error| error.to_string()) }
        })
        .buffer_unordered(CONCURRENCY)
        .filter_map(std::future::ready)
        .collect()
        .await;
    ensure!(
        wrong.is_empty(),
        "{} of {count} manifests were not refused as they should:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

fn valid(kind: &str) -> Result<Vec<Value>> {
    let mut found = vec![];
    for manifest in VALID {
        let documents = apply::parse(manifest)?;
        found.extend(
            documents
                .into_iter()
                .filter(|object| object["kind"] == kind),
        );
    }
    ensure!(
        !found.is_empty(),
        "no valid manifest of {kind}: write one in valid/"
    );
    Ok(found)
}

/// A case for each rule; an error lists those that there is none for.
fn cases(rules: &[Rule], valid: &[Value]) -> Result<Vec<Case>> {
    let (mut cases, mut missing) = (vec![], vec![]);
    for rule in rules {
        let way = match &rule.check {
            _ if is_status(rule) => Way::ChangeStatus,
            Check::Cel(cel) if cel.is_transition() => Way::Change,
            _ => Way::Create,
        };
        let results: Result<Vec<_>> = valid.iter().map(|object| broken(rule, object)).collect();
        match results.map(|results| results.into_iter().flatten().next()) {
            Ok(Some(manifests)) => cases.extend(manifests.into_iter().map(|broken| Case {
                rule: rule.clone(),
                way,
                broken,
            })),
            Ok(None) => missing.push(format!("{rule}: no valid manifest has the field")),
            Err(error) => missing.push(format!("{rule}: {error:#}")),
        }
    }
    ensure!(
        missing.is_empty(),
        "rules without a case:\n{}",
        missing.join("\n")
    );
    Ok(cases)
}

impl Case {
    /// Sends the broken manifest, as a dry run.
    async fn send(&self, api: &Api<DynamicObject>) -> Result<()> {
        let object = &self.broken.object;
        let result = match self.way {
            Way::Create => {
                let params = PostParams {
                    dry_run: true,
                    ..PostParams::default()
                };
                api.create(&params, &serde_json::from_value(object.clone())?)
                    .await
            }
            Way::Change => {
                let params = PatchParams {
                    dry_run: true,
                    ..PatchParams::default()
                };
                let mut removals = object.clone();
                null_absent(&mut removals, &api.get(&name(object)).await?.data);
                api.patch(&name(object), &params, &Patch::Merge(&removals))
                    .await
            }
            Way::ChangeStatus => change_status(api, object, true).await,
        };
        let rule = &self.rule;
        let status = match result {
            Ok(_) => bail!("{rule}: accepted"),
            Err(kube::Error::Api(status)) => status,
            Err(error) => bail!("{rule}: {error}"),
        };
        let said = &status.message;
        let Broken { place, words, .. } = &self.broken;
        ensure!(status.code == 422, "{rule}: HTTP {}: {said}", status.code);
        ensure!(
            said.contains(place.as_str()),
            "{rule}: {place} is not in: {said}"
        );
        ensure!(
            said.contains(words.as_str()),
            "{rule}: \"{words}\" is not in: {said}"
        );
        Ok(())
    }
}

/// Fields of `before` that `wanted` hasn't got become null, which a merge patch removes.
fn null_absent(wanted: &mut Value, before: &Value) {
    let (Some(wanted), Some(before)) = (wanted["spec"].as_object_mut(), before["spec"].as_object())
    else {
        return;
    };
    for key in before.keys() {
        wanted.entry(key.clone()).or_insert(Value::Null);
    }
}

async fn change_status(
    api: &Api<DynamicObject>,
    object: &Value,
    dry_run: bool,
) -> kube::Result<DynamicObject> {
    let mut stored = api.get(&name(object)).await?;
    if let (Some(fields), Some(status)) = (stored.data.as_object_mut(), object.get("status")) {
        fields.insert("status".into(), status.clone());
    }
    let params = PostParams {
        dry_run,
        ..PostParams::default()
    };
    api.replace_subresource("status", &stored.name_any(), &params, &stored)
        .await
}

fn name(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}
