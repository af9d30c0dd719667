//! The Job of a sync: one pod with the agent, the source's claim and the artifact store.

use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, Volume},
};
use millwright_crds::{
    Dataset, LABEL_ATTEMPT,
    wire::{contract, sync::SyncTask},
};

use super::{
    LABEL_REQUEST, SYNC,
    request::Request,
    source::{Claim, MOUNT},
};
use crate::{
    Settings, SpecError,
    names::{self, JOB_LIMIT},
    pod::{
        agent,
        inject::{self, Owner},
    },
};

/// Volume with the source.
const SOURCE_VOLUME: &str = "millwright-source";
/// Volume that files of a source behind HTTP are spooled to.
const SCRATCH_VOLUME: &str = "millwright-scratch";

/// Name of the Job that tries to answer this request for the `attempt`-th time in a row, counted
/// from 1.
pub(super) fn name(dataset: &str, request: &Request, attempt: u32) -> String {
    let hash = names::hash8(&format!("{request}/{attempt}"));
    names::join(&[dataset, SYNC, &hash], JOB_LIMIT)
}

/// The Job of a sync. It is tried once: the operator owns retry and backoff.
///
/// # Errors
/// When the source can't be mounted; the error names the field.
pub(super) fn build(
    dataset: &Dataset,
    request: &Request,
    attempt: u32,
    settings: &Settings,
) -> Result<Job, SpecError> {
    let owner = Owner::of(dataset);
    let claim = Claim::of(&dataset.spec.source)?;
    let task = SyncTask {
        v: 1,
        dataset: owner.name.clone(),
        source: dataset.spec.source.clone(),
        mount: claim.as_ref().map(Claim::path),
        format: dataset.spec.format.clone(),
        expectations: dataset.spec.expectations.clone(),
    };
    let mut container = agent::container(SYNC, &["sync"], settings, &owner.namespace);
    let mut env = settings.store.env();
    env.push(agent::task_env(&task));
    inject::add_env(&mut container, env);
    agent::use_store(&mut container, settings, false);
    if let Some(credentials) = &dataset.spec.source.credentials {
        container
            .env_from
            .get_or_insert_default()
            .push(agent::env_from(
                &credentials.secret_name,
                contract::SOURCE_PREFIX,
            ));
    }
    let mounts = container.volume_mounts.get_or_insert_default();
    mounts.push(agent::mount(SCRATCH_VOLUME, "/tmp", false));
    let mut volumes: Vec<Volume> = settings.store.volume().into_iter().collect();
    volumes.push(agent::scratch(SCRATCH_VOLUME));
    if let Some(claim) = claim {
        mounts.push(agent::mount(SOURCE_VOLUME, MOUNT, true));
        volumes.push(Volume {
            name: SOURCE_VOLUME.into(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.name,
                read_only: None,
            }),
            ..Volume::default()
        });
    }
    let mut pod = PodSpec {
        restart_policy: Some("Never".into()),
        containers: vec![container],
        volumes: Some(volumes),
        ..PodSpec::default()
    };
    inject::pod_defaults(&mut pod);

    let mut metadata = owner.child(name(&owner.name, request, attempt), SYNC);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(LABEL_REQUEST.into(), request.to_string());
    labels.insert(LABEL_ATTEMPT.into(), attempt.to_string());
    let mut template = PodTemplateSpec {
        metadata: None,
        spec: Some(pod),
    };
    template.metadata.get_or_insert_default().labels = Some(labels.clone());
    Ok(Job {
        metadata,
        spec: Some(JobSpec {
            completions: Some(1),
            parallelism: Some(1),
            backoff_limit: Some(0),
            pod_replacement_policy: Some("Failed".into()),
            template,
            ..JobSpec::default()
        }),
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use millwright_crds::{
        dataset::SourceCredentials,
        wire::{self, contract},
    };

    use super::*;
    use crate::{
        dataset::fixtures::{dataset, settings},
        store::{Objects, Store},
    };

    fn job(uri: &str) -> Job {
        let mut dataset = dataset();
        dataset.spec.source.uri = uri.into();
        build(&dataset, &"12345678".parse().unwrap(), 2, &settings()).unwrap()
    }

    #[test]
    fn a_claim_is_mounted_read_only_and_the_task_says_where() {
        let job = job("pvc://feed/2013/");
        let pod = job.spec.unwrap().template.spec.unwrap();
        let container = &pod.containers[0];
        let mounts: Vec<_> = container
            .volume_mounts
            .iter()
            .flatten()
            .map(|mount| (mount.mount_path.as_str(), mount.read_only))
            .collect();
        assert_eq!(
            mounts,
            [
                (contract::STORE_MOUNT, None),
                ("/tmp", None),
                (MOUNT, Some(true))
            ]
        );
        let env = container.env.as_ref().unwrap();
        let task = env.iter().find(|e| e.name == contract::ENV_TASK).unwrap();
        let task: SyncTask = wire::read(task.value.as_ref().unwrap().as_bytes()).unwrap();
        assert_eq!(task.mount.as_deref(), Some("/millwright/source/2013"));
        assert_eq!(container.args.as_deref(), Some(&["sync".to_owned()][..]));
        assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
        assert_eq!(pod.automount_service_account_token, Some(false));
    }

    #[test]
    fn the_secret_of_a_source_is_apart_from_the_store_s() {
        let mut dataset = dataset();
        dataset.spec.source.uri = "s3://bucket/a/".into();
        dataset.spec.source.credentials = Some(SourceCredentials {
            secret_name: "feed".into(),
        });
        let mut settings = settings();
        settings.store = Store::Objects(Objects {
            url: "s3://store/".into(),
            secret: Some("store".into()),
        });
        let job = build(&dataset, &"12345678".parse().unwrap(), 1, &settings).unwrap();
        let container = job
            .spec
            .unwrap()
            .template
            .spec
            .unwrap()
            .containers
            .remove(0);
        let secrets: Vec<_> = container
            .env_from
            .unwrap()
            .into_iter()
            .map(|from| (from.prefix.unwrap(), from.secret_ref.unwrap().name))
            .collect();
        assert_eq!(
            secrets,
            [
                ("STORE_".into(), "store".into()),
                ("SOURCE_".into(), "feed".into())
            ]
        );
    }

    #[test]
    fn an_http_source_mounts_nothing() {
        let pod = job("https://example.org/a.csv").spec.unwrap().template;
        let volumes = pod.spec.unwrap().volumes.unwrap();
        assert_eq!(volumes.len(), 2);
    }

    #[test]
    fn pods_and_jobs_carry_the_same_labels() {
        let job = job("pvc://feed/");
        let labels = job.metadata.labels.unwrap();
        let pod = job.spec.unwrap().template.metadata.unwrap();
        assert_eq!(pod.labels.as_ref(), Some(&labels));
        assert_eq!(labels[LABEL_ATTEMPT], "2");
        assert_eq!(labels[LABEL_REQUEST], "12345678");
    }

    #[test]
    fn names_differ_by_request_and_attempt_and_are_short_enough() {
        let (one, two) = ("12345678".parse().unwrap(), "12345679".parse().unwrap());
        let long = "a".repeat(40);
        let names = [
            name(&long, &one, 1),
            name(&long, &one, 2),
            name(&long, &two, 1),
        ];
        assert!(names.iter().all(|name| name.len() <= JOB_LIMIT));
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
        assert_eq!(names[0], name(&long, &one, 1));
    }
}
