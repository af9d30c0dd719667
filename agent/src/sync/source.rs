//! The files of a source, on this pod's disk.

use std::{fs, path::Path};

use millwright_crds::wire::sync::SyncTask;
use tempfile::TempDir;

use super::{globs::Globs, http, objects};
use crate::{
    environment::Layout,
    failure::Failure,
    files::{LocalFile, file_name, walk},
    remote::Remote,
};

/// Lists the files of the task's source, sorted by path. Those behind HTTP and in object stores are
/// downloaded, because Parquet is not read from front to back, into a folder in `/tmp` that lives as
/// long as what is returned beside the files.
///
/// # Errors
/// Names the source and what is wrong with it; a source without files is an error.
pub(super) async fn files(
    task: &SyncTask,
    layout: &Layout,
) -> Result<(Vec<LocalFile>, Option<TempDir>), Failure> {
    let source = &task.source;
    let uri = &source.uri;
    let globs = Globs::of(source)?;
    let (files, downloads) = if uri.starts_with("pvc://") {
        let mount = task.mount.as_ref().ok_or_else(|| {
            Failure::usage(format!("the task says nowhere that {uri} is mounted"))
        })?;
        let folder = layout.path(mount);
        let uri = uri.clone();
        let found = tokio::task::spawn_blocking(move || claim(&folder, &globs, &uri))
            .await
            .map_err(Failure::unavailable)??;
        (found, None)
    } else {
        let temporary = layout.path("/tmp");
        let scratch = fs::create_dir_all(&temporary)
            .and_then(|()| tempfile::tempdir_in(&temporary))
            .map_err(|error| {
                Failure::unavailable(format!("a folder in /tmp can't be made: {error}"))
            })?;
        let found = if Remote::is(uri) {
            objects::download(source, &globs, scratch.path()).await?
        } else {
            let spare = |path: &str| globs.spare(path);
            http::download(uri, &source.include, spare, scratch.path()).await?
        };
        (found, Some(scratch))
    };
    if files.is_empty() {
        return Err(Failure::unavailable(format!(
            "{uri} has no files{}: put data there, or correct source.uri, source.include and \
             source.exclude",
            if source.include.is_empty() && source.exclude.is_empty() {
                String::new()
            } else {
                format!(
                    " for include [{}] and exclude [{}]",
                    source.include.join(", "),
                    source.exclude.join(", ")
                )
            }
        )));
    }
    Ok((files, downloads))
}

fn claim(folder: &Path, globs: &Globs, uri: &str) -> Result<Vec<LocalFile>, Failure> {
    if folder.is_file() {
        let name = folder.file_name().unwrap_or_default();
        return Ok(vec![LocalFile {
            path: file_name(name).map_err(Failure::unavailable)?.to_owned(),
            file: folder.to_owned(),
        }]);
    }
    if !folder.exists() {
        return Err(Failure::unavailable(format!(
            "{uri} does not exist in the claim: create the folder or correct source.uri"
        )));
    }
    walk(folder, &|path| globs.admit(path))
        .map_err(|error| Failure::unavailable(format!("{uri}: {error}")))
}
