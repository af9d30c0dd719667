//! Models: a plan needs nothing but the Model.

use std::sync::Arc;

use jiff::Timestamp;
use millwright_crds::{Model, ModelStatus};
use millwright_plan::{Plan, Settings, model};

use crate::runtime::{context::Context, controller::Controller};

/// The controller of Models.
pub(crate) struct Models;

impl Controller for Models {
    type Object = Model;
    type Seen = Arc<Model>;
    const NAME: &'static str = "millwright-model";

    async fn observe(_: &Context, object: Arc<Model>) -> anyhow::Result<Self::Seen> {
        Ok(object)
    }

    fn plan(seen: &Self::Seen, _: &Settings, now: Timestamp) -> Plan<ModelStatus> {
        model::plan(seen, now)
    }
}
