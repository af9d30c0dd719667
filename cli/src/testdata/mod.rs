//! Namespaces for tests, as `kubectl get -o yaml` would show them.

use jiff::Timestamp;
use kube::core::DynamicObject;

use crate::{
    kind::{Kind, Reference},
    objects::Objects,
};

pub const LOOP: &str = include_str!("loop.yaml");
pub const TROUBLE: &str = include_str!("trouble.yaml");

/// The time that the tests' clocks show.
pub fn now() -> Timestamp {
    "2026-11-23T14:02:11Z".parse().unwrap()
}

/// The objects of a file.
pub fn read(yaml: &str) -> Vec<(Kind, DynamicObject)> {
    let documents: Vec<DynamicObject> = serde_saphyr::from_multiple(yaml).unwrap();
    documents
        .into_iter()
        .map(|object| {
            let kind = &object.types.as_ref().unwrap().kind;
            let reference: Reference = format!("{kind}/x").parse().unwrap();
            (reference.kind, object)
        })
        .collect()
}

/// The same, as commands hold them.
pub fn objects(yaml: &str) -> Objects {
    let mut objects = Objects::default();
    for (kind, object) in read(yaml) {
        objects.insert(kind, object);
    }
    assert_eq!(objects.unreadable, Vec::<String>::new());
    objects
}

/// One object of a file.
pub fn object(yaml: &str, reference: &Reference) -> DynamicObject {
    let found = read(yaml).into_iter().find(|(kind, object)| {
        *kind == reference.kind && object.metadata.name.as_ref() == Some(&reference.name)
    });
    found.unwrap().1
}
