//! Events, for people who run `kubectl describe`.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event as KubeEvent, EventType, Recorder, Reporter},
};
use millwright_plan::Event;
use tokio::sync::mpsc;

use super::answer::{namespace_ends, said};

/// Most bytes of a note that the API server takes.
const NOTE_LIMIT: usize = 1_024;
/// Most Events that wait. More come only when the API server is in trouble, and then the first
/// ones tell of it.
const WAITING: usize = 4_096;
/// Most Events that are remembered, to count repetitions in place of new Events: in a storm all of
/// them would be megabytes.
const REMEMBERED: usize = 256;

type Waiting = (KubeEvent, ObjectReference);

/// Publishes Events beside the passes, in order and one at a time: when there is much to do, what
/// moves objects on goes first.
#[derive(Clone)]
pub(crate) struct Events(mpsc::Sender<Waiting>);

impl Events {
    /// Publishes for as long as this exists.
    pub(crate) fn start(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: "millwright-operator".into(),
            instance: Some(identity.into()),
        };
        let fresh = move || Recorder::new(client.clone(), reporter.clone());
        let (sender, mut waiting) = mpsc::channel::<Waiting>(WAITING);
        tokio::spawn(async move {
            // A recorder counts all of one reason as repetitions and keeps the first one's words, so
            // each that says something else has its own.
            let mut recorders = HashMap::new();
            while let Some((event, reference)) = waiting.recv().await {
                if recorders.len() == REMEMBERED {
                    recorders.clear();
                }
                let said_before = (
                    reference.uid.clone(),
                    event.reason.clone(),
                    event.note.clone(),
                );
                let recorder: &Recorder = recorders.entry(said_before).or_insert_with(&fresh);
                match recorder.publish(&event, &reference).await {
                    Err(error) if !namespace_ends(&error) => {
                        tracing::warn!("an Event can't be published: {}", said(&error));
                    }
                    _ => {}
                }
            }
        });
        Self(sender)
    }

    /// Hands Events over, without waiting. What can't be published is logged: an Event is news, not
    /// a record.
    pub(crate) fn publish<K>(&self, object: &K, events: Vec<Event>)
    where
        K: Resource<DynamicType = ()>,
    {
        self.publish_on(&object.object_ref(&()), events);
    }

    /// The same for an object that could not be read.
    pub(crate) fn publish_on(&self, reference: &ObjectReference, events: Vec<Event>) {
        for event in events {
            let event = KubeEvent {
                type_: if event.warning {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: event.reason.as_str().into(),
                note: Some(cut(&event.message).to_owned()),
                action: "Reconcile".into(),
                secondary: None,
            };
            if let Err(error) = self.0.try_send((event, reference.clone())) {
                tracing::warn!("an Event is left out: {error}");
            }
        }
    }
}

/// As much of a message as a note may have.
fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(NOTE_LIMIT)]
}

#[cfg(test)]
mod tests {
    use millwright_crds::Model;
    use millwright_plan::Reason;

    use super::*;

    #[test]
    fn a_note_has_at_most_1024_bytes() {
        assert_eq!(cut("short"), "short");
        let long = format!("{}{}", "a".repeat(1_023), "é".repeat(9));
        assert_eq!(cut(&long), "a".repeat(1_023));
    }

    #[test]
    fn keeps_the_order_and_never_waits() {
        let (sender, mut waiting) = mpsc::channel(2);
        let events = Events(sender);
        let model = Model::new("delay", millwright_crds::ModelSpec::default());
        let event = |message: &str| Event::normal(Reason::Registered, message);
        events.publish(&model, vec![event("1"), event("2"), event("3")]);
        let mut notes = vec![];
        while let Ok((event, reference)) = waiting.try_recv() {
            assert_eq!(reference.name.as_deref(), Some("delay"));
            notes.extend(event.note);
        }
        assert_eq!(notes, ["1", "2"]);
    }
}
