//! What pods answer over HTTP, within bounds: no redirects, no endless bodies, no long waits.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use millwright_crds::wire::{self, Versioned};
use tokio::net::TcpStream;

/// Longest time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes of an answer.
const LIMIT: usize = 8 << 20;

/// Reads a document from a pod.
///
/// # Errors
/// When the pod doesn't answer in time, answers something else than 200, or more than 8 MiB.
pub(crate) async fn document<T: Versioned>(ip: &str, port: u16, path: &str) -> anyhow::Result<T> {
    let bytes = tokio::time::timeout(PATIENCE, get(ip, port, path))
        .await
        .with_context(|| format!("no answer within {} s", PATIENCE.as_secs()))??;
    Ok(wire::read(&bytes)?)
}

async fn get(ip: &str, port: u16, path: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect((ip, port))
        .await
        .context("no connection")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", format!("{ip}:{port}"))
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    ensure!(
        response.status() == StatusCode::OK,
        "it answered {}",
        response.status()
    );
    let body = Limited::new(response.into_body(), LIMIT)
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!("the body can't be read: {error}"))?;
    connection.abort();
    Ok(body.to_bytes())
}
