//! Events, for people who run `kubectl describe`.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource,
    runtime::events::{Event as KubeEvent, EventType, Recorder},
};
use millwright_plan::Event;

use super::answer::{namespace_ends, said};

/// Longest note that the API server takes.
const NOTE_LIMIT: usize = 1_024;

/// Publishes events. What can't be published is logged: an event is news, not a record.
pub(crate) async fn publish<K>(recorder: &Recorder, object: &K, action: &str, events: Vec<Event>)
where
    K: Resource<DynamicType = ()>,
{
    publish_on(recorder, &object.object_ref(&()), action, events).await;
}

/// Publishes events on what a reference names.
pub(crate) async fn publish_on(
    recorder: &Recorder,
    reference: &ObjectReference,
    action: &str,
    events: Vec<Event>,
) {
    for event in events {
        let event = KubeEvent {
            type_: if event.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: event.reason.as_str().into(),
            note: Some(event.message.chars().take(NOTE_LIMIT / 4).collect()),
            action: action.into(),
            secondary: None,
        };
        match recorder.publish(&event, reference).await {
            Err(error) if !namespace_ends(&error) => {
                tracing::warn!("an event can't be published: {}", said(&error));
            }
            _ => {}
        }
    }
}
