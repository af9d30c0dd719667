//! RetrainPolicies: what is read for a plan, the gateways' profiles among it.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use millwright_crds::{
    LABEL_POLICY, LABEL_ROLE, LABEL_STAGE, ModelDeployment, RetrainPolicy, RetrainPolicyStatus,
    retrain_policy::RetrainPolicyPhase,
    wire::{contract::ADMIN_PORT, serving::GatewayProfile},
};
use millwright_plan::{
    Plan, Settings,
    observed::PodState,
    retrain_policy::{self, Observed},
};

use crate::runtime::{apply::ApplyError, context::Context, controller::Controller, pull};

/// The controller of RetrainPolicies.
pub(crate) struct RetrainPolicies;

impl Controller for RetrainPolicies {
    type Object = RetrainPolicy;
    type Seen = Observed;
    const NAME: &'static str = "millwright-retrainpolicy";

    async fn observe(context: &Context, object: Arc<RetrainPolicy>) -> anyhow::Result<Observed> {
        let stores = &context.stores;
        let namespace = object.namespace().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        let reference = &object.spec.deployment;
        let deployment = stores
            .model_deployments
            .get(&ObjectRef::new(&reference.name).within(&namespace));
        let number = deployment
            .as_ref()
            .and_then(|deployment| serves(deployment, &reference.stage));
        let version = deployment
            .as_ref()
            .zip(number)
            .and_then(|(deployment, number)| {
                let name = format!("{}-v{number}", deployment.spec.model.name);
                stores
                    .model_versions
                    .get(&ObjectRef::new(&name).within(&namespace))
            });
        let runs = stores
            .training_jobs
            .state_filter(|run| run.labels().get(LABEL_POLICY) == Some(&uid));
        let (profiles, silent) = match &deployment {
            Some(deployment) if !object.spec.suspend && number.is_some() => {
                gateways(context, deployment, &reference.stage).await
            }
            _ => (vec![], vec![]),
        };
        Ok(Observed {
            deployment: deployment.map(|deployment| (*deployment).clone()),
            version: version.map(|version| (*version).clone()),
            runs: runs.iter().map(|run| (**run).clone()).collect(),
            profiles,
            silent,
            object: (*object).clone(),
        })
    }

    fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<RetrainPolicyStatus> {
        retrain_policy::plan(seen, settings, now)
    }

    fn stalled(
        _: &Observed,
        mut status: RetrainPolicyStatus,
        _: &ApplyError,
        _: Timestamp,
    ) -> RetrainPolicyStatus {
        status.phase = RetrainPolicyPhase::Stalled;
        status
    }
}

/// The number of the version that a stage serves.
fn serves(deployment: &ModelDeployment, stage: &str) -> Option<u32> {
    let stages = &deployment.status.as_ref()?.stages;
    Some(
        stages
            .iter()
            .find(|known| known.name == stage)?
            .current
            .as_ref()?
            .version,
    )
}

/// What the gateways of a stage tell, and the names of the pods that serve and whose gateway does not.
/// A pod that does not serve now may have: its gateway is asked, too.
async fn gateways(
    context: &Context,
    deployment: &ModelDeployment,
    stage: &str,
) -> (Vec<GatewayProfile>, Vec<String>) {
    let pods = context
        .stores
        .pods
        .of_owner(&deployment.uid().unwrap_or_default());
    let asked = pods
        .iter()
        .filter(|pod| {
            pod.label(LABEL_ROLE) == Some("serving")
                && pod.label(LABEL_STAGE) == Some(stage)
                && pod.ip.is_some()
                && !pod.deleting
        })
        .map(|pod| async move { (pod, ask(pod).await) });
    let (mut profiles, mut silent) = (vec![], vec![]);
    for (pod, answer) in join_all(asked).await {
        match answer {
            Ok(profile) => profiles.push(profile),
            Err(error) if pod.ready => {
                tracing::warn!(pod = pod.name, "its gateway does not tell: {error:#}");
                silent.push(pod.name.clone());
            }
            Err(_) => {}
        }
    }
    (profiles, silent)
}

async fn ask(pod: &PodState) -> anyhow::Result<GatewayProfile> {
    let ip = pod.ip.as_deref().unwrap_or_default();
    let profile: GatewayProfile = pull::document(ip, ADMIN_PORT, "/profile").await?;
    // Addresses of pods are used again: another pod may answer at this one.
    anyhow::ensure!(profile.pod_uid == pod.uid, "another pod answered at {ip}");
    Ok(profile)
}
