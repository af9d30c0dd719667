//! Sources in object stores.

use std::{collections::HashSet, path::Path};

use futures::{StreamExt, TryStreamExt, stream};
use millwright_crds::dataset::Source;
use object_store::{GetOptions, ObjectMeta, ObjectStoreExt, path::Path as Key};
use tokio::{fs::File, io::AsyncWriteExt};

use super::globs::Globs;
use crate::{
    failure::Failure,
    files::LocalFile,
    remote::{Remote, Use},
    store::{Patience, Problem, StoreError, with_retry},
};

/// Downloads at once.
const PARALLEL: usize = 4;

/// Downloads the object at `source.uri`, or, when it ends with `/` or is a bucket, the objects below
/// it that the patterns admit, into a folder. What is downloaded is what was listed: an object that
/// changes meanwhile is an error.
///
/// # Errors
/// Names the source and what is wrong with it, or the object that can't be had.
pub(super) async fn download(
    source: &Source,
    globs: &Globs,
    folder: &Path,
) -> Result<Vec<LocalFile>, Failure> {
    let secret = source.credentials.as_ref();
    let secret = secret.map(|credentials| credentials.secret_name.clone());
    let remote = Remote::open(&source.uri, Use::source(secret))?;
    let place = Place {
        uri: &source.uri,
        remote,
    };
    let found = with_retry(Patience::default(), || place.list())
        .await
        .map_err(Failure::unavailable)?;
    let admitted = found.into_iter().filter(|(path, _)| globs.admit(path));
    stream::iter(admitted)
        .map(|(path, object)| {
            let (place, file) = (&place, folder.join(&path));
            async move {
                with_retry(Patience::default(), || place.get(&object, &file))
                    .await
                    .map_err(Failure::unavailable)?;
                Ok(LocalFile { path, file })
            }
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
}

/// Every folder that something is in.
fn folders(found: &[(String, ObjectMeta)]) -> HashSet<String> {
    found
        .iter()
        .flat_map(|(path, _)| path.match_indices('/').map(|(at, _)| path[..at].to_owned()))
        .collect()
}

/// Where the objects are.
struct Place<'a> {
    uri: &'a str,
    remote: Remote,
}

impl Place<'_> {
    /// The objects with their paths below the source, sorted.
    async fn list(&self) -> Result<Vec<(String, ObjectMeta)>, StoreError> {
        let Remote {
            objects, prefix, ..
        } = &self.remote;
        let is_folder = self.uri.ends_with('/') || prefix.is_root();
        if !is_folder {
            let object = objects.head(prefix).await;
            let object = match object {
                Ok(object) => object,
                // The answer to this question has no room for reasons.
                Err(_) => {
                    let asked = objects.get(prefix).await;
                    asked.map_err(|error| self.failed(prefix, &error))?.meta
                }
            };
            let name = prefix.filename().unwrap_or_default().to_owned();
            return Ok(vec![(name, object)]);
        }
        let listed: Vec<ObjectMeta> = objects
            .list(Some(prefix))
            .try_collect()
            .await
            .map_err(|error| self.failed(prefix, &error))?;
        let mut found: Vec<(String, ObjectMeta)> = listed
            .into_iter()
            .filter_map(|object| {
                let parts = object.location.prefix_match(prefix)?;
                let path = parts
                    .map(|part| part.as_ref().to_owned())
                    .collect::<Vec<_>>()
                    .join("/");
                (!path.is_empty()).then_some((path, object))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        // Tools make empty objects in the place of folders.
        let folders = folders(&found);
        found.retain(|(path, object)| object.size > 0 || !folders.contains(path));
        Ok(found)
    }

    /// Downloads an object as it was listed.
    async fn get(&self, object: &ObjectMeta, file: &Path) -> Result<(), StoreError> {
        let key = &object.location;
        let of_disk = |error: std::io::Error| {
            let message = format!("{key} can't be kept in the pod's /tmp: {error}");
            StoreError::new(Problem::File, key.as_ref(), message)
        };
        let failed = |error: object_store::Error| {
            let failed = self.failed(key, &error);
            if !matches!(failed.problem, Problem::Absent | Problem::Conflict) {
                return failed;
            }
            let message = format!(
                "{key} of {} changed while it was being read: write data elsewhere and move it \
                 here when it is whole",
                self.uri
            );
            StoreError::new(Problem::Changed, key.as_ref(), message)
        };
        if let Some(folder) = file.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(of_disk)?;
        }
        let mut target = File::create(file).await.map_err(of_disk)?;
        let options = GetOptions {
            if_match: object.e_tag.clone(),
            ..GetOptions::default()
        };
        let got = self.remote.objects.get_opts(key, options).await;
        let mut body = got.map_err(failed)?.into_stream();
        while let Some(part) = body.next().await {
            let part = part.map_err(failed)?;
            target.write_all(&part).await.map_err(of_disk)?;
        }
        target.flush().await.map_err(of_disk)
    }

    fn failed(&self, key: &Key, error: &object_store::Error) -> StoreError {
        let (problem, detail) = self.remote.explain(error);
        StoreError::remote(problem, key.as_ref(), detail)
    }
}
