//! How far the trainer is, from the metrics that it writes as it goes.

use std::{io, path::PathBuf, sync::Arc};

use axum::{Router, extract::State, routing::get};
use millwright_crds::wire::attempt::{MAX_METRICS, ProgressReport};

use super::{
    publish::Publisher,
    server::{Answer, health},
};
use crate::metrics::{self, Metrics};

/// Where progress is read from.
pub(super) struct Progress {
    /// UID of this pod.
    pub pod_uid: String,
    /// Folder that the trainer writes to.
    pub output: PathBuf,
    /// Metric of the objective.
    pub objective: Option<String>,
    /// What publishes that folder.
    pub publisher: Arc<Publisher>,
}

/// Answers at `/healthz` and `/progress`.
pub(super) fn router(progress: Progress) -> Router {
    Router::new()
        .route("/progress", get(report))
        .with_state(Arc::new(progress))
        .merge(health())
}

async fn report(State(progress): State<Arc<Progress>>) -> Answer<ProgressReport> {
    let (metrics, percent) = progress.read();
    Answer(Ok(ProgressReport {
        v: 1,
        pod_uid: progress.pod_uid.clone(),
        percent,
        metrics: metrics.first(MAX_METRICS, progress.objective.as_deref()),
        publishing: progress.publisher.is_busy(),
    }))
}

impl Progress {
    /// The last metrics: those of `metrics.jsonl`, else of `metrics.json`. What can't be read now
    /// is no progress; publishing says what is wrong with it.
    fn read(&self) -> (Metrics, Option<u32>) {
        match metrics::latest(&self.output.join("metrics.jsonl")) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let metrics = metrics::read(&self.output.join("metrics.json"));
                (metrics.ok().flatten().unwrap_or_default(), None)
            }
            Err(_) => (Metrics::default(), None),
        }
    }
}
