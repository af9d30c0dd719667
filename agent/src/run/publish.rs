//! Publishes a trainer's output.
//!
//! Blobs first, then the manifest, the reference profile, and `result.json` last: what a crash
//! interrupts is found again under its digests, and publishing twice ends in the same result.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use millwright_crds::wire::{
    self, TERMINATION_MESSAGE_LIMIT,
    attempt::{AttemptResult, MAX_METRICS, RunTask},
    contract::{self, key},
    manifest::{FileEntry, Manifest},
};

use super::reference;
use crate::{
    environment::Layout,
    failure::Failure,
    files::{LocalFile, hash, walk},
    handover::PublishRequest,
    metrics::{self, Metrics},
    store::{Patience, Store, with_retry},
};

/// Files that are hashed or uploaded at once.
const PARALLEL: usize = 4;

/// Publishes the output of one attempt.
pub(super) struct Publisher {
    task: RunTask,
    output: PathBuf,
    training_rows: PathBuf,
    profile_input: Option<PathBuf>,
    store: Store,
    namespace: String,
    /// One publishing at a time: a trainer whose connection broke asks again.
    busy: tokio::sync::Mutex<()>,
}

impl Publisher {
    /// For a task.
    pub fn new(task: RunTask, layout: &Layout, store: Store, namespace: String) -> Self {
        Self {
            output: layout.path(&task.output),
            training_rows: layout.path(contract::TRAINING_ROWS),
            profile_input: task.profile_input.as_ref().map(|path| layout.path(path)),
            task,
            store,
            namespace,
            busy: tokio::sync::Mutex::new(()),
        }
    }

    /// Whether something is being published now.
    pub fn is_busy(&self) -> bool {
        self.busy.try_lock().is_err()
    }

    /// Publishes the output folder. While the store fails it is tried again, until nobody waits for
    /// the answer any more.
    ///
    /// # Errors
    /// When the output is empty or holds what can't be published, when `metrics.json` or the
    /// training rows can't be read, and when the store failed to the end.
    pub async fn publish(&self, request: &PublishRequest) -> Result<AttemptResult, Failure> {
        let started = Instant::now();
        let patience = Patience::of(Duration::from_secs(request.timeout_seconds));
        let _busy = self.busy.lock().await;
        let metrics = self.metrics()?;
        let files = self.files().await?;
        let manifest = Manifest::new(files.iter().map(|(_, entry)| entry.clone()).collect());
        tracing::info!(
            "publishing {} files, {} bytes of {}",
            manifest.files.len(),
            manifest.bytes(),
            self.task.output
        );
        let digest = self.upload(&files, &manifest, patience).await?;
        let profile = self.profile(&digest, patience).await?;
        let key = key::run_result(&self.task.uid, self.task.attempt);
        let result = fit(AttemptResult {
            v: 1,
            digest,
            files: manifest.files.len() as u64,
            bytes: manifest.bytes(),
            metrics: metrics.most(MAX_METRICS, self.task.objective.as_deref()),
            key: key.clone(),
            profile,
        })?;
        let bytes = wire::write(&result).map_err(Failure::publish)?;
        with_retry(patience, || self.store.put(&key, bytes.clone()))
            .await
            .map_err(Failure::publish)?;
        tracing::info!(
            "{} attempt {}: published {} in {:.1} s",
            self.task.training_job,
            self.task.attempt,
            result.digest,
            started.elapsed().as_secs_f64()
        );
        Ok(result)
    }

    /// The final metrics. An objective that is not finite is an error, because everything after
    /// this compares it; one that is absent may come from the evaluation.
    fn metrics(&self) -> Result<Metrics, Failure> {
        let named =
            |error: String| Failure::publish(format!("{}/metrics.json {error}", self.task.output));
        let metrics = metrics::read(&self.output.join("metrics.json"))
            .map_err(named)?
            .unwrap_or_default();
        if let Some(objective) = &self.task.objective
            && metrics.left_out.contains_key(objective)
        {
            metrics.objective(objective).map_err(named)?;
        }
        Ok(metrics)
    }

    async fn files(&self) -> Result<Vec<(PathBuf, FileEntry)>, Failure> {
        let named =
            |error: String| Failure::publish(format!("output.path {}: {error}", self.task.output));
        let output = self.output.clone();
        let found = tokio::task::spawn_blocking(move || walk(&output, &|_| true))
            .await
            .map_err(Failure::publish)?
            .map_err(named)?;
        if found.is_empty() {
            return Err(named(
                "the trainer ended well but left no file there: write the model to this folder \
                 (MILLWRIGHT_MODEL_DIR), or set output.path to the folder it writes to"
                    .into(),
            ));
        }
        stream::iter(found)
            .map(|LocalFile { path, file }| async move {
                let source = file.clone();
                let (size, sha256) = tokio::task::spawn_blocking(move || hash(&source))
                    .await
                    .map_err(Failure::publish)?
                    .map_err(|error| {
                        named(format!(
                            "{path} can't be read: {error}; make it readable for all users"
                        ))
                    })?;
                Ok((file, FileEntry { path, size, sha256 }))
            })
            .buffered(PARALLEL)
            .try_collect()
            .await
    }

    async fn upload(
        &self,
        files: &[(PathBuf, FileEntry)],
        manifest: &Manifest,
        patience: Patience,
    ) -> Result<String, Failure> {
        let uploads: Vec<_> = files
            .iter()
            .map(|(file, entry)| with_retry(patience, || self.store.put_blob(file, entry)))
            .collect();
        stream::iter(uploads)
            .buffer_unordered(PARALLEL)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .map_err(Failure::publish)?;
        with_retry(patience, || self.store.put_manifest(manifest))
            .await
            .map_err(Failure::publish)
    }

    /// Stores the reference profile of a registered model, and returns its key.
    async fn profile(&self, digest: &str, patience: Patience) -> Result<Option<String>, Failure> {
        let Some(model) = &self.task.model else {
            return Ok(None);
        };
        let rows = self.training_rows.clone();
        let input = self.profile_input.clone();
        let profile = tokio::task::spawn_blocking(move || {
            reference::training(&rows, input.as_deref().map(Path::new))
        })
        .await
        .map_err(Failure::publish)?
        .map_err(Failure::publish)?;
        let Some(profile) = profile else {
            return Ok(None);
        };
        let bytes = profile.encode().map_err(Failure::publish)?;
        let key = key::model_profile(&self.namespace, model, digest);
        with_retry(patience, || self.store.put(&key, bytes.clone()))
            .await
            .map_err(Failure::publish)?;
        Ok(Some(key))
    }
}

/// Leaves out metrics from the end, the objective last, until the result fits a termination
/// message: names of 63 characters that JSON escapes can be long.
fn fit(mut result: AttemptResult) -> Result<AttemptResult, Failure> {
    loop {
        let size = wire::write(&result).map_err(Failure::publish)?.len();
        if size <= TERMINATION_MESSAGE_LIMIT {
            return Ok(result);
        }
        if result.metrics.pop_last().is_none() {
            return Err(Failure::publish(format!(
                "the result has {size} bytes, a termination message {TERMINATION_MESSAGE_LIMIT}"
            )));
        }
    }
}
