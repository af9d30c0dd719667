//! A record of the registry: it is ready as soon as it is there, and says where it serves.
//!
//! | phase | Ready | reason |
//! |---|---|---|
//! | Registered, Serving | True | Registered |

use jiff::Timestamp;
use millwright_crds::{
    ModelDeployment, ModelVersion, ModelVersionStatus,
    model_version::{ModelVersionPhase, Running},
};

use crate::{
    Plan, Reason,
    conditions::{self, Verdict},
};

/// Most stages that `status.running` names.
const MOST_RUNNING: usize = 50;

/// What follows for this version, from the ModelDeployments of its namespace; those of other models
/// are left aside.
pub fn plan(
    version: &ModelVersion,
    deployments: &[ModelDeployment],
    now: Timestamp,
) -> Plan<ModelVersionStatus> {
    let before = version.status.clone().unwrap_or_default();
    let generation = version.metadata.generation.unwrap_or_default();
    let running = running(version, deployments);
    let phase = if running.is_empty() {
        ModelVersionPhase::Registered
    } else {
        ModelVersionPhase::Serving
    };
    Plan::status(ModelVersionStatus {
        observed_generation: generation,
        conditions: conditions::set(
            &before.conditions,
            &Verdict::Ready,
            Reason::Registered,
            &message(&running),
            generation,
            now,
        ),
        phase,
        running,
    })
}

/// The stages that serve this version, sorted. A version of the same number with other files, of a
/// record that was deleted, is not this one.
fn running(version: &ModelVersion, deployments: &[ModelDeployment]) -> Vec<Running> {
    let spec = &version.spec;
    let mut running: Vec<Running> = deployments
        .iter()
        .filter(|deployment| deployment.spec.model.name == spec.model)
        .flat_map(|deployment| {
            let stages = deployment.status.iter().flat_map(|status| &status.stages);
            stages.filter_map(|stage| {
                let current = stage.current.as_ref()?;
                let same =
                    current.version == spec.version && current.digest == spec.artifact.digest;
                same.then(|| Running {
                    deployment: deployment.metadata.name.clone().unwrap_or_default(),
                    stage: stage.name.clone(),
                })
            })
        })
        .collect();
    running.sort();
    running.truncate(MOST_RUNNING);
    running
}

fn message(running: &[Running]) -> String {
    if running.is_empty() {
        return "registered; no stage serves it".into();
    }
    let places: Vec<String> = running
        .iter()
        .map(|place| format!("{}/{}", place.deployment, place.stage))
        .collect();
    format!("registered; serves in {}", places.join(", "))
}

#[cfg(test)]
mod tests {
    use millwright_crds::ModelDeployment;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn digest(number: u32) -> String {
        format!("sha256:{number:064x}")
    }

    fn version(number: u32) -> ModelVersion {
        serde_json::from_value(json!({
            "apiVersion": "millwright.dev/v1alpha1",
            "kind": "ModelVersion",
            "metadata": {"name": format!("m-v{number}"), "generation": 1},
            "spec": {
                "model": "m",
                "version": number,
                "artifact": {"digest": digest(number), "bytes": 1, "files": 1},
            },
        }))
        .unwrap()
    }

    fn deployment(
        name: &str,
        model: &str,
        stages: &[(&str, Option<(u32, u32)>)],
    ) -> ModelDeployment {
        let stages: Vec<Value> = stages
            .iter()
            .map(|(name, current)| {
                let current = current.map(|(version, files)| {
                    json!({"version": version, "digest": digest(files), "since": "", "revision": ""})
                });
                json!({"name": name, "current": current})
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "millwright.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name},
            "spec": {
                "model": {"name": model, "track": "Latest"},
                "server": {"template": {}},
                "stages": [{"name": "a"}],
            },
            "status": {"stages": stages},
        }))
        .unwrap()
    }

    #[test]
    fn says_where_it_serves() {
        let now = Timestamp::UNIX_EPOCH;
        let deployments = [
            deployment("z", "m", &[("b", Some((2, 2))), ("a", Some((2, 2)))]),
            deployment("d", "m", &[("a", Some((2, 2))), ("b", Some((1, 1)))]),
            deployment("e", "m", &[("a", Some((2, 9))), ("b", None)]),
            deployment("f", "other", &[("a", Some((2, 2)))]),
        ];
        let plan = plan(&version(2), &deployments, now);
        let places: Vec<_> = plan
            .status
            .running
            .iter()
            .map(|r| format!("{}/{}", r.deployment, r.stage))
            .collect();
        assert_eq!(places, ["d/a", "z/a", "z/b"]);
        assert_eq!(plan.status.phase, ModelVersionPhase::Serving);
        assert!(plan.status.conditions[0].message.ends_with("d/a, z/a, z/b"));
        let unused = super::plan(&version(3), &deployments, now).status;
        assert_eq!(unused.phase, ModelVersionPhase::Registered);
        assert_eq!(unused.conditions[0].status, "True");
    }

    proptest! {
        #[test]
        fn planning_again_changes_nothing(
            serving in prop::collection::vec((0_u32..4, 0_u32..4), 0..60),
            number in 0_u32..4,
        ) {
            let deployments: Vec<_> = serving
                .iter()
                .enumerate()
                .map(|(i, current)| deployment(&format!("d{i}"), "m", &[("a", Some(*current))]))
                .collect();
            let mut version = version(number);
            let first = plan(&version, &deployments, Timestamp::UNIX_EPOCH);
            version.status = Some(first.status.clone());
            let second = plan(&version, &deployments, Timestamp::MAX);
            prop_assert!(second.operations.is_empty() && second.status.running.len() <= MOST_RUNNING);
            prop_assert_eq!(second.status, first.status);
        }
    }
}
