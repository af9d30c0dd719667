//! Whose an object is that has the name of one that shall be written.

use kube::{ResourceExt, core::DynamicObject};
use millwright_crds::{LABEL_KIND, LABEL_NAME, LABEL_OWNER};
use millwright_plan::Object;

use super::{apply::ApplyError, index};

/// Whether what exists is ours: it carries the owner that what we want to write carries.
///
/// # Errors
/// When it isn't: it goes by itself, another number will do, or a person has to act.
pub(crate) fn check(object: &Object, found: &DynamicObject, what: &str) -> Result<(), ApplyError> {
    let label = |key: &str| found.labels().get(key).map(String::as_str);
    // Somebody may have changed its labels.
    let controller = index::controller(&found.metadata).map(|owner| owner.uid.as_str());
    if label(LABEL_OWNER) == object.owner() || controller.is_some() && controller == object.owner()
    {
        return Ok(());
    }
    if object.resource.kind == "ModelVersion" {
        // The number was given before: the next pass draws another.
        return Err(ApplyError::Stale(format!("{what}: the number is taken")));
    }
    let same_name =
        label(LABEL_NAME).is_some() && label(LABEL_NAME) == label_of(object, LABEL_NAME);
    let predecessors = same_name && label(LABEL_KIND) == label_of(object, LABEL_KIND);
    let leaving = predecessors && !found.owner_references().is_empty();
    let (kind, name) = (&object.resource.kind, &object.name);
    if leaving || found.metadata.deletion_timestamp.is_some() {
        return Err(ApplyError::Occupied(format!(
            "{what}: waits until the {kind} of this name is gone, whose owner was deleted"
        )));
    }
    let delete = format!(
        "kubectl -n {} delete {} {name}",
        object.namespace,
        kind.to_lowercase()
    );
    Err(ApplyError::Conflict(if predecessors {
        format!(
            "{what}: there is one already, left by an object of this name that was deleted without \
             it: delete it, too ({delete})"
        )
    } else {
        let owner = label(LABEL_NAME).unwrap_or("somebody else");
        format!(
            "{what}: there is one already and it belongs to {owner}: delete it ({delete}) or rename \
             one of the two"
        )
    }))
}

fn label_of<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.body["metadata"]["labels"][key].as_str()
}

#[cfg(test)]
mod tests {
    use millwright_plan::object::Object;
    use serde_json::{Value, json};

    use super::*;

    fn job(uid: &str, owner: &str) -> Value {
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "run-1", "namespace": "ns", "labels": {
                LABEL_OWNER: uid, LABEL_NAME: owner, LABEL_KIND: "trainingjob",
            }, "ownerReferences": [{
                "apiVersion": "millwright.dev/v1alpha1", "kind": "TrainingJob", "name": owner, "uid": uid,
            }]},
        })
    }

    fn checked(kind: &str, found: Value) -> Result<(), ApplyError> {
        let resource = kube::core::ApiResource {
            group: "batch".into(),
            version: "v1".into(),
            api_version: "batch/v1".into(),
            kind: kind.into(),
            plural: "jobs".into(),
        };
        let wanted = Object {
            resource,
            namespace: "ns".into(),
            name: "run-1".into(),
            body: job("new", "run"),
        };
        check(
            &wanted,
            &serde_json::from_value(found).unwrap(),
            "create Job run-1",
        )
    }

    #[test]
    fn whose_it_is() {
        let without = |mut job: Value, field: &str| {
            job["metadata"].as_object_mut().unwrap().remove(field);
            job
        };
        let mut going = without(job("a", "other"), "ownerReferences");
        going["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();

        assert!(checked("Job", job("new", "run")).is_ok());
        assert!(matches!(
            checked("Job", job("old", "run")),
            Err(ApplyError::Occupied(_))
        ));
        assert!(matches!(
            checked("Job", going),
            Err(ApplyError::Occupied(_))
        ));
        assert!(matches!(
            checked("ModelVersion", job("old", "run")),
            Err(ApplyError::Stale(_))
        ));
        for (found, part) in [
            (
                without(job("old", "run"), "ownerReferences"),
                "left by an object of this name",
            ),
            (job("a", "other"), "belongs to other"),
            (
                without(job("a", "other"), "labels"),
                "belongs to somebody else",
            ),
        ] {
            let error = checked("Job", found).unwrap_err();
            assert!(matches!(error, ApplyError::Conflict(_)));
            let message = error.to_string();
            assert!(message.contains(part), "{message}");
            assert!(
                message.contains("kubectl -n ns delete job run-1"),
                "{message}"
            );
        }
    }
}
