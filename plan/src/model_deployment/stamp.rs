//! A hash of what was applied, on what was applied: an object that is as it should be costs no
//! write.

use serde_json::{Value, json};

use crate::{Object, names};

/// Annotation with the hash.
pub const ANNOTATION: &str = "millwright.dev/spec-hash";

/// Puts the hash of the object on it, and returns both.
pub(super) fn stamp(mut object: Object) -> (Object, String) {
    let hash = names::sha256_hex(object.body.to_string().as_bytes())[..16].to_owned();
    if let Some(metadata) = object
        .body
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
    {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(ANNOTATION.into(), hash.clone().into());
        }
    }
    (object, hash)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::core::v1::Service, apimachinery::pkg::apis::meta::v1::ObjectMeta};

    use super::*;

    fn named(name: &str) -> Object {
        Object::built_in(&Service {
            metadata: ObjectMeta {
                name: Some(name.into()),
                ..ObjectMeta::default()
            },
            ..Service::default()
        })
    }

    #[test]
    fn the_same_object_has_the_same_hash() {
        let (object, hash) = stamp(named("a"));
        assert_eq!(
            object.body["metadata"]["annotations"][ANNOTATION],
            Value::from(hash.clone())
        );
        assert_eq!(stamp(named("a")).1, hash);
        assert_ne!(stamp(named("b")).1, hash);
    }
}
