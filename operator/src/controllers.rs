//! All controllers: their queues, and running them.

use std::sync::{Arc, atomic::Ordering};

use kube::{Resource, ResourceExt, runtime::reflector::Store};
use millwright_crds::{Dataset, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob};

use crate::{
    dataset::Datasets,
    model::Models,
    model_deployment::ModelDeployments,
    model_version::ModelVersions,
    retrain_policy::RetrainPolicies,
    runtime::{
        context::Context,
        controller::run,
        metrics::Metrics,
        queue::{Queue, Requests},
    },
    stores::Stores,
    training_job::TrainingJobs,
};

/// The sending sides of all queues.
#[derive(Clone)]
pub(crate) struct Queues {
    pub(crate) datasets: Queue<Dataset>,
    pub(crate) training_jobs: Queue<TrainingJob>,
    pub(crate) models: Queue<Model>,
    pub(crate) model_versions: Queue<ModelVersion>,
    pub(crate) model_deployments: Queue<ModelDeployment>,
    pub(crate) retrain_policies: Queue<RetrainPolicy>,
}

/// All controllers, with the receiving sides of their queues.
pub(crate) struct Controllers {
    datasets: Requests<Dataset>,
    training_jobs: Requests<TrainingJob>,
    models: Requests<Model>,
    model_versions: Requests<ModelVersion>,
    model_deployments: Requests<ModelDeployment>,
    retrain_policies: Requests<RetrainPolicy>,
}

impl Controllers {
    /// Controllers, and the way to ask them for a look at an object.
    pub(crate) fn new(metrics: &Metrics) -> (Queues, Self) {
        let (datasets, to_datasets) = Queue::new(metrics.queue("dataset"));
        let (training_jobs, to_training_jobs) = Queue::new(metrics.queue("trainingjob"));
        let (models, to_models) = Queue::new(metrics.queue("model"));
        let (model_versions, to_model_versions) = Queue::new(metrics.queue("modelversion"));
        let (model_deployments, to_deployments) = Queue::new(metrics.queue("modeldeployment"));
        let (retrain_policies, to_policies) = Queue::new(metrics.queue("retrainpolicy"));
        let queues = Queues {
            datasets,
            training_jobs,
            models,
            model_versions,
            model_deployments,
            retrain_policies,
        };
        let controllers = Self {
            datasets: to_datasets,
            training_jobs: to_training_jobs,
            models: to_models,
            model_versions: to_model_versions,
            model_deployments: to_deployments,
            retrain_policies: to_policies,
        };
        (queues, controllers)
    }

    /// Works whenever this replica leads and every watch has its objects.
    pub(crate) async fn run(self, context: Arc<Context>, queues: Queues) {
        let (c, stores) = (&context, &context.stores);
        tokio::join!(
            lead(c, &queues),
            run::<Datasets>(c.clone(), stores.datasets.clone(), self.datasets),
            run::<TrainingJobs>(c.clone(), stores.training_jobs.clone(), self.training_jobs),
            run::<Models>(c.clone(), stores.models.clone(), self.models),
            run::<ModelVersions>(
                c.clone(),
                stores.model_versions.clone(),
                self.model_versions
            ),
            run::<ModelDeployments>(
                c.clone(),
                stores.model_deployments.clone(),
                self.model_deployments
            ),
            run::<RetrainPolicies>(
                c.clone(),
                stores.retrain_policies.clone(),
                self.retrain_policies
            ),
        );
    }
}

/// Lets the controllers work while this replica leads.
async fn lead(context: &Context, queues: &Queues) {
    let leadership = &context.leadership;
    loop {
        leadership.acquired().await;
        context.metrics.leads(true);
        tracing::info!("leads");
        tokio::select! {
            () = leadership.lost() => {}
            () = work(context, queues) => {}
        }
        context.works.store(false, Ordering::SeqCst);
        context.metrics.leads(false);
        tracing::warn!("does not lead any more, stands by");
    }
}

async fn work(context: &Context, queues: &Queues) {
    // A plan made from half a list would create what exists already.
    context.health.settled().await;
    context.works.store(true, Ordering::SeqCst);
    queues.ask_for_all(&context.stores);
    std::future::pending().await
}

impl Queues {
    /// Asks for a look at every object: what was asked while another led was dropped.
    fn ask_for_all(&self, stores: &Stores) {
        // All of them by name, so that none is forgotten.
        let Self {
            datasets,
            training_jobs,
            models,
            model_versions,
            model_deployments,
            retrain_policies,
        } = self;
        ask_for(datasets, &stores.datasets);
        ask_for(training_jobs, &stores.training_jobs);
        ask_for(models, &stores.models);
        ask_for(model_versions, &stores.model_versions);
        ask_for(model_deployments, &stores.model_deployments);
        ask_for(retrain_policies, &stores.retrain_policies);
    }
}

fn ask_for<K>(queue: &Queue<K>, store: &Store<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    for object in store.state() {
        queue.ask(&object.namespace().unwrap_or_default(), &object.name_any());
    }
}
