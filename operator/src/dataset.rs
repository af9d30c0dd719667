//! Datasets: what is read for a plan.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::{Dataset, DatasetStatus, dataset::DatasetPhase};
use millwright_plan::{
    Plan, Settings,
    dataset::{self, Observed},
};

use crate::runtime::{apply::ApplyError, context::Context, controller::Controller};

/// The controller of Datasets.
pub(crate) struct Datasets;

impl Controller for Datasets {
    type Object = Dataset;
    type Seen = Observed;
    const NAME: &'static str = "millwright-dataset";

    async fn observe(context: &Context, object: Arc<Dataset>) -> anyhow::Result<Observed> {
        let stores = &context.stores;
        let namespace = object.namespace().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        Ok(Observed {
            jobs: stores
                .jobs
                .of_owner(&uid)
                .iter()
                .map(|job| (**job).clone())
                .collect(),
            pods: stores
                .pods
                .of_owner(&uid)
                .iter()
                .map(|pod| (**pod).clone())
                .collect(),
            store_claim: stores.has_store(&namespace, &context.settings.store),
            object: (*object).clone(),
        })
    }

    fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<DatasetStatus> {
        dataset::plan(seen, settings, now)
    }

    fn stalled(
        _: &Observed,
        mut status: DatasetStatus,
        _: &ApplyError,
        _: Timestamp,
    ) -> DatasetStatus {
        status.phase = DatasetPhase::Stalled;
        status
    }
}
