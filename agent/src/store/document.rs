//! Documents, under keys that say what they are.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutMode, UpdateVersion};

use super::{Place, Problem, Store, StoreError};

impl Store {
    /// Puts a document, in place of one that is there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.objects
            .put(&self.key(key)?, bytes.into())
            .await
            .map(|_| ())
            .map_err(|error| self.failed(key, error))
    }

    /// A document; `None` when there is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get_with_version(key).await?.map(|(bytes, _)| bytes))
    }

    async fn get_with_version(
        &self,
        key: &str,
    ) -> Result<Option<(Bytes, UpdateVersion)>, StoreError> {
        let found = match self.objects.get(&self.key(key)?).await {
            Ok(found) => found,
            Err(error) => {
                let error = self.failed(key, error);
                return match error.problem {
                    Problem::Absent => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await;
        let bytes = bytes.map_err(|error| self.failed(key, error))?;
        Ok(Some((bytes, version)))
    }

    /// Replaces a document by one made from it, with no other writer between reading and writing.
    /// What `change` returns beside the new document is passed on; without a new document nothing
    /// is written.
    ///
    /// On a volume two pods are kept apart by a file lock on `<key>.lock`. The kernel drops it when
    /// its holder dies, so a crash leaves no lock behind; on volumes that several nodes mount, the
    /// file system must support such locks (NFS 4, CephFS and the like do). The new document
    /// replaces the old one by a rename, so a reader sees one of the two, whole. In an object store
    /// the new document is put on the condition that the old one is still there, or still none.
    ///
    /// # Errors
    /// What `change` or the store says, that the volume has no locks, or [`Problem::Conflict`].
    pub async fn update<T, C>(&self, key: &str, change: C) -> Result<T, StoreError>
    where
        C: FnOnce(Option<Bytes>) -> Result<(T, Option<Vec<u8>>), StoreError>,
    {
        let _lock = match &self.place {
            Place::Folder(folder) => {
                let document = folder
                    .path_to_filesystem(&self.key(key)?)
                    .map_err(|error| self.failed(key, error))?;
                Some(lock(key, document).await?)
            }
            Place::Remote(_) => None,
        };
        let (old, mode) = match self.get_with_version(key).await? {
            Some((bytes, version)) => (Some(bytes), PutMode::Update(version)),
            None => (None, PutMode::Create),
        };
        let (value, new) = change(old)?;
        match (new, &self.place) {
            (None, _) => {}
            (Some(new), Place::Folder(_)) => self.put(key, new).await?,
            (Some(new), Place::Remote(_)) => {
                self.objects
                    .put_opts(&self.key(key)?, new.into(), mode.into())
                    .await
                    .map_err(|error| self.failed(key, error))?;
            }
        }
        Ok(value)
    }
}

/// Locks the file beside a document.
async fn lock(key: &str, document: PathBuf) -> Result<fs::File, StoreError> {
    let mut path = document.into_os_string();
    path.push(".lock");
    tokio::task::spawn_blocking(move || lock_file(PathBuf::from(path)))
        .await
        .map_err(std::io::Error::other)
        .and_then(|result| result)
        .map_err(|error| {
            let message = format!("the file lock beside it can't be had: {error}");
            StoreError::new(Problem::Transient, key, message)
        })
}

fn lock_file(path: PathBuf) -> std::io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_update_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                // A store of its own each, as each pod has.
                let store = Store::open(&url, None).unwrap();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        store
                            .update("a/b/list.json", |old| {
                                let mut new = old.map(Vec::from).unwrap_or_default();
                                new.push(b'x');
                                Ok(((), Some(new)))
                            })
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let store = Store::open(&url, None).unwrap();
        assert_eq!(store.get("a/b/list.json").await.unwrap().unwrap().len(), 80);
    }
}
