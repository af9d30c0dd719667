//! Which versions of which Datasets a run is made from.

use millwright_crds::{
    TrainingJobSpec, TrainingJobStatus,
    common::DatasetReference,
    dataset::{DatasetStatus, VersionState},
    training_job::ResolvedInput,
};

use super::EVALUATION_INPUT;

/// The inputs of a run that has no attempt now: those it began with, even if the Datasets have new
/// versions by now or are gone (it was suspended, or its Jobs were deleted), else what its references
/// mean.
///
/// # Errors
/// The first reference that can't be resolved yet, in words.
pub(super) fn of_run(
    spec: &TrainingJobSpec,
    status: &TrainingJobStatus,
    datasets: &[(String, DatasetStatus)],
) -> Result<Vec<ResolvedInput>, String> {
    let wanted = spec.inputs.len() + usize::from(spec.evaluation.is_some());
    let known = status.resolved.as_ref().map(|known| &known.inputs);
    match known.filter(|known| status.attempts > 0 && known.len() == wanted) {
        Some(known) => Ok(known.clone()),
        None => resolve(spec, datasets),
    }
}

/// Resolves every reference of the spec; the evaluation's is the last, named `data`.
///
/// # Errors
/// The first reference that can't be resolved yet, in words.
fn resolve(
    spec: &TrainingJobSpec,
    datasets: &[(String, DatasetStatus)],
) -> Result<Vec<ResolvedInput>, String> {
    let evaluation = spec
        .evaluation
        .as_ref()
        .map(|e| (EVALUATION_INPUT, &e.dataset));
    spec.inputs
        .iter()
        .map(|input| (input.name.as_str(), &input.dataset))
        .chain(evaluation)
        .map(|(name, reference)| resolve_one(name, reference, datasets))
        .collect()
}

fn resolve_one(
    name: &str,
    reference: &DatasetReference,
    datasets: &[(String, DatasetStatus)],
) -> Result<ResolvedInput, String> {
    let dataset = &reference.name;
    let status = datasets
        .iter()
        .find(|(known, _)| known == dataset)
        .map(|(_, status)| status)
        .ok_or_else(|| {
            format!("input {name}: waits for Dataset {dataset}, which does not exist")
        })?;
    let (version, digest) = match &reference.version {
        None => {
            let current = status.current.as_ref().ok_or_else(|| {
                format!("input {name}: waits for the first version of Dataset {dataset}")
            })?;
            (&current.version, &current.digest)
        }
        Some(wanted) => {
            let version = status
                .versions
                .iter()
                .find(|known| known.version == *wanted)
                .ok_or_else(|| {
                    let known: Vec<&str> = status
                        .versions
                        .iter()
                        .map(|known| known.version.as_str())
                        .collect();
                    format!(
                        "input {name}: Dataset {dataset} has no version {wanted}, only {}",
                        if known.is_empty() {
                            "none yet".into()
                        } else {
                            known.join(", ")
                        }
                    )
                })?;
            if version.state == VersionState::Rejected {
                return Err(format!(
                    "input {name}: version {wanted} of Dataset {dataset} was rejected by its expectations"
                ));
            }
            (&version.version, &version.digest)
        }
    };
    Ok(ResolvedInput {
        name: name.into(),
        dataset: dataset.clone(),
        version: version.clone(),
        digest: digest.clone(),
    })
}

/// What an attempt's annotation carries.
pub(super) fn write(resolved: &[ResolvedInput]) -> String {
    // Strings always have a JSON form.
    serde_json::to_string(resolved).unwrap_or_default()
}

/// Reads an attempt's annotation; nothing when somebody has changed it to something else.
pub(super) fn read(annotation: Option<&str>) -> Vec<ResolvedInput> {
    annotation
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// ` with train = flights v3` for messages; empty without inputs.
pub(super) fn describe(resolved: &[ResolvedInput]) -> String {
    let parts: Vec<String> = resolved
        .iter()
        .map(|input| format!("{} = {} {}", input.name, input.dataset, input.version))
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" with {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use millwright_crds::{
        dataset::{CurrentVersion, DatasetVersion},
        training_job::Resolved,
    };

    use super::*;

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    fn flights() -> Vec<(String, DatasetStatus)> {
        let version = |version: &str, letter, state| DatasetVersion {
            version: version.into(),
            digest: digest(letter),
            state,
            rows: 1,
            files: 1,
            bytes: 1,
            created_at: String::new(),
            failed: vec![],
        };
        let status = DatasetStatus {
            current: Some(CurrentVersion {
                version: "v2".into(),
                digest: digest('b'),
                rows: 1,
                files: 1,
                bytes: 1,
                profile: None,
                created_at: String::new(),
            }),
            versions: vec![
                version("v3", 'c', VersionState::Rejected),
                version("v2", 'b', VersionState::Current),
                version("v1", 'a', VersionState::Superseded),
            ],
            ..DatasetStatus::default()
        };
        vec![
            ("flights".into(), status),
            ("empty".into(), DatasetStatus::default()),
        ]
    }

    fn resolve_version(name: &str, version: Option<&str>) -> Result<String, String> {
        let reference = DatasetReference {
            name: name.into(),
            version: version.map(Into::into),
        };
        resolve_one("train", &reference, &flights()).map(|resolved| resolved.digest)
    }

    #[test]
    fn current_unless_pinned() {
        assert_eq!(resolve_version("flights", None), Ok(digest('b')));
        assert_eq!(resolve_version("flights", Some("v1")), Ok(digest('a')));
    }

    #[test]
    fn says_what_is_missing() {
        for (name, version, words) in [
            ("nope", None, "does not exist"),
            ("empty", None, "first version"),
            ("flights", Some("v9"), "only v3, v2, v1"),
            ("flights", Some("v3"), "rejected"),
        ] {
            let error = resolve_version(name, version).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_run_keeps_the_inputs_that_it_began_with() {
        let spec: TrainingJobSpec = serde_json::from_value(serde_json::json!({
            "inputs": [{"name": "train", "dataset": {"name": "flights"}}],
            "template": {"spec": {"containers": [{"name": "a"}]}},
        }))
        .unwrap();
        let began = ResolvedInput {
            name: "train".into(),
            dataset: "flights".into(),
            version: "v1".into(),
            digest: digest('a'),
        };
        let run = |attempts, inputs: &[ResolvedInput]| TrainingJobStatus {
            attempts,
            resolved: Some(Resolved {
                inputs: inputs.to_vec(),
                ..Resolved::default()
            }),
            ..TrainingJobStatus::default()
        };
        let version = |status: &TrainingJobStatus, datasets: &[(String, DatasetStatus)]| {
            of_run(&spec, status, datasets).map(|inputs| inputs[0].version.clone())
        };
        let known = run(1, std::slice::from_ref(&began));
        assert_eq!(version(&known, &flights()), Ok("v1".into()));
        assert_eq!(version(&known, &[]), Ok("v1".into()));
        // Somebody took the record away.
        assert_eq!(version(&run(1, &[]), &flights()), Ok("v2".into()));
        assert_eq!(
            version(&TrainingJobStatus::default(), &flights()),
            Ok("v2".into())
        );
    }

    #[test]
    fn reads_what_it_wrote() {
        let reference = DatasetReference {
            name: "flights".into(),
            version: None,
        };
        let resolved = vec![resolve_one("train", &reference, &flights()).unwrap()];
        assert_eq!(read(Some(&write(&resolved))), resolved);
        assert!(read(Some("nonsense")).is_empty() && read(None).is_empty());
    }
}
