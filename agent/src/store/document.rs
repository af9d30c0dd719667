//! Documents, under keys that say what they are.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use object_store::ObjectStoreExt;

use super::{Problem, Store, StoreError};

impl Store {
    /// Puts a document, in place of one that is there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.objects
            .put(&Self::key(key)?, bytes.into())
            .await
            .map(|_| ())
            .map_err(|error| StoreError::of(key, error))
    }

    /// A document; `None` when there is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let result = match self.objects.get(&Self::key(key)?).await {
            Ok(found) => found.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        result.map(Some).map_err(|error| StoreError::of(key, error))
    }

    /// Replaces a document by one made from it, with no other writer between reading and writing.
    /// What `change` returns beside the new document is passed on; without a new document nothing
    /// is written.
    ///
    /// Two pods are kept apart by a file lock on `<key>.lock`. The kernel drops it when its holder
    /// dies, so a crash leaves no lock behind; on volumes that several nodes mount, the file system
    /// must support such locks (NFS 4, CephFS and the like do). The new document replaces the old
    /// one by a rename, so a reader sees one of the two, whole.
    ///
    /// # Errors
    /// What `change` or the store says, or that the volume has no locks.
    pub async fn update<T, C>(&self, key: &str, change: C) -> Result<T, StoreError>
    where
        C: FnOnce(Option<Bytes>) -> Result<(T, Option<Vec<u8>>), StoreError>,
    {
        let document = self
            .objects
            .path_to_filesystem(&Self::key(key)?)
            .map_err(|error| StoreError::of(key, error))?;
        let mut path = document.into_os_string();
        path.push(".lock");
        let owned = key.to_owned();
        let lock = tokio::task::spawn_blocking(move || lock(PathBuf::from(path)))
            .await
            .map_err(std::io::Error::other)
            .and_then(|result| result)
            .map_err(|error| {
                let message = format!("the file lock beside it can't be had: {error}");
                StoreError::new(Problem::Transient, &owned, message)
            })?;
        let (value, new) = change(self.get(key).await?)?;
        if let Some(new) = new {
            self.put(key, new).await?;
        }
        drop(lock);
        Ok(value)
    }
}

fn lock(path: PathBuf) -> std::io::Result<fs::File> {
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
                let store = Store::open(&url).unwrap();
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
        let store = Store::open(&url).unwrap();
        assert_eq!(store.get("a/b/list.json").await.unwrap().unwrap().len(), 80);
    }
}
