//! The model server behind the gateway.

use std::{
    error::Error as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    http::uri::{Authority, PathAndQuery, Scheme},
};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use millwright_crds::model_deployment::Protocol;
use tokio::net::TcpStream;

use super::body::{Broken, RequestBody};

/// Longest time to connect: on loopback only a full backlog takes long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections are closed after this. Shorter than the servers' own limits (gunicorn 2 s,
/// uvicorn 5 s), so that a request hardly ever meets a connection that is being closed, and a new
/// one costs little on loopback.
const IDLE_TIMEOUT: Duration = Duration::from_millis(1500);
/// Longest time that the server's readiness may take: a server with one worker answers between two
/// inferences. Shorter than what the probe allows.
const READY_TIMEOUT: Duration = Duration::from_secs(4);

/// The model server, with a pool of connections.
pub(super) struct Upstream {
    address: SocketAddr,
    authority: Authority,
    protocol: Protocol,
    client: Client<HttpConnector, RequestBody>,
}

/// Why the server did not answer.
pub(super) struct Failure {
    /// Status for the client.
    pub status: StatusCode,
    /// Text for the client.
    pub message: String,
    /// Label of the metric; `None` when it was not the server's fault.
    pub reason: Option<&'static str>,
}

impl Failure {
    /// A request that can't be passed on.
    pub fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            reason: None,
        }
    }

    /// A client that broke off in its body, or did not go on with it.
    pub fn client(broken: &Broken) -> Self {
        let status = match broken {
            Broken::Off(_) => StatusCode::BAD_REQUEST,
            Broken::Silent(_) => StatusCode::REQUEST_TIMEOUT,
        };
        Self::refused(status, broken.to_string())
    }
}

impl Upstream {
    /// The server on a port of loopback.
    ///
    /// # Errors
    /// Never for a port.
    pub fn new(port: u16, protocol: Protocol) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // A request that could not be sent on a pooled connection, because the server had closed
        // it, is sent on another one: the client does that by itself, and for no other request,
        // since what was sent may have been acted upon.
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self {
            authority: address.to_string().parse()?,
            address,
            protocol,
            client,
        })
    }

    /// The server's URI of a path.
    ///
    /// # Errors
    /// When there is no such URI, as for `*`.
    pub fn uri(&self, path: PathAndQuery) -> Result<Uri, hyper::http::Error> {
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the server gave no answer.
    pub async fn send(&self, request: Request<RequestBody>) -> Result<Response<Incoming>, Failure> {
        self.client
            .request(request)
            .await
            .map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &Error) -> Failure {
        let (status, reason, what) = match Cause::of(error) {
            Cause::Client => {
                let message = format!("the request's body ended early: {error}");
                return Failure::refused(StatusCode::BAD_REQUEST, message);
            }
            Cause::ConnectTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "connect_timeout",
                format!("took no connection within {CONNECT_TIMEOUT:?}: it is overloaded or hangs"),
            ),
            Cause::Connect => (
                StatusCode::SERVICE_UNAVAILABLE,
                "connect",
                "takes no connections: it is starting, stopping or down".to_owned(),
            ),
            Cause::Broken => (
                StatusCode::BAD_GATEWAY,
                "broken",
                format!("broke off before it answered ({})", chain(error)),
            ),
        };
        Failure {
            status,
            message: format!(
                "the model server at {} {what}; see its container's log",
                self.address
            ),
            reason: Some(reason),
        }
    }

    /// Whether the server's port takes connections.
    pub async fn accepts(&self) -> bool {
        let connected = tokio::time::timeout(READY_TIMEOUT, TcpStream::connect(self.address));
        matches!(connected.await, Ok(Ok(_)))
    }

    /// Whether the server is ready: it says so at `/v2/health/ready`, or, when it does not speak
    /// the protocol, its port takes connections.
    ///
    /// # Errors
    /// Why it is not, in words.
    pub async fn ready(&self) -> Result<(), String> {
        let address = self.address;
        if self.protocol == Protocol::Http {
            return if self.accepts().await {
                Ok(())
            } else {
                Err(format!(
                    "the model server at {address} takes no connections"
                ))
            };
        }
        let request = self
            .uri(PathAndQuery::from_static("/v2/health/ready"))
            .and_then(|uri| Request::get(uri).body(RequestBody::whole([])))
            .map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(READY_TIMEOUT, self.send(request));
        match answer.await {
            Ok(Ok(response)) if response.status() == StatusCode::OK => Ok(()),
            Ok(Ok(response)) => Err(format!(
                "the model server at {address} answers {} at /v2/health/ready",
                response.status()
            )),
            Ok(Err(failure)) => Err(failure.message),
            Err(_) => Err(format!(
                "the model server at {address} did not answer /v2/health/ready within \
                 {READY_TIMEOUT:?}"
            )),
        }
    }
}

enum Cause {
    /// The client broke off while its body was passed on.
    Client,
    ConnectTimeout,
    Connect,
    Broken,
}

impl Cause {
    fn of(error: &Error) -> Self {
        let mut source = error.source();
        let mut timed_out = false;
        let mut user = false;
        while let Some(cause) = source {
            timed_out |= cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
            user |= cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_user);
            source = cause.source();
        }
        match (error.is_connect(), timed_out, user) {
            (true, true, _) => Self::ConnectTimeout,
            (true, false, _) => Self::Connect,
            (false, _, true) => Self::Client,
            (false, _, false) => Self::Broken,
        }
    }
}

/// An error with its causes, for people.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
