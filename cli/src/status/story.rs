//! Which objects belong to which loop: one loop for each model.

use std::collections::BTreeSet;

use kube::ResourceExt;
use millwright_crds::{
    Dataset, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob, TrainingJobSpec,
};

use crate::objects::Objects;

/// The objects around one model.
#[derive(Clone, Debug)]
pub struct Loop<'a> {
    pub model: &'a str,
    /// Data that its runs read, in the order of the first mention. A name without a Dataset is
    /// missing.
    pub data: Vec<(&'a str, Option<&'a Dataset>)>,
    /// Runs that register the model, newest first.
    pub runs: Vec<&'a TrainingJob>,
    /// Its versions, highest first.
    pub versions: Vec<&'a ModelVersion>,
    pub deployments: Vec<&'a ModelDeployment>,
    pub policies: Vec<&'a RetrainPolicy>,
}

/// All loops of a namespace, and what is in none.
#[derive(Clone, Debug, Default)]
pub struct Story<'a> {
    pub loops: Vec<Loop<'a>>,
    pub other_data: Vec<&'a Dataset>,
    pub other_runs: Vec<&'a TrainingJob>,
    pub other_policies: Vec<&'a RetrainPolicy>,
}

impl<'a> Story<'a> {
    /// Sorts objects into loops.
    pub fn of(objects: &'a Objects) -> Self {
        let models: BTreeSet<&str> = objects
            .models
            .iter()
            .map(|model| model.metadata.name.as_deref().unwrap_or_default())
            .chain(objects.versions.iter().map(|v| v.spec.model.as_str()))
            .chain(
                objects
                    .deployments
                    .iter()
                    .map(|d| d.spec.model.name.as_str()),
            )
            .chain(
                objects
                    .training_jobs
                    .iter()
                    .filter_map(|j| j.spec.model.as_deref()),
            )
            .collect();
        let loops: Vec<_> = models
            .into_iter()
            .map(|model| of_model(objects, model))
            .collect();

        let used: BTreeSet<&str> = loops
            .iter()
            .flat_map(|l| &l.data)
            .map(|(name, _)| *name)
            .collect();
        let watched: BTreeSet<String> = loops
            .iter()
            .flat_map(|l| &l.policies)
            .map(|policy| policy.name_any())
            .collect();
        Self {
            other_data: sorted(
                objects
                    .datasets
                    .iter()
                    .filter(|d| !used.contains(d.name_any().as_str())),
            ),
            other_runs: newest_first(
                objects
                    .training_jobs
                    .iter()
                    .filter(|j| j.spec.model.is_none()),
            ),
            other_policies: sorted(
                objects
                    .policies
                    .iter()
                    .filter(|p| !watched.contains(&p.name_any())),
            ),
            loops,
        }
    }
}

fn of_model<'a>(objects: &'a Objects, model: &'a str) -> Loop<'a> {
    let runs = newest_first(
        objects
            .training_jobs
            .iter()
            .filter(|job| job.spec.model.as_deref() == Some(model)),
    );
    let mut versions: Vec<_> = objects
        .versions
        .iter()
        .filter(|v| v.spec.model == model)
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.spec.version));
    let deployments = sorted(
        objects
            .deployments
            .iter()
            .filter(|d| d.spec.model.name == model),
    );
    let policies = sorted(objects.policies.iter().filter(|policy| {
        deployments
            .iter()
            .any(|deployment| deployment.name_any() == policy.spec.deployment.name)
    }));

    let mut data: Vec<(&str, Option<&Dataset>)> = vec![];
    let specs = runs
        .first()
        .map(|job| &job.spec)
        .into_iter()
        .chain(policies.iter().map(|policy| &policy.spec.template.spec));
    for name in specs.flat_map(read_by) {
        if data.iter().all(|(known, _)| *known != name) {
            data.push((name, objects.datasets.iter().find(|d| d.name_any() == name)));
        }
    }
    Loop {
        model,
        data,
        runs,
        versions,
        deployments,
        policies,
    }
}

/// Names of the Datasets that a run reads.
fn read_by(spec: &TrainingJobSpec) -> impl Iterator<Item = &str> {
    let evaluation = spec.evaluation.iter().map(|e| e.dataset.name.as_str());
    spec.inputs
        .iter()
        .map(|input| input.dataset.name.as_str())
        .chain(evaluation)
}

fn sorted<'a, K: ResourceExt>(objects: impl Iterator<Item = &'a K>) -> Vec<&'a K> {
    let mut list: Vec<_> = objects.collect();
    list.sort_by_key(|object| object.name_any());
    list
}

fn newest_first<'a>(jobs: impl Iterator<Item = &'a TrainingJob>) -> Vec<&'a TrainingJob> {
    let mut list = sorted(jobs);
    list.sort_by_key(|job| std::cmp::Reverse(job.creation_timestamp()));
    list
}
