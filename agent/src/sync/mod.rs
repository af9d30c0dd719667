//! `agent sync`: reads a Dataset's source, and publishes what it finds as a version.
//!
//! Each file is read once for hash, types and rows, and copied into the store if its bytes are new
//! there. When all bytes and the profile are in the store, the version is entered into
//! `versions.json`, last: a crash before that leaves nothing that a consumer could see.

mod globs;
mod http;
mod message;
mod objects;
mod source;
mod versions;

use std::{path::PathBuf, sync::Arc, time::Instant};

use drift::profile::Profile;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use millwright_crds::{
    dataset::{Column, Format},
    wire::{
        self,
        contract::key,
        manifest::{FileEntry, Manifest},
        sync::{SyncResult, SyncTask, VersionList},
    },
};

use self::versions::{Found, Recorded};
use crate::{
    environment::{self, Layout},
    failure::Failure,
    files::{Fingerprint, LocalFile},
    store::{Patience, Problem, Store, StoreError, with_retry},
    table::{self, Shape},
};

/// Files that are read or copied at once.
const PARALLEL: usize = 4;
/// Most columns that a result carries: what a Dataset's status shows.
const COLUMNS: usize = 50;

/// A file of the source that has been read.
struct SourceFile {
    file: PathBuf,
    entry: FileEntry,
    before: Fingerprint,
    shape: Shape,
}

/// Syncs, and leaves a [`SyncResult`] as termination message.
///
/// # Errors
/// When the source or the store can't be read, the files don't fit together, or one of them is
/// being written to.
pub(crate) async fn run(layout: &Layout) -> Result<(), Failure> {
    let started = Instant::now();
    let task: SyncTask = environment::task()?;
    let namespace = environment::namespace()?;
    let store = environment::store()?;
    // The folder with downloads goes when the sync ends.
    let (found, _downloads) = source::files(&task, layout).await?;
    tracing::info!("{}: {} files", task.source.uri, found.len());
    let files = inspect(found, &task.format).await?;
    let shape = table::merge(files.iter().map(|f| (f.entry.path.as_str(), &f.shape)))
        .map_err(Failure::unavailable)?
        .ok_or_else(|| Failure::unavailable("no files were read"))?;
    tracing::info!("{} rows, {} columns", shape.rows, shape.columns.len());

    let manifest = Manifest::new(files.iter().map(|file| file.entry.clone()).collect());
    let digest = copy(&store, &files, &manifest).await?;
    let profile = key::dataset_profile(&namespace, &task.dataset, &digest);
    let files = describe(&store, &profile, files, &task.format, &shape).await?;
    for file in &files {
        unchanged(file)?;
    }

    let found = Found {
        digest,
        rows: shape.rows,
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        failed: versions::failed(&task.expectations, shape.rows),
    };
    let key = key::dataset_versions(&namespace, &task.dataset);
    let Recorded {
        list,
        version,
        known,
    } = enter(&store, &key, found).await?;
    let current = list.current.map(|number| format!("v{number}"));
    tracing::info!(
        "v{} of {}{}: {} rows in {} files, {} bytes, {}; current is {}; took {:.1} s",
        version.number,
        task.dataset,
        if known { " (unchanged)" } else { "" },
        version.rows,
        version.files,
        version.bytes,
        version.digest,
        current.as_deref().unwrap_or("none"),
        started.elapsed().as_secs_f64()
    );
    for failure in &version.failed {
        let (name, observed) = (&failure.expectation, &failure.observed);
        tracing::warn!("rejected by expectation {name}: {observed}");
    }
    let columns: Vec<Column> = shape.columns.iter().map(|column| column.column()).collect();
    layout.leave_result(&message::fit(SyncResult {
        v: 1,
        version,
        current,
        unchanged: known,
        profile: Some(profile),
        column_count: u32::try_from(columns.len()).unwrap_or(u32::MAX),
        columns: columns.into_iter().take(COLUMNS).collect(),
    })?)
}

async fn inspect(files: Vec<LocalFile>, format: &Format) -> Result<Vec<SourceFile>, Failure> {
    let format = Arc::new(format.clone());
    stream::iter(files)
        .map(|LocalFile { path, file }| {
            let format = format.clone();
            let work = move || {
                let failed = |error: String| Failure::unavailable(format!("{path} {error}"));
                let before = Fingerprint::of(&file)
                    .map_err(|error| failed(format!("can't be read: {error}")))?;
                let inspected = table::inspect(&file, &format).map_err(failed)?;
                let entry = FileEntry {
                    path,
                    size: inspected.size,
                    sha256: inspected.sha256,
                };
                Ok(SourceFile {
                    file,
                    entry,
                    before,
                    shape: inspected.shape,
                })
            };
            async {
                tokio::task::spawn_blocking(work)
                    .await
                    .map_err(Failure::unavailable)?
            }
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
}

/// Puts the bytes that are not there yet into the store, then the manifest. Returns the digest.
async fn copy(store: &Store, files: &[SourceFile], manifest: &Manifest) -> Result<String, Failure> {
    let written: Vec<bool> = stream::iter(files)
        .map(|file| {
            with_retry(Patience::default(), || {
                store.put_blob(&file.file, &file.entry)
            })
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
        .map_err(Failure::unavailable)?;
    let new = written.iter().filter(|new| **new).count();
    tracing::info!("{new} of {} files are new in the store", files.len());
    with_retry(Patience::default(), || store.put_manifest(manifest))
        .await
        .map_err(Failure::unavailable)
}

/// Puts the profile into the store, unless one is there that was made from the same columns: with
/// another `format` the same bytes can have others.
async fn describe(
    store: &Store,
    key: &str,
    files: Vec<SourceFile>,
    format: &Format,
    shape: &Shape,
) -> Result<Vec<SourceFile>, Failure> {
    let known = with_retry(Patience::default(), || store.get(key))
        .await
        .map_err(Failure::unavailable)?;
    if known
        .and_then(|bytes| Profile::decode(&bytes).ok())
        .is_some_and(|profile| table::describes(&profile, shape))
    {
        return Ok(files);
    }
    let (format, columns) = (format.clone(), shape.columns.clone());
    let work = move || {
        let named = files
            .iter()
            .map(|file| (file.entry.path.as_str(), file.file.as_path()));
        let profile = table::profile(named, &format, &columns)?;
        let bytes = profile.encode().map_err(|error| error.to_string())?;
        Ok::<_, String>((files, bytes))
    };
    let (files, bytes) = tokio::task::spawn_blocking(work)
        .await
        .map_err(Failure::unavailable)?
        .map_err(Failure::unavailable)?;
    tracing::info!("profile: {} bytes", bytes.len());
    with_retry(Patience::default(), || store.put(key, bytes.clone()))
        .await
        .map_err(Failure::unavailable)?;
    Ok(files)
}

fn unchanged(file: &SourceFile) -> Result<(), Failure> {
    if Fingerprint::of(&file.file).is_ok_and(|now| now == file.before) {
        Ok(())
    } else {
        Err(Failure::unavailable(format!(
            "{} changed while it was being read: write data elsewhere and move it here when it is \
             whole",
            file.entry.path
        )))
    }
}

async fn enter(store: &Store, key: &str, found: Found) -> Result<Recorded, Failure> {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    with_retry(Patience::default(), || {
        let (found, now) = (found.clone(), now.clone());
        store.update(key, move |bytes| {
            let list = match bytes {
                Some(bytes) => wire::read(&bytes)
                    .map_err(|error| StoreError::new(Problem::Corrupted, key, error))?,
                None => VersionList {
                    v: 1,
                    current: None,
                    versions: vec![],
                },
            };
            let recorded = versions::record(list.clone(), found, now);
            let new = (recorded.list != list)
                .then(|| wire::write(&recorded.list))
                .transpose()
                .map_err(|error| StoreError::new(Problem::Refused, key, error))?;
            Ok((recorded, new))
        })
    })
    .await
    .map_err(Failure::unavailable)
}
