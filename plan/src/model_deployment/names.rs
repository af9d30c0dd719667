//! Names of a stage's children, and how its pods are found.

use std::collections::{BTreeMap, BTreeSet};

use millwright_crds::{LABEL_OWNER, LABEL_ROLE, LABEL_STAGE, ModelDeploymentSpec};

use super::SERVING;
use crate::{
    SpecError,
    names::{NAME_LIMIT, join},
    pod::inject::Owner,
};

/// Name of the Deployment and of the Service of a stage.
pub(super) fn stage(deployment: &str, stage: &str) -> String {
    join(&[deployment, stage], NAME_LIMIT)
}

/// Name of the headless Service by which the gateways of a stage find each other.
pub(super) fn peers(deployment: &str, stage: &str) -> String {
    join(&[deployment, stage, "peers"], NAME_LIMIT)
}

/// Address of a stage inside the cluster.
pub(super) fn url(owner: &Owner, stage_name: &str) -> String {
    format!(
        "http://{}.{}.svc",
        stage(&owner.name, stage_name),
        owner.namespace
    )
}

/// Labels by which the serving pods of a stage are selected. The role keeps the pods of its gates
/// out.
pub(super) fn selector(owner: &Owner, stage: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (LABEL_OWNER.into(), owner.uid.clone()),
        (LABEL_ROLE.into(), SERVING.into()),
        (LABEL_STAGE.into(), stage.into()),
    ])
}

/// The same as a label selector in one string.
pub(super) fn selector_text(owner: &Owner, stage: &str) -> String {
    let pairs: Vec<String> = selector(owner, stage)
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// Refuses stages whose children would have one name, as `a` and `a-peers` do.
pub(super) fn check(deployment: &str, spec: &ModelDeploymentSpec) -> Result<(), SpecError> {
    let mut services = BTreeSet::new();
    for (index, one) in spec.stages.iter().enumerate() {
        for name in [stage(deployment, &one.name), peers(deployment, &one.name)] {
            if !services.insert(name.clone()) {
                return Err(SpecError::new(
                    format!("spec.stages[{index}].name"),
                    format!(
                        "\"{}\" is not possible beside the other stages, because two Services \
                         would be called {name}: choose another name",
                        one.name
                    ),
                ));
            }
        }
    }
    Ok(())
}
