//! Queues of objects to look at, one per controller.

use futures::{StreamExt, channel::mpsc, stream::BoxStream};
use kube::{
    Resource,
    runtime::{controller::ReconcileRequest, reflector::ObjectRef},
};
use prometheus::IntGauge;

/// The sending side of a controller's queue. Asking twice before the first is answered is asking
/// once: the scheduler behind it deduplicates.
pub(crate) struct Queue<K: Resource<DynamicType = ()>> {
    sender: mpsc::UnboundedSender<ObjectRef<K>>,
    depth: IntGauge,
}

impl<K: Resource<DynamicType = ()>> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            depth: self.depth.clone(),
        }
    }
}

/// What a queue never gives.
pub(crate) type Never = std::convert::Infallible;

/// The receiving side of a controller's queue.
pub(crate) type Requests<K> = BoxStream<'static, Result<ReconcileRequest<K>, Never>>;

impl<K: Resource<DynamicType = ()> + 'static> Queue<K> {
    /// A queue and what comes out of it.
    pub(crate) fn new(depth: IntGauge) -> (Self, Requests<K>) {
        let (sender, receiver) = mpsc::unbounded();
        let gauge = depth.clone();
        let stream = receiver.map(move |object: ObjectRef<K>| {
            gauge.dec();
            Ok(ReconcileRequest::from(object))
        });
        (Self { sender, depth }, stream.boxed())
    }

    /// Asks for a look at an object.
    pub(crate) fn ask(&self, namespace: &str, name: &str) {
        self.depth.inc();
        // The receiver is gone only when the process ends.
        let _ = self
            .sender
            .unbounded_send(ObjectRef::new(name).within(namespace));
    }
}
