//! What the tests of all kinds share.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};

use crate::{
    Object, Settings,
    observed::Labels,
    settings::AgentResources,
    store::{Objects, Store},
};

/// So many seconds after 1970 began.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The labels that an object will have.
pub(crate) fn labels(object: &Object) -> Labels {
    let labels = object.body["metadata"]["labels"].as_object().unwrap();
    labels
        .iter()
        .map(|(key, value)| (key, value.as_str().unwrap()))
        .collect()
}

/// An installation that keeps artifacts on a claim.
pub(crate) fn settings() -> Settings {
    Settings {
        agent_image: "agent:1".into(),
        agent_pull_policy: "IfNotPresent".into(),
        store: "pvc://millwright-artifacts/".parse().unwrap(),
        agent_resources: AgentResources::default(),
    }
}

/// An installation that keeps artifacts in a bucket, with a Secret.
pub(crate) fn bucket() -> Settings {
    let store = Objects {
        url: "s3://artifacts/".into(),
        secret: Some("store".into()),
    };
    Settings {
        store: Store::Objects(store),
        ..settings()
    }
}

/// Names of the containers that get variables from a Secret.
pub(crate) fn with_secrets(pod: &PodTemplateSpec) -> Vec<&str> {
    let spec = pod.spec.as_ref().unwrap();
    let all = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let secret = |container: &&Container| {
        let from = container.env_from.iter().flatten();
        from.into_iter().any(|from| from.secret_ref.is_some())
    };
    all.filter(secret).map(|one| one.name.as_str()).collect()
}
