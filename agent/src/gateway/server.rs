//! Listens, and ends without cutting off what is under way.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    time::Duration,
};

use futures::FutureExt;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Idle connections, and requests whose head doesn't come, end after this. Longer than what
/// clients and load balancers commonly keep (60 s), so that they close first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Pause when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on an address. On machines without IPv6 all addresses are those of IPv4.
///
/// # Errors
/// When the address can't be had; the message names it.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let all = address.ip().is_unspecified();
    let bound = match TcpListener::bind(address).await {
        Err(error) if all && address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse => {
            let fallback = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            TcpListener::bind((fallback, address.port())).await
        }
        bound => bound,
    };
    bound.map_err(|error| anyhow::anyhow!("can't listen on {address}: {error}"))
}

/// Serves until `stop` ends; then takes no more connections, closes idle ones, and returns when
/// the last response is sent. Each time `release` changes, the connections that stand then end as
/// soon as no request is under way on them.
pub(super) async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    mut release: watch::Receiver<u64>,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync,
{
    let mut connections = GracefulShutdown::new();
    let mut released = JoinSet::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT);
    let begin = |stream: TcpStream, connections: &GracefulShutdown| {
        // Only a hint; the connection works without.
        let _ = stream.set_nodelay(true);
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a client's connection ended: {error}");
            }
        });
    };
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Ok(()) = release.changed() => {
                released.spawn(std::mem::take(&mut connections).shutdown());
                continue;
            }
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => begin(stream, &connections),
            Err(error) => {
                tracing::warn!("can't take a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Those that the kernel has taken already are served too.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        begin(stream, &connections);
    }
    drop(listener);
    connections.shutdown().await;
    released.join_all().await;
}
