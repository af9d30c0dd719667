//! The artifact store, as pods mount it.

use std::{collections::BTreeMap, str::FromStr};

use k8s_openapi::{
    api::core::v1::{
        EnvVar, PersistentVolumeClaim, PersistentVolumeClaimSpec,
        PersistentVolumeClaimVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use millwright_crds::{LABEL_ROLE, wire::contract};

use crate::{Object, Operation};

/// Name of the volume in pods.
const VOLUME: &str = "millwright-store";

/// Where artifacts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Claim in each namespace that uses the store.
    pub claim: String,
    /// Folder in the claim, without slashes at its ends; may be empty.
    pub path: String,
    /// Size of a new claim.
    pub size: String,
    /// StorageClass of a new claim; absent: the cluster's default.
    pub class: Option<String>,
    /// Access mode of a new claim.
    pub access_mode: String,
}

impl FromStr for Store {
    type Err = String;

    /// Reads `pvc://CLAIM/PATH`; size, class and access mode get their defaults.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let invalid =
            || format!("artifacts.url \"{url}\" is not allowed: write pvc://CLAIM/FOLDER");
        let rest = url.strip_prefix("pvc://").ok_or_else(invalid)?;
        let (claim, path) = rest.split_once('/').unwrap_or((rest, ""));
        if claim.is_empty() || path.split('/').any(|part| part == "..") {
            return Err(invalid());
        }
        Ok(Self {
            claim: claim.into(),
            path: path.trim_matches('/').into(),
            size: "10Gi".into(),
            class: None,
            access_mode: "ReadWriteOnce".into(),
        })
    }
}

impl Store {
    /// The volume that pods need.
    pub fn volume(&self) -> Volume {
        Volume {
            name: VOLUME.into(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: self.claim.clone(),
                read_only: None,
            }),
            ..Volume::default()
        }
    }

    /// The mount that our containers need.
    pub fn mount(&self, read_only: bool) -> VolumeMount {
        VolumeMount {
            name: VOLUME.into(),
            mount_path: contract::STORE_MOUNT.into(),
            read_only: read_only.then_some(true),
            ..VolumeMount::default()
        }
    }

    /// The environment variable that tells the agent where the store is.
    pub fn env(&self) -> EnvVar {
        let mut url = format!("file://{}", contract::STORE_MOUNT);
        if !self.path.is_empty() {
            url = format!("{url}/{}", self.path);
        }
        EnvVar {
            name: contract::ENV_STORE.into(),
            value: Some(url),
            value_from: None,
        }
    }

    /// Creates the claim in a namespace.
    pub fn create_claim(&self, namespace: &str) -> Operation {
        let claim = PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(self.claim.clone()),
                namespace: Some(namespace.into()),
                labels: Some(BTreeMap::from([(LABEL_ROLE.into(), "store".into())])),
                ..ObjectMeta::default()
            },
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec![self.access_mode.clone()]),
                storage_class_name: self.class.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([(
                        "storage".into(),
                        Quantity(self.size.clone()),
                    )])),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        };
        Operation::Create(Object::built_in(&claim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let store: Store = "pvc://artifacts/team/a/".parse().unwrap();
        assert_eq!(
            (store.claim.as_str(), store.path.as_str()),
            ("artifacts", "team/a")
        );
        assert_eq!(
            store.env().value.as_deref(),
            Some("file:///millwright/store/team/a")
        );
        let plain: Store = "pvc://artifacts".parse().unwrap();
        assert_eq!(
            plain.env().value.as_deref(),
            Some("file:///millwright/store")
        );
    }

    #[test]
    fn bad_urls_name_the_setting() {
        for url in ["", "s3://bucket", "pvc://", "pvc://a/../b"] {
            assert!(
                url.parse::<Store>().unwrap_err().contains("artifacts.url"),
                "{url}"
            );
        }
    }
}
