//! What stands in an error when something that was waited for did not come.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde::Serialize;

/// Most events in an error.
const EVENTS: usize = 25;

/// An object as YAML, without what only machines read.
pub fn yaml(object: &impl Serialize) -> String {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(meta) = value
        .get_mut("metadata")
        .and_then(|meta| meta.as_object_mut())
    {
        meta.remove("managedFields");
    }
    serde_saphyr::to_string(&value).unwrap_or_else(|error| format!("no YAML: {error}"))
}

/// The pods of a namespace, one line each container.
pub async fn pods(client: &Client, namespace: &str) -> String {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list,
        Err(error) => return format!("pods can't be listed: {error}"),
    };
    let lines = list.items.iter().flat_map(|pod| {
        let status = pod.status.clone().unwrap_or_default();
        let head = format!(
            "{} {} {}",
            pod.name_any(),
            status.phase.unwrap_or_default(),
            status.message.unwrap_or_default()
        );
        let containers = status.init_container_statuses.into_iter().flatten();
        let containers = containers.chain(status.container_statuses.into_iter().flatten());
        std::iter::once(head).chain(containers.map(|container| format!("  {}", state(&container))))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn state(container: &ContainerStatus) -> String {
    let state = container.state.clone().unwrap_or_default();
    let text = if let Some(end) = state.terminated {
        format!(
            "ended with {} ({}): {}",
            end.exit_code,
            end.reason.unwrap_or_default(),
            end.message.unwrap_or_default().trim_end()
        )
    } else if let Some(waiting) = state.waiting {
        format!(
            "waits: {} {}",
            waiting.reason.unwrap_or_default(),
            waiting.message.unwrap_or_default()
        )
    } else if container.ready {
        "runs, ready".into()
    } else {
        "runs, not ready".into()
    };
    format!(
        "{}: {text}, restarted {} times",
        container.name, container.restart_count
    )
}

/// The newest Events of a namespace, oldest first.
pub async fn events(client: &Client, namespace: &str) -> String {
    let api = Api::<Event>::namespaced(client.clone(), namespace);
    let mut list = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => return format!("Events can't be listed: {error}"),
    };
    list.sort_by_key(|event| {
        event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    });
    let skip = list.len().saturating_sub(EVENTS);
    let lines = list.iter().skip(skip).map(|event| {
        let about = &event.involved_object;
        format!(
            "{} {}/{} {}: {}",
            event.type_.as_deref().unwrap_or_default(),
            about.kind.as_deref().unwrap_or_default(),
            about.name.as_deref().unwrap_or_default(),
            event.reason.as_deref().unwrap_or_default(),
            event.message.as_deref().unwrap_or_default()
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
