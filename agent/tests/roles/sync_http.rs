//! `agent sync` of `http://` addresses.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Redirect},
    routing::get,
};
use millwright_crds::wire::sync::SyncResult;
use tokio::net::TcpListener;

use crate::{
    pod::{Ended, Pod},
    sync::task,
};

/// A server with two files, one of which is not there at the first two requests.
async fn server() -> String {
    let requests = Arc::new(AtomicU32::new(0));
    let late = get(move || {
        let request = requests.fetch_add(1, Ordering::SeqCst);
        async move {
            if request < 2 {
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            } else {
                "x\n2\n".into_response()
            }
        }
    });
    let router = Router::new()
        .route("/data/a.csv", get(|| async { "x\n1\n" }))
        .route("/data/late.csv", late)
        .route(
            "/moved.csv",
            get(|| async { Redirect::temporary("/data/a.csv") }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn sync(pod: &Arc<Pod>, uri: String, include: &[&str]) -> Ended {
    let mut task = task();
    task.mount = None;
    task.source.uri = uri;
    task.source.include = include.iter().map(|&name| name.into()).collect();
    let pod = pod.clone();
    tokio::task::spawn_blocking(move || pod.run(pod.agent(&task, &["sync"])))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_by_name_redirects_and_a_server_that_recovers() {
    let (pod, server) = (Arc::new(Pod::new()), server().await);
    let names = ["a.csv", "late.csv"];
    let ended = sync(&pod, format!("{server}/data/"), &names).await;
    let result: SyncResult = ended.result();
    assert_eq!((result.version.files, result.version.rows), (2, 2));
    assert!(ended.log.contains("503"), "{}", ended.log);
    let moved: SyncResult = sync(&pod, format!("{server}/moved.csv"), &[])
        .await
        .result();
    assert_eq!((moved.version.number, moved.version.files), (2, 1));
    pod.check_store();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let (pod, server) = (Arc::new(Pod::new()), server().await);
    let ended = sync(&pod, format!("{server}/data/"), &["none.csv"]).await;
    ended.fails(69, &["/data/none.csv", "404"]);
}
