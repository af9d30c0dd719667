//! The TrainingJob of a firing.

use std::collections::BTreeMap;

use millwright_crds::{
    ANNOTATION_RETRAIN, ANNOTATION_TRIGGER, LABEL_FIRING, LABEL_POLICY, RetrainPolicy, TrainingJob,
    schema::NAME_LENGTH,
};

use crate::{Settings, SpecError, names, pod::inject::Owner, training_job};

/// Role of a run among what a policy owns.
const RUN: &str = "run";

/// Why a run is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// Name of the trigger; `manual` for a person.
    pub trigger: String,
    /// The annotation's value, when a person asked.
    pub request: Option<String>,
}

/// Name of the run: the same firing gives the same name, so that neither a crash nor a second
/// leader can start two.
pub(super) fn name(policy: &RetrainPolicy, digest: &str, firing: u32) -> String {
    let owner = Owner::of(policy);
    let hash = names::hash8(&format!("{}/{digest}/{firing}", owner.uid));
    let limit = usize::try_from(NAME_LENGTH).unwrap_or(usize::MAX);
    names::join(&[&owner.name, &hash], limit)
}

/// The run of firing number `firing`, for a stage that serves the model with this digest.
pub(super) fn build(
    policy: &RetrainPolicy,
    digest: &str,
    firing: u32,
    cause: &Cause,
) -> TrainingJob {
    let owner = Owner::of(policy);
    let name = name(policy, digest, firing);
    let mut run = TrainingJob::new(&name, policy.spec.template.spec.clone());
    run.metadata = owner.child(name, RUN);
    run.metadata.labels.get_or_insert_default().extend([
        (LABEL_POLICY.into(), owner.uid),
        (LABEL_FIRING.into(), firing.to_string()),
    ]);
    let mut annotations = BTreeMap::from([(ANNOTATION_TRIGGER.into(), cause.trigger.clone())]);
    if let Some(request) = &cause.request {
        annotations.insert(ANNOTATION_RETRAIN.into(), request.clone());
    }
    run.metadata.annotations = Some(annotations);
    run
}

/// Whether a run could work at all.
///
/// # Errors
/// Names the field of the template that can't.
pub(super) fn check(policy: &RetrainPolicy, settings: &Settings) -> Result<(), SpecError> {
    let cause = Cause {
        trigger: String::new(),
        request: None,
    };
    let run = build(policy, "", 0, &cause);
    training_job::validate(&run, settings)
        .map_err(|error| SpecError::new(format!("spec.template.{}", error.field), error.message))
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use serde_json::json;

    use super::*;
    use crate::retrain_policy::fixtures::{DIGEST, policy, settings};

    #[test]
    fn a_firing_has_one_name() {
        let policy = policy();
        let first = name(&policy, DIGEST, 1);
        assert_eq!(first, name(&policy, DIGEST, 1));
        assert!(first.starts_with("watch-") && first.len() == "watch-".len() + 8);
        assert_ne!(first, name(&policy, DIGEST, 2));
        assert_ne!(first, name(&policy, "sha256:other", 1));
        let mut namesake = policy.clone();
        namesake.metadata.uid = Some("another".into());
        assert_ne!(first, name(&namesake, DIGEST, 1));
        let mut long = policy;
        long.metadata.name = Some("a".repeat(40));
        assert!(name(&long, DIGEST, 1).len() <= 40);
        assert_ne!(name(&long, DIGEST, 1), name(&long, DIGEST, 2));
    }

    #[test]
    fn a_run_says_where_it_comes_from() {
        let policy = policy();
        let cause = Cause {
            trigger: "manual".into(),
            request: Some("7/now".into()),
        };
        let run = build(&policy, DIGEST, 3, &cause);
        assert_eq!(run.spec, policy.spec.template.spec);
        assert_eq!(run.labels()[LABEL_FIRING], "3");
        assert_eq!(Some(&run.labels()[LABEL_POLICY]), policy.uid().as_ref());
        assert_eq!(run.annotations()[ANNOTATION_TRIGGER], "manual");
        assert_eq!(run.annotations()[ANNOTATION_RETRAIN], "7/now");
        let owner = &run.owner_references()[0];
        assert_eq!(
            (owner.kind.as_str(), owner.name.as_str()),
            ("RetrainPolicy", "watch")
        );
    }

    #[test]
    fn a_template_that_cannot_work_is_named() {
        let mut wrong = policy();
        assert_eq!(check(&wrong, &settings()), Ok(()));
        wrong.spec.template.spec.template.0["spec"]["containers"][0]["comand"] = json!(["x"]);
        let error = check(&wrong, &settings()).unwrap_err();
        assert_eq!(
            error.field,
            "spec.template.spec.template.spec.containers[0].comand"
        );
    }
}
