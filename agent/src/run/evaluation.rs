//! Stores what an evaluator measured.

use std::{path::PathBuf, time::Duration};

use millwright_crds::wire::{
    self,
    contract::key,
    evaluation::{EvaluationReport, EvaluationStoreTask},
};

use super::reference;
use crate::{
    failure::Failure,
    handover::EvaluationRequest,
    store::{Patience, Store, with_retry},
};

/// Keeps one attempt's evaluation.
pub(super) struct Keeper {
    task: EvaluationStoreTask,
    store: Store,
    namespace: String,
    outputs: PathBuf,
}

impl Keeper {
    /// For a task; `outputs` is where evaluators write.
    pub fn new(
        task: EvaluationStoreTask,
        store: Store,
        namespace: String,
        outputs: PathBuf,
    ) -> Self {
        Self {
            task,
            store,
            namespace,
            outputs,
        }
    }

    /// Stores the profile of the candidate's predictions, if it left any, and the report, which it
    /// returns with the profile's key.
    ///
    /// # Errors
    /// When the predictions can't be read, or the store failed to the end.
    pub async fn keep(&self, request: EvaluationRequest) -> Result<EvaluationReport, Failure> {
        let patience = Patience::of(Duration::from_secs(request.timeout_seconds));
        let mut report = request.report;
        report.predictions = None;
        if let Some(file) = request.predictions {
            let name = file.display().to_string();
            let outputs = self.outputs.clone();
            let profile =
                tokio::task::spawn_blocking(move || reference::predictions(&file, &outputs))
                    .await
                    .map_err(Failure::evaluation)?
                    .map_err(|error| Failure::evaluation(format!("{name} {error}")))?;
            let bytes = profile.encode().map_err(Failure::evaluation)?;
            let key = key::model_predictions(&self.namespace, &self.task.model, &self.task.digest);
            with_retry(patience, || self.store.put(&key, bytes.clone()))
                .await
                .map_err(Failure::evaluation)?;
            report.predictions = Some(key);
        }
        let bytes = wire::write(&report).map_err(Failure::evaluation)?;
        let key = key::run_evaluation(&self.task.uid, self.task.attempt);
        with_retry(patience, || self.store.put(&key, bytes.clone()))
            .await
            .map_err(Failure::evaluation)?;
        tracing::info!("evaluation of {} stored at {key}", self.task.digest);
        Ok(report)
    }
}
