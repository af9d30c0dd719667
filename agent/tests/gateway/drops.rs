//! What monitoring can't take is dropped and counted, and requests don't notice.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

const DROPPED: &str = "millwright_gateway_dropped_requests_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_profiler_that_is_behind_drops() {
    let server = Server::start().await;
    let clock = TestClock::new();
    let mut options = Options::new(&server, &clock);
    options.limits.queue = 2;
    // The profiler asks for the time, and waits for it here.
    let gate = Arc::new(Mutex::new(()));
    let (time, profiler) = (options.clock, gate.clone());
    options.clock = Arc::new(move || {
        if std::thread::current().name() == Some("profiler") {
            drop(profiler.lock());
        }
        time()
    });
    let gateway = start(options).await;
    let client = TestClient::new();
    {
        let _closed = gate.lock().unwrap();
        // Requests are answered while the profiler stands still.
        #[allow(clippy::await_holding_lock)]
        for _ in 0..10 {
            client.infer(&gateway, &rows(None, &[1.0])).await;
        }
    }
    let windows = client.profile(&gateway).await.windows;
    // One or two were in the profiler's hands, two in the queue.
    assert_eq!(windows[0].rows + windows[0].dropped, 10);
    assert!((2..=3).contains(&windows[0].rows), "{}", windows[0].rows);
    let dropped = client.metric(&gateway, DROPPED, "queue").await;
    assert_eq!(dropped, windows[0].dropped as f64);
}

#[tokio::test]
async fn large_bodies_pass_unread() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    options.limits.body = 4096;
    let gateway = start(options).await;
    let client = TestClient::new();
    let large: Vec<f64> = (0..100_000).map(f64::from).collect();
    let body = rows(Some("large"), &large);
    let answer = client.infer(&gateway, &body).await;
    assert_eq!(answer.header("x-millwright-id"), None);
    assert_eq!(answer.json()["id"], "large");
    assert_eq!(server.last_request(), body.to_string());
    // A request that fits, whose response doesn't.
    let x = vec![1; 1700];
    let body = json!({"id": "a", "inputs": [
        {"name": "x", "datatype": "FP64", "shape": [1700], "data": x},
    ]});
    assert!(body.to_string().len() < 4096);
    let answer = client.infer(&gateway, &body).await;
    assert!(answer.body.len() > 4096);
    client.infer(&gateway, &rows(None, &[1.0])).await;
    let windows = client.profile(&gateway).await.windows;
    assert_eq!((windows[0].rows, windows[0].dropped), (1, 2));
    assert_eq!(client.metric(&gateway, DROPPED, "size").await, 2.0);
}

#[tokio::test]
async fn requests_that_take_too_much_memory_together_pass_unread() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    let body = rows(Some("a"), &[1.0, 2.0]).to_string();
    options.limits.buffered = body.len() + 10;
    let gateway = start(options).await;
    let client = TestClient::new();
    let path = "/v2/models/slow/infer";
    let first = tokio::spawn({
        let (client, body) = (client.clone(), body.clone());
        async move { client.post(gateway.traffic, path, body).await }
    });
    wait_for(|| !server.state.requests.lock().unwrap().is_empty()).await;
    server.state.gate.add_permits(2);
    let second = client.post(gateway.traffic, path, body).await;
    assert_eq!((second.status, first.await.unwrap().status), (200, 200));
    // The second found no room, and the first none for its response.
    assert_eq!(client.metric(&gateway, DROPPED, "memory").await, 2.0);
    // What was taken is given back.
    let small = json!({"inputs": [
        {"name": "x", "datatype": "FP64", "shape": [0], "data": []},
    ]});
    let answer = client.infer(&gateway, &small).await;
    assert!(answer.header("x-millwright-id").is_some());
}

/// Or it would keep its part of the memory for ever.
#[tokio::test]
async fn a_client_that_goes_silent_is_let_go() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    options.limits.pause = Duration::from_millis(100);
    let gateway = start(options).await;
    let mut stream = TcpStream::connect(gateway.traffic).await.unwrap();
    let head = "POST /v2/models/m/infer HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("request's body"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_is_counted() {
    let (server, _, gateway) = simple().await;
    let client = TestClient::new();
    let body = rows(None, &[1.0]).to_string();
    let call = tokio::spawn({
        let client = client.clone();
        async move {
            client
                .post(gateway.traffic, "/v2/models/slow/infer", body)
                .await
        }
    });
    wait_for(|| !server.state.requests.lock().unwrap().is_empty()).await;
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    let name = "millwright_gateway_requests_in_flight";
    while client.metric(&gateway, name, "").await > 0.0 {
        tokio::task::yield_now().await;
    }
    let ended = "millwright_gateway_requests_total";
    assert_eq!(client.metric(&gateway, ended, "none").await, 1.0);
}
