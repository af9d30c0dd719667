//! The registration of what a run made: a number from the Model, then the ModelVersion.
//!
//! The number is raised in the Model's status with a resourceVersion precondition before the
//! ModelVersion is created, so that two runs that end together never get the same one. The Model
//! remembers who drew the number: after a crash between the two writes the run uses it again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use millwright_crds::{
    ANNOTATION_TRIGGER, LABEL_MODEL, LABEL_OWNER, LABEL_POLICY, TrainingJob,
    model::{Model, ModelPhase, ModelSpec},
    model_version::{
        Artifact, Champion, Lineage, ModelVersion, ModelVersionSpec, RunReference,
        VersionEvaluation,
    },
    training_job::{EvaluationResult, ResolvedInput},
    wire::attempt::AttemptResult,
};

use crate::{
    Object, Operation, Reason,
    conditions::{self, Verdict},
    model::MADE_BY,
};

/// What has to happen next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// The Model doesn't exist: it is created, and the number drawn when it is there.
    CreateModel(Box<Operation>),
    /// The writes that register the version of this name; nothing when all was done.
    Register {
        /// Writes, in order.
        operations: Vec<Operation>,
        /// Name of the ModelVersion.
        name: String,
    },
}

/// What a run hands to the registry.
pub(super) struct Made<'a> {
    pub(super) run: &'a TrainingJob,
    pub(super) model: &'a str,
    pub(super) resolved: &'a [ResolvedInput],
    pub(super) result: &'a AttemptResult,
    pub(super) evaluation: Option<&'a EvaluationResult>,
    pub(super) image: Option<String>,
}

/// The next step towards a registered version.
pub(super) fn step(
    made: &Made<'_>,
    model: Option<&Model>,
    last_version: Option<&ModelVersion>,
    now: Timestamp,
) -> Step {
    let namespace = made.run.namespace().unwrap_or_default();
    let Some(model) = model else {
        return Step::CreateModel(Box::new(create_model(made.model, &namespace)));
    };
    let uid = made.run.uid().unwrap_or_default();
    // Other runs may have drawn numbers since, so the Model does not tell that it was done.
    let own = |version: &&ModelVersion| version.labels().get(LABEL_OWNER) == Some(&uid);
    if let Some(version) = last_version.filter(own) {
        return Step::Register {
            operations: vec![],
            name: version.name_any(),
        };
    }
    let status = model.status.clone().unwrap_or_default();
    let drawn = status.drawn_by.as_deref() == Some(uid.as_str());
    // Somebody may have written a version of the last number by hand.
    let taken = last_version.is_some_and(|version| {
        version.spec.version == status.last_version
            && version.labels().get(LABEL_OWNER) != Some(&uid)
    });
    if drawn && !taken {
        let version = model_version(made, status.last_version, &namespace);
        let name = version.name_any();
        let exists = last_version.is_some_and(|known| known.name_any() == name);
        let operations = if exists {
            vec![]
        } else {
            vec![Operation::Create(Object::custom(&version))]
        };
        return Step::Register { operations, name };
    }
    let number = status.last_version.saturating_add(1);
    let version = model_version(made, number, &namespace);
    let name = version.name_any();
    let raise = raise(model, number, &uid, &name, now);
    Step::Register {
        operations: vec![raise, Operation::Create(Object::custom(&version))],
        name,
    }
}

fn create_model(name: &str, namespace: &str) -> Operation {
    let mut model = Model::new(name, ModelSpec::default());
    model.metadata.namespace = Some(namespace.into());
    let (label, value) = MADE_BY;
    model.labels_mut().insert(label.into(), value.into());
    Operation::Create(Object::custom(&model))
}

fn raise(model: &Model, number: u32, uid: &str, version: &str, now: Timestamp) -> Operation {
    let mut model = model.clone();
    let mut status = model.status.take().unwrap_or_default();
    let generation = model.metadata.generation.unwrap_or(1);
    status.last_version = number;
    status.drawn_by = Some(uid.into());
    status.latest = Some(version.into());
    status.observed_generation = generation;
    status.phase = ModelPhase::Ready;
    let message = crate::model::message(version);
    status.conditions = conditions::set(
        &status.conditions,
        &Verdict::Ready,
        Reason::Registered,
        &message,
        generation,
        now,
    );
    model.status = Some(status);
    model.metadata.managed_fields = None;
    Operation::ReplaceStatus {
        resource_version: model.resource_version().unwrap_or_default(),
        object: Object::custom(&model),
    }
}

fn model_version(made: &Made<'_>, number: u32, namespace: &str) -> ModelVersion {
    let run = made.run;
    let uid = run.uid().unwrap_or_default();
    let evaluation = made.evaluation.map(|found| VersionEvaluation {
        dataset: found.data.dataset.clone(),
        version: found.data.version.clone(),
        digest: found.data.digest.clone(),
        metrics: found.metrics.clone(),
        champion: found.champion.map(|version| Champion {
            version,
            metrics: found.champion_metrics.clone(),
        }),
    });
    let owner = run
        .owner_references()
        .iter()
        .find(|owner| owner.kind == "RetrainPolicy")
        .map(|owner| owner.name.clone());
    let spec = ModelVersionSpec {
        model: made.model.into(),
        version: number,
        artifact: Artifact {
            digest: made.result.digest.clone(),
            bytes: made.result.bytes,
            files: made.result.files,
            format: run.spec.output.format.clone(),
        },
        metrics: made.result.metrics.clone(),
        evaluation,
        profile: made.result.profile.clone(),
        objective: run.spec.objective.clone(),
        lineage: Lineage {
            training_job: Some(RunReference {
                name: run.name_any(),
                uid: uid.clone(),
            }),
            inputs: made.resolved.to_vec(),
            image: made.image.clone(),
            parameters: run.spec.parameters.clone(),
            seed: run.spec.seed,
            policy: owner,
        },
    };
    let mut labels = BTreeMap::from([
        (LABEL_MODEL.into(), made.model.to_owned()),
        (LABEL_OWNER.into(), uid),
        (MADE_BY.0.into(), MADE_BY.1.into()),
    ]);
    if let Some(policy) = run.labels().get(LABEL_POLICY) {
        labels.insert(LABEL_POLICY.into(), policy.clone());
    }
    let annotations = run
        .annotations()
        .get(ANNOTATION_TRIGGER)
        .map(|trigger| BTreeMap::from([(ANNOTATION_TRIGGER.into(), trigger.clone())]));
    let mut version = ModelVersion::new(&format!("{}-v{number}", made.model), spec);
    version.metadata = ObjectMeta {
        name: version.metadata.name.take(),
        namespace: Some(namespace.into()),
        labels: Some(labels),
        annotations,
        ..ObjectMeta::default()
    };
    version
}

#[cfg(test)]
mod tests {
    use millwright_crds::model::ModelStatus;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_whose_version_is_there_draws_no_second_number() {
        let run: TrainingJob = serde_json::from_value(json!({
            "apiVersion": "millwright.dev/v1alpha1", "kind": "TrainingJob",
            "metadata": {"name": "run", "namespace": "a", "uid": "u"},
            "spec": {"model": "m", "template": {"spec": {"containers": []}}},
        }))
        .unwrap();
        let result = AttemptResult {
            v: 1,
            digest: format!("sha256:{}", "ab".repeat(32)),
            files: 1,
            bytes: 10,
            metrics: BTreeMap::new(),
            key: "runs/a/1/result.json".into(),
            profile: None,
        };
        let made = Made {
            run: &run,
            model: "m",
            resolved: &[],
            result: &result,
            evaluation: None,
            image: None,
        };
        let mut model = Model::new("m", ModelSpec::default());
        model.status = Some(ModelStatus {
            last_version: 2,
            drawn_by: Some("another".into()),
            ..ModelStatus::default()
        });
        let own = model_version(&made, 1, "a");
        let done = Step::Register {
            operations: vec![],
            name: "m-v1".into(),
        };
        let step = step(&made, Some(&model), Some(&own), Timestamp::UNIX_EPOCH);
        assert_eq!(step, done);
    }
}
