//! `agent run`: the sidecar of a trainer or evaluator. It holds the access to the store, apart from
//! the user's code, and does what PID 1 over there asks for over a Unix socket.

mod evaluation;
mod progress;
mod publish;
mod reference;
mod server;

use std::{env, sync::Arc};

use axum::{Router, routing::post};
use millwright_crds::wire::{
    attempt::RunTask,
    contract::{self, ENV_POD_UID},
    evaluation::EvaluationStoreTask,
};

use self::{progress::Progress, server::Answer};
use crate::{
    environment::{self, Layout},
    failure::Failure,
    handover::{EVALUATION, EvaluationRequest, PUBLISH, PublishRequest},
};

/// Serves a trainer until SIGTERM: publishes its output when asked, and answers its progress.
///
/// # Errors
/// When the task is missing, or socket or port can't be had.
pub(crate) async fn training(layout: &Layout, port: u16) -> Result<(), Failure> {
    let task: RunTask = environment::task()?;
    let (output, objective) = (layout.path(&task.output), task.objective.clone());
    let publisher = Arc::new(publish::Publisher::new(
        task,
        layout,
        environment::store()?,
        environment::namespace()?,
    ));
    let progress = Progress {
        pod_uid: pod_uid()?,
        output,
        objective,
        publisher: publisher.clone(),
    };
    let socket = Router::new().route(
        PUBLISH,
        post(move |axum::Json(request): axum::Json<PublishRequest>| {
            let publisher = publisher.clone();
            async move { Answer(publisher.publish(&request).await) }
        }),
    );
    server::serve(
        &layout.path(contract::SOCKET),
        socket,
        port,
        progress::router(progress),
    )
    .await
}

/// Serves an evaluator until SIGTERM: stores its report when asked.
///
/// # Errors
/// When the task is missing, or socket or port can't be had.
pub(crate) async fn evaluation(layout: &Layout, port: u16) -> Result<(), Failure> {
    let task: EvaluationStoreTask = environment::task()?;
    let keeper = Arc::new(evaluation::Keeper::new(
        task,
        environment::store()?,
        environment::namespace()?,
        layout.path(contract::RUN_DIR),
    ));
    let socket = Router::new().route(
        EVALUATION,
        post(move |axum::Json(request): axum::Json<EvaluationRequest>| {
            let keeper = keeper.clone();
            async move { Answer(keeper.keep(request).await) }
        }),
    );
    server::serve(
        &layout.path(contract::SOCKET),
        socket,
        port,
        server::health(),
    )
    .await
}

fn pod_uid() -> Result<String, Failure> {
    env::var(ENV_POD_UID)
        .map_err(|_| Failure::usage(format!("environment variable {ENV_POD_UID} is missing")))
}
