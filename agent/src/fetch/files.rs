//! Sets of files, verified.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use futures::{StreamExt, TryStreamExt, stream};
use millwright_crds::wire::{attempt::FetchItem, manifest::FileEntry};

use crate::{
    environment::Layout,
    failure::Failure,
    files::hash,
    store::{Patience, Problem, Store, StoreError, with_retry},
};

/// Files that are fetched at once.
const PARALLEL: usize = 4;

/// Puts the files of a manifest below the item's path. Files that are there already, with the right
/// bytes, are kept, so that a fetch which was interrupted goes on where it was. Every file's
/// SHA-256 is verified before it gets its name; all are read-only.
///
/// # Errors
/// Names the item and the file.
pub(super) async fn fetch(
    store: &Store,
    layout: &Layout,
    item: &FetchItem,
    digest: &str,
) -> Result<(), Failure> {
    let started = Instant::now();
    let failed =
        |error: StoreError| Failure::unavailable(format!("{} ({digest}): {error}", item.what));
    let manifest = with_retry(Patience::default(), || store.manifest(digest))
        .await
        .map_err(failed)?;
    let folder = layout.path(&item.path);
    fs::create_dir_all(&folder).map_err(|error| {
        Failure::unavailable(format!(
            "{}: folder {} can't be made: {error}",
            item.what, item.path
        ))
    })?;
    let kept: Vec<bool> = stream::iter(&manifest.files)
        .map(|entry| {
            let folder = &folder;
            with_retry(Patience::default(), move || file(store, folder, entry))
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
        .map_err(failed)?;
    tracing::info!(
        "{} ({digest}): {} files, {} bytes at {}, verified{} in {:.1} s",
        item.what,
        manifest.files.len(),
        manifest.bytes(),
        item.path,
        match kept.iter().filter(|kept| **kept).count() {
            0 => String::new(),
            kept => format!(", {kept} of them were there"),
        },
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Fetches one file; tells whether it was there already.
async fn file(store: &Store, folder: &Path, entry: &FileEntry) -> Result<bool, StoreError> {
    let target = folder.join(&entry.path);
    let unwritable = |error: std::io::Error| {
        let message = format!("{} can't be written: {error}", entry.path);
        StoreError::new(Problem::File, &entry.path, message)
    };
    if is_there(&target, entry).await {
        return Ok(true);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(unwritable)?;
    }
    // A name that the next try writes over: an interrupted fetch leaves no pile of leftovers.
    let mut partial = target.clone().into_os_string();
    partial.push(".millwright-partial");
    let partial = PathBuf::from(partial);
    let mut temporary = tokio::fs::File::create(&partial)
        .await
        .map_err(unwritable)?;
    if let Err(error) = store.get_blob(entry, &mut temporary).await {
        fs::remove_file(&partial).map_err(unwritable)?;
        return Err(error);
    }
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o444)).map_err(unwritable)?;
    fs::rename(&partial, &target).map_err(unwritable)?;
    Ok(false)
}

async fn is_there(target: &Path, entry: &FileEntry) -> bool {
    if !fs::metadata(target).is_ok_and(|known| known.is_file() && known.len() == entry.size) {
        return false;
    }
    let target = target.to_owned();
    matches!(
        tokio::task::spawn_blocking(move || hash(&target)).await,
        Ok(Ok((_, sha256))) if sha256 == entry.sha256
    )
}
