//! How a namespace ends: all that the operator answers for, without what is another each time.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod, Service},
};
use kube::{
    ResourceExt,
    api::{ListParams, ObjectMeta},
};
use millwright_crds::{
    Dataset, LABEL_NAME, LABEL_OWNER, LABEL_ROLE, Model, ModelDeployment, ModelVersion,
    RetrainPolicy, TrainingJob,
};
use millwright_e2e::scene::{Kind, Scene};
use regex::Regex;
use serde_json::{Value, json};

/// Objects of a namespace.
#[derive(Default)]
pub struct State {
    /// One text for each object, sorted.
    objects: Vec<String>,
    owners: BTreeSet<String>,
    owned: Vec<(String, Vec<String>)>,
}

impl State {
    /// What is there now.
    ///
    /// # Errors
    /// When it can't be listed.
    pub async fn of(scene: &Scene) -> Result<Self> {
        let mut state = Self::default();
        let all = "";
        state.list::<Dataset>(scene, all, whole).await?;
        state.list::<TrainingJob>(scene, all, whole).await?;
        state.list::<Model>(scene, all, whole).await?;
        state.list::<ModelVersion>(scene, all, whole).await?;
        state.list::<ModelDeployment>(scene, all, whole).await?;
        state.list::<RetrainPolicy>(scene, all, whole).await?;
        // Of what other controllers answer for, only what the operator asked for and what came of it.
        let ours = LABEL_ROLE;
        state
            .list::<PersistentVolumeClaim>(scene, ours, spec)
            .await?;
        state.list::<Service>(scene, ours, spec).await?;
        state.list::<Deployment>(scene, ours, deployment).await?;
        state.list::<Job>(scene, ours, job).await?;
        state.list::<Pod>(scene, ours, pod).await?;
        // Pods of a Deployment belong to its ReplicaSets.
        let sets = scene.api::<ReplicaSet>();
        let sets = sets.list(&ListParams::default()).await?;
        state.owners.extend(sets.iter().filter_map(ReplicaSet::uid));
        let normal = Normal::new(scene.namespace())?;
        for text in &mut state.objects {
            *text = normal.text(text);
        }
        state.objects.sort();
        Ok(state)
    }

    async fn list<K: Kind>(
        &mut self,
        scene: &Scene,
        labels: &str,
        keep: fn(Value) -> Value,
    ) -> Result<()> {
        let params = ListParams::default().labels(labels);
        for object in scene.api::<K>().list(&params).await? {
            let kind = K::kind(&()).into_owned();
            let meta = object.meta();
            self.owners.extend(meta.uid.clone());
            self.owned
                .push((format!("{kind} {}", object.name_any()), owners(meta)));
            let kept = keep(serde_json::to_value(&object)?);
            let text = serde_saphyr::to_string(&json!({
                "kind": kind, "metadata": metadata::<K>(meta), "is": kept,
            }))?;
            self.objects.push(text);
        }
        Ok(())
    }

    /// Fails when the owner of an object doesn't exist.
    ///
    /// # Errors
    /// With the objects.
    pub fn ensure_owned(&self) -> Result<()> {
        let orphan = |(_, owners): &&(String, Vec<String>)| {
            owners.iter().any(|owner| !self.owners.contains(owner))
        };
        let orphans: Vec<_> = self
            .owned
            .iter()
            .filter(orphan)
            .map(|(name, _)| name)
            .collect();
        ensure!(orphans.is_empty(), "their owners are gone: {orphans:?}");
        Ok(())
    }

    /// How another state differs from this one, line by line; empty when it doesn't.
    pub fn difference(&self, other: &Self) -> String {
        let (mine, theirs) = (self.lines(), other.lines());
        let missing = mine.difference(&theirs).map(|line| format!("- {line}"));
        let new = theirs.difference(&mine).map(|line| format!("+ {line}"));
        missing.chain(new).collect::<Vec<_>>().join("\n")
    }

    /// Every line with the object that it is of and its number, so that two alike are two.
    fn lines(&self) -> BTreeSet<String> {
        let objects = self.objects.iter().enumerate();
        objects
            .flat_map(|(index, text)| {
                let lines = text.lines().enumerate();
                lines.map(move |(number, line)| format!("{index:02}.{number:03} {line}"))
            })
            .collect()
    }
}

/// UIDs of those whom an object belongs to.
fn owners(meta: &ObjectMeta) -> Vec<String> {
    let references = meta.owner_references.iter().flatten();
    let label = meta
        .labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL_OWNER));
    references
        .map(|owner| owner.uid.clone())
        .chain(label.cloned())
        .collect()
}

fn metadata<K: Kind>(meta: &ObjectMeta) -> Value {
    let owners = meta.owner_references.iter().flatten();
    let owners = owners.map(|owner| format!("{} {}", owner.kind, owner.name));
    // Pods have generated names.
    let name = meta.name.as_deref().filter(|_| K::kind(&()) != "Pod");
    // The tests' own are looks that were asked for.
    let annotations = meta.annotations.iter().flatten();
    let annotations = annotations.filter(|(key, _)| !key.starts_with("millwright-e2e/"));
    json!({
        "name": name, "labels": meta.labels,
        "annotations": annotations.collect::<BTreeMap<_, _>>(),
        "finalizers": meta.finalizers, "owners": owners.collect::<Vec<_>>(),
        "deleting": meta.deletion_timestamp.is_some(),
    })
}

fn whole(object: Value) -> Value {
    json!({"spec": object["spec"], "status": object["status"]})
}

fn spec(mut object: Value) -> Value {
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    object["spec"].take()
}

fn deployment(object: Value) -> Value {
    let status = &object["status"];
    json!({
        "generation": object["metadata"]["generation"], "spec": object["spec"],
        "replicas": status["replicas"], "available": status["availableReplicas"],
    })
}

fn job(object: Value) -> Value {
    let status = &object["status"];
    json!({
        "spec": object["spec"], "succeeded": status["succeeded"], "failed": status["failed"],
    })
}

fn pod(object: Value) -> Value {
    let labels = &object["metadata"]["labels"];
    json!({"of": labels[LABEL_NAME], "phase": object["status"]["phase"]})
}

/// Takes away what is another each time.
struct Normal {
    namespace: String,
    rules: Vec<(Regex, &'static str)>,
}

impl Normal {
    fn new(namespace: &str) -> Result<Self> {
        let rules = [
            (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
            (r"\b[0-9a-f]{8}\b", "HASH"),
            // Of pods whose environment names the namespace.
            (
                r"((?:pod-template-hash|millwright.dev/spec-hash): )\S+",
                "${1}HASH",
            ),
            (r"ReplicaSet \S+", "ReplicaSet"),
            // A hash of digits alone is quoted.
            ("\"HASH\"", "HASH"),
        ];
        let rules = rules.map(|(pattern, word)| anyhow::Ok((Regex::new(pattern)?, word)));
        Ok(Self {
            namespace: namespace.into(),
            rules: rules
                .into_iter()
                .collect::<Result<_>>()
                .context("a pattern of the test is wrong")?,
        })
    }

    fn text(&self, text: &str) -> String {
        let text = text.replace(&self.namespace, "NAMESPACE");
        self.rules.iter().fold(text, |text, (pattern, word)| {
            pattern.replace_all(&text, *word).into_owned()
        })
    }
}
