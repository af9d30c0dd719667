//! No write leaves this process unless it leads, however long it was paused before.
//!
//! A plan's writes are checked before each starts, but from there a request passes several tasks until
//! it is on the wire, and the process may be paused between any two. So it is checked here once more,
//! where nothing but the connection is left, and by the body when the connection asks for it: a request
//! without its body is none. The API server is told when to give up, and so a request that waits
//! anywhere behind that takes no effect after another replica may lead.
//!
//! What remains is a pause within the system call's last microseconds, or a machine whose clocks all
//! stood still. A write that comes late that way is harmless by what it carries: a status has the
//! resourceVersion that it was made from, a create has a name of its own, an apply has the
//! resourceVersion of what it changes, a delete has the UID.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Method, Request, Response, Uri};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use kube::client::Body;
use tower::{BoxError, Service};

use super::leader::Leadership;

/// Lets writes through while this replica leads, and reads always.
#[derive(Clone)]
pub(crate) struct Fence<S> {
    inner: S,
    leadership: Option<Leadership>,
}

/// The write was not sent.
#[derive(Debug, thiserror::Error)]
#[error("this replica does not lead any more")]
struct Shut;

impl<S> Fence<S> {
    /// A fence in front of `inner`; an open one without a leadership.
    pub(crate) fn new(inner: S, leadership: Option<Leadership>) -> Self {
        Self { inner, leadership }
    }
}

impl<S> Service<Request<Body>> for Fence<S>
where
    S: Service<Request<Checked>, Response = Response<Incoming>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut inner = self.inner.clone();
        // The one that is ready, and the clone for later.
        std::mem::swap(&mut inner, &mut self.inner);
        let leadership = self.leadership.clone().filter(|_| writes(request.method()));
        Box::pin(async move {
            let Some(leadership) = leadership else {
                let open = request.map(|body| Checked {
                    body,
                    leadership: None,
                });
                return inner.call(open).await.map_err(Into::into);
            };
            let _writing = leadership.writing().await;
            let left = leadership.time_to_write().ok_or(Shut)?;
            let (mut parts, body) = request.into_parts();
            parts.uri = with_timeout(&parts.uri, left.as_millis())?;
            let checked = Checked {
                body,
                leadership: Some(leadership.clone()),
            };
            let answer = inner.call(Request::from_parts(parts, checked));
            tokio::time::timeout(left, answer)
                .await
                .map_err(|_| format!("no answer within {} ms", left.as_millis()))?
                .map_err(Into::into)
        })
    }
}

fn writes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Tells the API server how long it may take.
fn with_timeout(uri: &Uri, milliseconds: u128) -> Result<Uri, http::Error> {
    let path = uri.path();
    let query = match uri.query() {
        Some(query) if !query.is_empty() => format!("{query}&"),
        _ => String::new(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}?{query}timeout={milliseconds}ms").parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// A body that is handed out only while this replica leads.
pub(crate) struct Checked {
    body: Body,
    leadership: Option<Leadership>,
}

impl HttpBody for Checked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let shut = |leadership: &Leadership| !leadership.may_write();
        if self.leadership.as_ref().is_some_and(shut) {
            return Poll::Ready(Some(Err(Shut.into())));
        }
        Pin::new(&mut self.body)
            .poll_frame(context)
            .map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::runtime::leader::Renewal;

    #[test]
    fn the_api_server_is_told_when_to_give_up() {
        let told = |uri: &str| {
            with_timeout(&uri.parse().unwrap(), 7_500)
                .unwrap()
                .to_string()
        };
        assert_eq!(
            told("https://host:6443/api?fieldManager=a"),
            "https://host:6443/api?fieldManager=a&timeout=7500ms"
        );
        assert_eq!(told("https://host/api"), "https://host/api?timeout=7500ms");
        assert_eq!(told("https://host/api?"), "https://host/api?timeout=7500ms");
    }

    #[tokio::test]
    async fn only_reads_pass_while_another_leads() {
        let leadership = Leadership::new("a".into());
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = sent.clone();
        let service = tower::service_fn(move |_: Request<Checked>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err::<Response<Incoming>, BoxError>("not connected".into()) }
        });
        let mut fence = Fence::new(service, Some(leadership.clone()));
        let request = |method| {
            let mut request = Request::new(Body::from(b"{}".to_vec()));
            *request.method_mut() = method;
            *request.uri_mut() = "https://host/api".parse().unwrap();
            request
        };
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let error = fence.call(request(method)).await.unwrap_err();
            assert!(error.is::<Shut>(), "{error}");
        }
        assert_eq!(sent.load(Ordering::SeqCst), 0);
        let error = fence.call(request(Method::GET)).await.unwrap_err();
        assert!(!error.is::<Shut>(), "{error}");
        leadership.renewed(Renewal::now());
        let error = fence.call(request(Method::POST)).await.unwrap_err();
        assert!(!error.is::<Shut>(), "{error}");
        assert_eq!(sent.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_body_is_kept_back_when_the_lease_was_lost_meanwhile() {
        use http_body_util::BodyExt;

        let leadership = Leadership::new("a".into());
        leadership.renewed(Renewal::now());
        let body = || Checked {
            body: Body::from(b"{}".to_vec()),
            leadership: Some(leadership.clone()),
        };
        assert_eq!(body().collect().await.unwrap().to_bytes().as_ref(), b"{}");
        leadership.gone();
        assert!(body().collect().await.is_err());
    }
}
