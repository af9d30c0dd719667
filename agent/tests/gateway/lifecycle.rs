//! Beginning, end, and a server that is away.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::*;

#[tokio::test]
async fn a_server_that_is_down_is_named() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    // A port that nobody listens on.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    options.task.port = port;
    let gateway = start(options).await;
    let client = TestClient::new();
    for path in ["/v2/models/m/infer", "/other"] {
        let body = rows(None, &[1.0]).to_string();
        let answer = client.post(gateway.traffic, path, body).await;
        assert_eq!(answer.status, 503);
        assert!(
            answer.error().contains(&format!("127.0.0.1:{port}")),
            "{}",
            answer.error()
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("x-millwright-version"), Some("3"));
    }
    let errors = "millwright_gateway_upstream_errors_total";
    assert_eq!(client.metric(&gateway, errors, "connect").await, 2.0);
    assert_eq!(client.get(gateway.admin, "/healthz").await.status, 200);
    let answer = client.get(gateway.admin, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.windows(9).any(|text| text == b"127.0.0.1"));
}

#[tokio::test]
async fn a_server_that_breaks_off_is_named() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    options.task.port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let gateway = start(options).await;
    let body = rows(None, &[1.0]).to_string();
    let answer = TestClient::new()
        .post(gateway.traffic, "/v2/models/m/infer", body)
        .await;
    assert_eq!(answer.status, 502);
    assert!(answer.error().contains("broke off"), "{}", answer.error());
}

/// A server that closes every connection right after its first response, without a word.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_closed_are_not_used() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    options.task.port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicU64::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
        }
    });
    let gateway = start(options).await;
    let client = TestClient::new();
    for _ in 0..50 {
        let answer = client.post(gateway.traffic, "/predict", "1").await;
        assert_eq!((answer.status, &*answer.body), (200, &b"ok"[..]));
        // The gateway hears of the close before the next request.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 50);
}

#[tokio::test]
async fn ready_when_the_server_is() {
    let (_server, _, gateway) = simple().await;
    assert_eq!(
        TestClient::new().get(gateway.admin, "/readyz").await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_fails_while_the_gateway_ends() {
    let (server, _, mut gateway) = simple().await;
    let admin = TestClient::new();
    let (traffic, metrics) = (gateway.traffic, gateway.admin);
    // Requests that the server answers only after the gateway was told to end.
    let path = "/v2/models/slow/infer";
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let body = rows(None, &[1.0]).to_string();
            tokio::spawn(async move { TestClient::new().post(traffic, path, body).await })
        })
        .collect();
    // Clients that go on until readiness tells them to stop.
    let let_go = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let let_go = let_go.clone();
            tokio::spawn(async move {
                let client = TestClient::new();
                let mut answered = 0;
                while !let_go.load(Ordering::SeqCst) {
                    let body = rows(None, &[1.0]).to_string();
                    let request = request(Method::POST, traffic, "/v2/models/m/infer", body);
                    let answer = client.try_send(request).await.expect("no request fails");
                    assert_eq!(answer.status, 200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    wait_for(|| server.state.requests.lock().unwrap().len() > 200).await;
    gateway.stop.take();
    while admin.get(metrics, "/readyz").await.status == 200 {
        tokio::task::yield_now().await;
    }
    // Endpoints take a while to be updated.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let_go.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for client in busy {
        answered += client.await.unwrap();
    }
    assert!(answered > 200, "{answered}");
    // The drain's time passes, and the gateway still waits for the slow ones.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!gateway.served.is_finished());
    server.state.gate.add_permits(8);
    for client in slow {
        assert_eq!(client.await.unwrap().status, 200);
    }
    gateway.served.await.unwrap();
    assert!(tokio::net::TcpStream::connect(traffic).await.is_err());
}

/// A client that asks nothing during the drain never hears that it should let go.
#[tokio::test]
async fn a_drain_ends_with_idle_connections_closed() {
    let (_server, _, gateway) = simple().await;
    let mut idle = TcpStream::connect(gateway.traffic).await.unwrap();
    let body = rows(None, &[1.0]).to_string();
    let request = format!(
        "POST /v2/models/m/infer HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    idle.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    let client = TestClient::new();
    assert_eq!(client.get(gateway.admin, "/drain").await.status, 204);
    let mut rest = vec![];
    let closed = tokio::time::timeout(Duration::from_secs(10), idle.read_to_end(&mut rest)).await;
    closed.expect("the connection stays open").unwrap();
    // Until the server ends, others are served.
    client.infer(&gateway, &rows(None, &[1.0])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_clients_go_and_answers_when_they_have() {
    let (server, _, mut gateway) = simple().await;
    let client = TestClient::new();
    let traffic = gateway.traffic;
    let slow = tokio::spawn(async move {
        let body = rows(None, &[1.0]).to_string();
        let path = "/v2/models/slow/infer";
        TestClient::new().post(traffic, path, body).await
    });
    wait_for(|| !server.state.requests.lock().unwrap().is_empty()).await;
    let admin = gateway.admin;
    let drain = tokio::spawn(async move { TestClient::new().get(admin, "/drain").await });
    while client.get(admin, "/readyz").await.status == 200 {
        tokio::task::yield_now().await;
    }
    // Answered still, on a connection that ends.
    let answer = client.infer(&gateway, &rows(None, &[1.0])).await;
    assert_eq!(answer.header("connection"), Some("close"));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!drain.is_finished(), "a request is under way");
    server.state.gate.add_permits(1);
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(drain.await.unwrap().status, 204);
    // The server ends now; then the gateway is told to, and has nothing to wait for.
    let told = std::time::Instant::now();
    gateway.stop.take();
    gateway.served.await.unwrap();
    assert!(
        told.elapsed() < Duration::from_millis(900),
        "{:?}",
        told.elapsed()
    );
}
