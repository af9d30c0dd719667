//! The containers that we add: resources, a restricted security context, and the store apart from
//! users' code.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, EmptyDirVolumeSource, EnvFromSource, EnvVar, EnvVarSource,
        ObjectFieldSelector, ResourceRequirements, SeccompProfile, SecretEnvSource,
        SecurityContext, Volume, VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use millwright_crds::wire::{self, Versioned, contract};

use crate::Settings;

/// User and group of our containers.
pub const USER: i64 = 65_532;
/// Name of the container that fetches.
pub const FETCH: &str = "millwright-fetch";
/// Name of the sidecar of a run.
pub const SIDECAR: &str = "millwright-agent";
/// Name of the gateway.
pub const GATEWAY: &str = "millwright-gateway";
/// Volume with the agent's binary.
pub const BIN_VOLUME: &str = "millwright-bin";
/// Volume with the socket and what is handed over.
pub const RUN_VOLUME: &str = "millwright-run";
/// Volume with `params.json`.
pub const PARAMS_VOLUME: &str = "millwright-params";

/// A container of the agent in this role.
pub fn container(name: &str, args: &[&str], settings: &Settings, namespace: &str) -> Container {
    let resources = &settings.agent_resources;
    let quantity = |text: &str| Quantity(text.into());
    Container {
        name: name.into(),
        image: Some(settings.agent_image.clone()),
        image_pull_policy: Some(settings.agent_pull_policy.clone()),
        args: Some(args.iter().map(|arg| (*arg).into()).collect()),
        env: Some(vec![
            env(contract::ENV_NAMESPACE, namespace),
            field_env(contract::ENV_POD_UID, "metadata.uid"),
        ]),
        resources: Some(ResourceRequirements {
            requests: Some(BTreeMap::from([
                ("cpu".into(), quantity(&resources.cpu_request)),
                ("memory".into(), quantity(&resources.memory_request)),
            ])),
            limits: Some(BTreeMap::from([(
                "memory".into(),
                quantity(&resources.memory_limit),
            )])),
            claims: None,
        }),
        security_context: Some(restricted()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        ..Container::default()
    }
}

/// Gives a container the artifact store's credentials and volume, if it has these. Its mount comes
/// after those that the container has.
pub fn use_store(container: &mut Container, settings: &Settings, read_only: bool) {
    let store = &settings.store;
    container.env_from = store.env_from();
    container
        .volume_mounts
        .get_or_insert_default()
        .extend(store.mount(read_only));
}

/// The security context of the Pod Security Standard "restricted", with a read-only root.
pub fn restricted() -> SecurityContext {
    SecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".into()]),
            add: None,
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

/// A plain environment variable.
pub fn env(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    }
}

/// All of a Secret as environment variables, whose names begin with `prefix`.
pub fn env_from(secret: &str, prefix: &str) -> EnvFromSource {
    EnvFromSource {
        prefix: Some(prefix.into()),
        secret_ref: Some(SecretEnvSource {
            name: secret.into(),
            optional: None,
        }),
        config_map_ref: None,
    }
}

/// An environment variable from a field of the pod.
pub fn field_env(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.into(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

/// The environment variable with a role's task. `$(` is escaped: Kubernetes expands references to
/// variables in values.
pub fn task_env<T: Versioned>(task: &T) -> EnvVar {
    // A task is made of strings and finite numbers, so it always has a JSON form.
    let json = wire::write(task).unwrap_or_default();
    env(
        contract::ENV_TASK,
        String::from_utf8_lossy(&json).replace("$(", "$$("),
    )
}

/// A scratch volume.
pub fn scratch(name: &str) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

/// A mount.
pub fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// A mount of a folder of a volume.
pub fn mount_folder(volume: &str, folder: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        sub_path: Some(folder.into()),
        ..mount(volume, path, read_only)
    }
}
