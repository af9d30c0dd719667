//! Health and metrics over HTTP.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{Router, extract::State, http::StatusCode, routing::get};

use super::context::Context;

/// Answers `/healthz`, `/readyz` and `/metrics` until the process ends.
pub(crate) async fn serve(context: Arc<Context>, address: &str) -> anyhow::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(|State(context): State<Arc<Context>>| async move {
                context.metrics.text(context.health.ages())
            }),
        )
        .with_state(context);
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}: is another process there?"))?;
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn healthz(State(context): State<Arc<Context>>) -> (StatusCode, String) {
    let hanging = context.health.hanging();
    if hanging.is_empty() {
        (StatusCode::OK, "ok\n".into())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("no sign of life from: {}\n", hanging.join(", ")),
        )
    }
}

async fn readyz(State(context): State<Arc<Context>>) -> (StatusCode, String) {
    let problems = context.health.problems();
    let leads = context.leadership.describe();
    if problems.is_empty() {
        (StatusCode::OK, format!("ok: {leads}\n"))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n{leads}\n", problems.join("\n")),
        )
    }
}
