//! `kubectl millwright diagnose`: cause, evidence, and the command that mends it.

mod cause;
mod evidence;
mod render;

#[cfg(test)]
mod tests;

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams, core::DynamicObject};

use crate::{
    Outcome, args::DiagnoseOptions, cluster::Cluster, kind::Reference, problem::Problem,
    terminal::Terminal,
};

/// What a diagnosis is made from.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub reference: &'a Reference,
    pub namespace: &'a str,
    pub object: &'a DynamicObject,
    /// The object's Events, or why they can't be had.
    pub events: Result<Vec<Event>, String>,
    pub now: Timestamp,
    pub zone: TimeZone,
}

/// Reads the object and its Events, and prints what follows.
pub async fn run(
    cluster: &Cluster,
    terminal: &Terminal,
    options: &DiagnoseOptions,
) -> Result<Outcome, Problem> {
    let object = cluster.get(&options.object).await?;
    let case = Case {
        reference: &options.object,
        namespace: &cluster.namespace,
        events: events(cluster, &object).await,
        object: &object,
        now: Timestamp::now(),
        zone: TimeZone::system(),
    };
    terminal.print_lines(&render::lines(&case))?;
    Ok(Outcome::Done)
}

/// A diagnosis without Events is better than none, so a missing right is only mentioned.
async fn events(cluster: &Cluster, object: &DynamicObject) -> Result<Vec<Event>, String> {
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let params = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    match api.list(&params).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            Err("you may not list events in this namespace".into())
        }
        Err(error) => Err(error.to_string()),
    }
}
