//! The artifact store, as pods reach it.

use std::{collections::BTreeMap, str::FromStr};

use k8s_openapi::{
    api::core::v1::{
        EnvFromSource, EnvVar, PersistentVolumeClaim, PersistentVolumeClaimSpec,
        PersistentVolumeClaimVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use millwright_crds::{LABEL_ROLE, wire::contract};

use crate::{Object, Operation, pod::agent};

/// Name of the volume in pods.
const VOLUME: &str = "millwright-store";

/// Where artifacts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// On volumes of the cluster.
    Claim(Claim),
    /// In an object store.
    Objects(Objects),
}

/// A claim in each namespace that uses the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Folder in it, without slashes at its ends; may be empty.
    pub path: String,
    /// Size of a new claim.
    pub size: String,
    /// StorageClass of a new claim; absent: the cluster's default.
    pub class: Option<String>,
    /// Access mode of a new claim.
    pub access_mode: String,
}

/// A place in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// `s3://`, `gs://` or `az://`, the bucket, and what keys in it begin with.
    pub url: String,
    /// Secret in each namespace that uses the store: credentials, and how the server is reached.
    /// Absent: the pods' own identity in their cloud.
    pub secret: Option<String>,
}

impl FromStr for Store {
    type Err = String;

    /// Reads `pvc://CLAIM/FOLDER` or the URL of an object store; size, class and access mode of a
    /// claim get their defaults.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let invalid = || {
            format!(
                "artifacts.url \"{url}\" is not allowed: write pvc://CLAIM/FOLDER, \
                 s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER"
            )
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
        let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() || path.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(invalid());
        }
        let path = path.trim_matches('/');
        match scheme {
            "pvc" => Ok(Self::Claim(Claim {
                name: name.into(),
                path: path.into(),
                size: "10Gi".into(),
                class: None,
                access_mode: "ReadWriteOnce".into(),
            })),
            "s3" | "gs" | "az" => Ok(Self::Objects(Objects {
                url: format!("{scheme}://{name}/{path}"),
                secret: None,
            })),
            _ => Err(invalid()),
        }
    }
}

impl Store {
    /// The claim that pods need.
    pub fn claim(&self) -> Option<&str> {
        match self {
            Self::Claim(claim) => Some(&claim.name),
            Self::Objects(_) => None,
        }
    }

    /// The volume that pods need.
    pub fn volume(&self) -> Option<Volume> {
        let claim = self.claim()?;
        Some(Volume {
            name: VOLUME.into(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.into(),
                read_only: None,
            }),
            ..Volume::default()
        })
    }

    /// The mount that our containers need.
    pub fn mount(&self, read_only: bool) -> Option<VolumeMount> {
        self.claim()?;
        Some(VolumeMount {
            name: VOLUME.into(),
            mount_path: contract::STORE_MOUNT.into(),
            read_only: read_only.then_some(true),
            ..VolumeMount::default()
        })
    }

    /// The environment variables that tell the agent where the store is.
    pub fn env(&self) -> Vec<EnvVar> {
        match self {
            Self::Claim(claim) => {
                let mut url = format!("file://{}", contract::STORE_MOUNT);
                if !claim.path.is_empty() {
                    url = format!("{url}/{}", claim.path);
                }
                vec![agent::env(contract::ENV_STORE, url)]
            }
            Self::Objects(objects) => {
                let secret = objects.secret.as_ref();
                let secret = secret.map(|name| agent::env(contract::ENV_STORE_SECRET, name));
                let url = objects.url.replace("$(", "$$(");
                let url = agent::env(contract::ENV_STORE, url);
                [url].into_iter().chain(secret).collect()
            }
        }
    }

    /// The Secret that our containers, and no others, have variables from.
    pub fn env_from(&self) -> Option<Vec<EnvFromSource>> {
        match self {
            Self::Claim(_) => None,
            Self::Objects(objects) => {
                let secret = objects.secret.as_ref()?;
                Some(vec![agent::env_from(secret, contract::STORE_PREFIX)])
            }
        }
    }

    /// Creates the claim in a namespace.
    pub fn create_claim(&self, namespace: &str) -> Option<Operation> {
        let Self::Claim(claim) = self else {
            return None;
        };
        let claim = PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(claim.name.clone()),
                namespace: Some(namespace.into()),
                labels: Some(BTreeMap::from([(LABEL_ROLE.into(), "store".into())])),
                ..ObjectMeta::default()
            },
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec![claim.access_mode.clone()]),
                storage_class_name: claim.class.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([(
                        "storage".into(),
                        Quantity(claim.size.clone()),
                    )])),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        };
        Some(Operation::Create(Object::built_in(&claim)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> (Store, Option<String>) {
        let store: Store = url.parse().unwrap();
        let url = store.env().remove(0).value;
        (store, url)
    }

    #[test]
    fn urls() {
        let (store, url) = of("pvc://artifacts/team/a/");
        assert_eq!(store.claim(), Some("artifacts"));
        assert_eq!(url.as_deref(), Some("file:///millwright/store/team/a"));
        let (_, url) = of("pvc://artifacts");
        assert_eq!(url.as_deref(), Some("file:///millwright/store"));
    }

    #[test]
    fn object_stores_need_no_volume() {
        for (url, found) in [
            ("s3://bucket", "s3://bucket/"),
            ("s3://bucket/team/a/", "s3://bucket/team/a"),
            ("gs://bucket/a", "gs://bucket/a"),
            ("az://container/a", "az://container/a"),
        ] {
            let (store, env) = of(url);
            assert_eq!(env.as_deref(), Some(found));
            assert!(store.volume().is_none() && store.mount(true).is_none());
            assert!(store.create_claim("team").is_none() && store.env_from().is_none());
        }
    }

    #[test]
    fn the_secret_is_named_and_its_variables_have_a_prefix() {
        let store = Store::Objects(Objects {
            url: "s3://bucket/".into(),
            secret: Some("store".into()),
        });
        let names: Vec<String> = store.env().into_iter().map(|env| env.name).collect();
        assert_eq!(names, [contract::ENV_STORE, contract::ENV_STORE_SECRET]);
        let from = store.env_from().unwrap().remove(0);
        assert_eq!(from.prefix.as_deref(), Some("STORE_"));
        let secret = from.secret_ref.unwrap();
        assert_eq!((secret.name.as_str(), secret.optional), ("store", None));
    }

    #[test]
    fn bad_urls_name_the_setting() {
        for url in [
            "",
            "ftp://bucket",
            "pvc://",
            "pvc://a/../b",
            "s3:///a",
            "s3://a/./b",
        ] {
            assert!(
                url.parse::<Store>().unwrap_err().contains("artifacts.url"),
                "{url}"
            );
        }
    }
}
