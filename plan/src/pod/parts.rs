//! Names in users' pods: each once, and none of those that our own containers and volumes have.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodSpec;

use crate::SpecError;

/// What names of ours begin with.
const RESERVED: &str = "millwright-";

/// Refuses names of containers and volumes that Kubernetes would refuse beside ours. `field` is the
/// path of the template.
///
/// # Errors
/// Names the field of the first such name.
pub fn check(spec: &PodSpec, field: &str) -> Result<(), SpecError> {
    let volumes = spec.volumes.iter().flatten().map(|v| v.name.as_str());
    unique(field, [("volumes", volumes.collect())])?;
    let init = spec.init_containers.iter().flatten();
    let init = init.map(|c| c.name.as_str()).collect();
    let containers = spec.containers.iter().map(|c| c.name.as_str()).collect();
    // Kubernetes wants these different across both lists.
    unique(
        field,
        [("containers", containers), ("initContainers", init)],
    )
}

fn unique<const N: usize>(field: &str, lists: [(&str, Vec<&str>); N]) -> Result<(), SpecError> {
    let mut seen = BTreeSet::new();
    for (list, names) in lists {
        for (index, name) in names.into_iter().enumerate() {
            let place = || format!("{field}.spec.{list}[{index}].name");
            if name.starts_with(RESERVED) {
                return Err(SpecError::new(
                    place(),
                    format!(
                        "names that begin with {RESERVED} are Millwright's own: choose another"
                    ),
                ));
            }
            if !seen.insert(name) {
                return Err(SpecError::new(
                    place(),
                    format!("\"{name}\" is there twice: choose another name"),
                ));
            }
        }
    }
    Ok(())
}
