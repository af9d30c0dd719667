//! The sidecar's two doors: a Unix socket for the container beside it, a port for the operator.

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use millwright_crds::wire::{self, Versioned};
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// What was asked for, or 422 with the failure.
pub(super) struct Answer<T>(pub Result<T, Failure>);

impl<T: Versioned> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let (status, body) = match self.0 {
            Ok(document) => (StatusCode::OK, wire::write(&document)),
            Err(failure) => {
                tracing::error!("{failure}");
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                (status, wire::write(&failure.document()))
            }
        };
        match body {
            Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}

/// Answers at `/healthz`.
pub(super) fn health() -> Router {
    Router::new().route("/healthz", get(|| async { "ok" }))
}

/// Serves both doors until SIGTERM or SIGINT; what was asked for by then is finished.
///
/// # Errors
/// When socket or port can't be had.
pub(super) async fn serve(
    socket: &Path,
    on_socket: Router,
    port: u16,
    on_port: Router,
) -> Result<(), Failure> {
    let signals = |error: io::Error| Failure::usage(format!("signals can't be received: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let tcp = listen(port).await.map_err(|error| {
        Failure::unavailable(format!("port {port} can't be listened on: {error}"))
    })?;
    let unix = bind(socket).map_err(|error| {
        Failure::unavailable(format!(
            "socket {} can't be made: {error}",
            socket.display()
        ))
    })?;
    let address = tcp.local_addr().map_err(Failure::unavailable)?;
    tracing::info!("ready on {} and {address}", socket.display());

    let stop = CancellationToken::new();
    let waiting = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    };
    let on_socket =
        axum::serve(unix, on_socket).with_graceful_shutdown(stop.clone().cancelled_owned());
    let on_port = axum::serve(tcp, on_port).with_graceful_shutdown(stop.clone().cancelled_owned());
    let served = tokio::join!(
        waiting,
        IntoFuture::into_future(on_socket),
        IntoFuture::into_future(on_port)
    );
    served
        .1
        .and(served.2)
        .map_err(|error| Failure::unavailable(format!("serving failed: {error}")))?;
    tracing::info!("asked to stop: done");
    Ok(())
}

/// On all addresses, of both families where the node has both.
async fn listen(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

/// A socket that any user of the pod may talk to, in place of one that a killed sidecar left.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
