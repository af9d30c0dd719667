//! Stores of projections, found by the UID of their owner.

use std::{collections::HashMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use millwright_crds::{GROUP, LABEL_NAME, LABEL_OWNER};
use parking_lot::RwLock;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// Whom a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// Namespace.
    pub(crate) namespace: String,
    /// Name, from the label.
    pub(crate) name: String,
}

struct Entry<T> {
    resource_version: u64,
    owner_uid: String,
    owner: Owner,
    /// Whether it goes when its owner goes.
    owned: bool,
    value: Arc<T>,
}

/// An object that carries another owner's UID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Other {
    /// Name.
    pub(crate) name: String,
    /// Name of the owner, from the label.
    pub(crate) owner: String,
    /// Whether it goes when its owner goes.
    pub(crate) owned: bool,
}

struct Inner<T> {
    entries: HashMap<Key, Entry<T>>,
    /// Sorted; mostly one, so there is no room for more.
    by_owner: HashMap<String, Vec<Key>>,
}

/// A store of projections of one kind.
pub(crate) struct Index<T>(RwLock<Inner<T>>);

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self(RwLock::new(Inner {
            entries: HashMap::new(),
            by_owner: HashMap::new(),
        }))
    }
}

impl<T> Index<T> {
    /// Takes an object that was created or changed; returns the owners that it concerns.
    pub(crate) fn applied<K>(&self, object: &K) -> Vec<Owner>
    where
        K: kube::Resource,
        T: for<'a> From<&'a K>,
    {
        self.0.write().insert(object)
    }

    /// Takes an object that is gone; returns its owner.
    pub(crate) fn gone(&self, key: &Key) -> Option<Owner> {
        self.0.write().remove(key)
    }

    /// Projections of an owner's children, by name.
    pub(crate) fn of_owner(&self, uid: &str) -> Vec<Arc<T>> {
        let inner = self.0.read();
        let keys = inner.by_owner.get(uid).into_iter().flatten();
        keys.filter_map(|key| inner.entries.get(key))
            .map(|entry| entry.value.clone())
            .collect()
    }

    /// What of a namespace carries other owners' UIDs, by name.
    pub(crate) fn of_others(&self, namespace: &str, uid: &str) -> Vec<Other> {
        let inner = self.0.read();
        let others = inner
            .entries
            .iter()
            .filter(|(key, entry)| key.0 == namespace && entry.owner_uid != uid);
        let mut others: Vec<Other> = others
            .map(|(key, entry)| Other {
                name: key.1.clone(),
                owner: entry.owner.name.clone(),
                owned: entry.owned,
            })
            .collect();
        others.sort_unstable();
        others
    }

    /// UID of the owner of an object, if the object exists.
    pub(crate) fn owner_uid(&self, key: &Key) -> Option<String> {
        let inner = self.0.read();
        inner.entries.get(key).map(|entry| entry.owner_uid.clone())
    }

    /// The resourceVersion that the store has of an object.
    pub(crate) fn resource_version(&self, key: &Key) -> Option<u64> {
        self.0
            .read()
            .entries
            .get(key)
            .map(|entry| entry.resource_version)
    }

    /// Whether an object exists.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.0.read().entries.contains_key(key)
    }
}

impl<T> Inner<T> {
    fn insert<K>(&mut self, object: &K) -> Vec<Owner>
    where
        K: kube::Resource,
        T: for<'a> From<&'a K>,
    {
        let meta = object.meta();
        let key = key(meta);
        let label = |name: &str| {
            meta.labels
                .as_ref()
                .and_then(|labels| labels.get(name))
                .cloned()
                .unwrap_or_default()
        };
        // Labels are anybody's to change. A pod's controller is one of Kubernetes' own kinds, though.
        let (owner_uid, name) = match controller(meta) {
            Some(owner) => (owner.uid.clone(), owner.name.clone()),
            None => (label(LABEL_OWNER), label(LABEL_NAME)),
        };
        let owner = Owner {
            namespace: key.0.clone(),
            name,
        };
        let entry = Entry {
            resource_version: parse(meta.resource_version.as_deref()),
            owner_uid: owner_uid.clone(),
            owner: owner.clone(),
            owned: meta.owner_references.iter().flatten().next().is_some(),
            value: Arc::new(T::from(object)),
        };
        let before = self.entries.insert(key.clone(), entry);
        if let Some(before) = before
            .as_ref()
            .filter(|before| before.owner_uid != owner_uid)
        {
            self.forget(&before.owner_uid, &key);
        }
        let keys = self.by_owner.entry(owner_uid).or_default();
        if let Err(place) = keys.binary_search(&key) {
            keys.reserve_exact(1);
            keys.insert(place, key);
        }
        let mut owners = vec![owner.clone()];
        owners.extend(before.map(|entry| entry.owner).filter(|old| *old != owner));
        owners
    }

    fn forget(&mut self, owner_uid: &str, key: &Key) {
        if let Some(keys) = self.by_owner.get_mut(owner_uid) {
            keys.retain(|one| one != key);
            if keys.is_empty() {
                self.by_owner.remove(owner_uid);
            }
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Owner> {
        let entry = self.entries.remove(key)?;
        self.forget(&entry.owner_uid, key);
        Some(entry.owner)
    }
}

/// The object of ours that an object says is its controller.
pub(crate) fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = meta.owner_references.iter().flatten();
    owners.find(|owner| {
        let group = owner.api_version.split('/').next();
        owner.controller == Some(true) && group == Some(GROUP)
    })
}

/// Namespace and name of an object.
pub(crate) fn key(meta: &ObjectMeta) -> Key {
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// resourceVersions are numbers that grow (Kubernetes 1.35 guarantees it); 0 for one that isn't.
pub(crate) fn parse(resource_version: Option<&str>) -> u64 {
    resource_version
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::api::core::v1::PersistentVolumeClaim as Claim;

    use super::*;

    struct Name(String);

    impl From<&Claim> for Name {
        fn from(claim: &Claim) -> Self {
            Self(claim.metadata.name.clone().unwrap())
        }
    }

    fn claim(name: &str, owner: &str) -> Claim {
        let mut claim = Claim::default();
        claim.metadata.name = Some(name.into());
        claim.metadata.namespace = Some("ns".into());
        claim.metadata.resource_version = Some("7".into());
        claim.metadata.labels = Some(BTreeMap::from([
            (LABEL_OWNER.into(), owner.into()),
            (LABEL_NAME.into(), format!("{owner}-name")),
        ]));
        claim
    }

    #[test]
    fn finds_children_by_owner() {
        let index = Index::<Name>::default();
        index.applied(&claim("a", "x"));
        index.applied(&claim("b", "x"));
        index.applied(&claim("c", "y"));
        let names: Vec<_> = index
            .of_owner("x")
            .iter()
            .map(|name| name.0.clone())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(index.resource_version(&("ns".into(), "c".into())), Some(7));
        let owner = index.gone(&("ns".into(), "a".into())).unwrap();
        assert_eq!(owner.name, "x-name");
        assert_eq!(index.of_owner("x").len(), 1);
        assert_eq!(index.gone(&("ns".into(), "a".into())), None);
    }

    #[test]
    fn a_child_without_its_labels_is_its_controllers() {
        let index = Index::<Name>::default();
        let mut child = claim("a", "somebody");
        let owner = |api_version: &str| OwnerReference {
            api_version: api_version.into(),
            name: "x-name".into(),
            uid: "x".into(),
            controller: Some(true),
            ..OwnerReference::default()
        };
        child.metadata.owner_references = Some(vec![owner("millwright.dev/v1alpha1")]);
        assert_eq!(index.applied(&child)[0].name, "x-name");
        assert_eq!(index.of_owner("x").len(), 1);
        child.metadata.owner_references = Some(vec![owner("apps/v1")]);
        index.applied(&child);
        assert_eq!(index.of_owner("somebody").len(), 1);
    }

    #[test]
    fn a_child_that_changes_hands_concerns_both() {
        let index = Index::<Name>::default();
        index.applied(&claim("a", "x"));
        let owners = index.applied(&claim("a", "y"));
        assert_eq!(owners.len(), 2);
        assert!(index.of_owner("x").is_empty());
        assert_eq!(index.of_owner("y").len(), 1);
    }
}
