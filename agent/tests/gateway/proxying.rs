//! What passes, and with which id.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn an_id_of_the_client_is_kept() {
    let (server, _, gateway) = simple().await;
    let answer = TestClient::new()
        .infer(&gateway, &rows(Some("mine"), &[1.0]))
        .await;
    assert_eq!(answer.header("x-millwright-id"), Some("mine"));
    assert_eq!(answer.header("x-millwright-version"), Some("3"));
    assert_eq!(answer.json()["id"], "mine");
    let sent: Value = serde_json::from_slice(&server.last_request()).unwrap();
    assert_eq!(sent, rows(Some("mine"), &[1.0]));
}

#[tokio::test]
async fn a_missing_id_is_made_and_reaches_the_client() {
    let (server, _, gateway) = simple().await;
    let client = TestClient::new();
    let mut null = rows(None, &[1.0]);
    null["id"] = Value::Null;
    let mut made = vec![];
    for body in [rows(None, &[1.0]), null, rows(Some(""), &[1.0])] {
        let answer = client.infer(&gateway, &body).await;
        let id = answer.header("x-millwright-id").unwrap().to_owned();
        assert_eq!(id.len(), 32);
        assert_eq!(answer.json()["id"], json!(id));
        let sent: Value = serde_json::from_slice(&server.last_request()).unwrap();
        assert_eq!(sent, rows(Some(&id), &[1.0]));
        assert!(!made.contains(&id));
        made.push(id);
    }
}

#[tokio::test]
async fn a_server_that_does_not_echo_ids_is_joined_all_the_same() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    let body = rows(None, &[1.0, 2.0]).to_string();
    let path = "/v2/models/silent/versions/3/infer";
    let answer = client.post(gateway.traffic, path, body).await;
    let id = answer.header("x-millwright-id").unwrap();
    assert_eq!(answer.json().get("id"), None);
    let feedback = json!({"id": id, "labels": [2, 4]}).to_string();
    let path = "/v2/models/silent/feedback";
    let answer = client.post(gateway.admin, path, feedback).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"joined": 2})));
}

#[tokio::test]
async fn other_requests_pass_as_they_are() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = request(method, gateway.traffic, "/echo?a=%20b&c", "body");
        let answer = client.send(request).await;
        assert_eq!(answer.status, 418);
        assert_eq!(answer.header("x-path"), Some("/echo?a=%20b&c"));
        assert_eq!(answer.header("x-millwright-id"), None);
        assert_eq!(answer.body, "body");
    }
    assert!(client.profile(&gateway).await.windows.is_empty());
    let passed = client
        .metric(
            &gateway,
            "millwright_gateway_requests_total",
            "code=\"4xx\"",
        )
        .await;
    assert_eq!(passed, 4.0);
}

#[tokio::test]
async fn malformed_json_passes_and_the_servers_error_too() {
    let (server, _, gateway) = simple().await;
    let client = TestClient::new();
    for (count, body) in ["{\"inputs\": [", "", "[1]x"].into_iter().enumerate() {
        let answer = client
            .post(gateway.traffic, "/v2/models/m/infer", body)
            .await;
        assert_eq!(answer.status, 500);
        assert!(answer.body.starts_with(b"Traceback"));
        assert_eq!(answer.header("x-millwright-id"), None);
        assert_eq!(server.last_request(), body);
        let name = "millwright_gateway_dropped_requests_total";
        let dropped = client.metric(&gateway, name, "malformed").await;
        assert_eq!(dropped, count as f64 + 1.0);
    }
    let windows = client.profile(&gateway).await.windows;
    assert_eq!((windows[0].rows, windows[0].dropped), (0, 3));
}

/// As Python's json module writes and reads it.
#[tokio::test]
async fn not_a_number_is_a_missing_value() {
    let (server, _, gateway) = simple().await;
    let client = TestClient::new();
    let body = r#"{"id": "a", "inputs": [
        {"name": "x", "datatype": "FP64", "shape": [3], "data": [1.0, NaN, 3.0]}]}"#;
    let path = "/v2/models/nan/infer";
    let answer = client.post(gateway.traffic, path, body).await;
    assert_eq!(
        (answer.status, answer.header("x-millwright-id")),
        (200, Some("a"))
    );
    assert_eq!(server.last_request(), body);
    let anonymous = body.replace(r#""id": "a", "#, "");
    let answer = client.post(gateway.traffic, path, anonymous).await;
    assert!(answer.header("x-millwright-id").is_some());
    let unnamed = body.replace(r#""a""#, "null");
    let answer = client.post(gateway.traffic, path, unnamed.clone()).await;
    let id = answer.header("x-millwright-id").unwrap().to_owned();
    assert_eq!(
        server.last_request(),
        unnamed.replace("null", &format!("{id:?}"))
    );
    let feedback = json!({"id": id, "labels": [2, 4, 7]}).to_string();
    let answer = client
        .post(gateway.admin, "/v2/models/nan/feedback", feedback)
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let windows = client.profile(&gateway).await.windows;
    assert_eq!(
        (windows[0].rows, windows[0].dropped, seen(&windows[0])),
        (9, 0, 6)
    );
}

#[tokio::test]
async fn compressed_and_chunked_responses_are_read() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    for model in ["gzip", "chunked"] {
        let path = format!("/v2/models/{model}/infer");
        let body = rows(Some(model), &[1.0, 2.0, 3.0]).to_string();
        let answer = client.post(gateway.traffic, &path, body).await;
        assert_eq!(answer.status, 200);
        let feedback = json!({"id": model, "labels": [2, 4, 7]}).to_string();
        let path = format!("/v2/models/{model}/feedback");
        let answer = client.post(gateway.admin, &path, feedback).await;
        assert_eq!(answer.json(), json!({"joined": 3}));
    }
    let windows = client.profile(&gateway).await.windows;
    assert_eq!((windows[0].rows, windows[0].dropped), (6, 0));
}

#[tokio::test]
async fn headers_of_a_connection_end_at_the_gateway() {
    let (server, _, gateway) = simple().await;
    let request = Request::post(format!("http://{}/v2/models/m/infer", gateway.traffic))
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("upgrade", "h2c")
        .header("x-kept", "1")
        .body(Full::new(Bytes::from(rows(None, &[1.0]).to_string())))
        .unwrap();
    let answer = TestClient::new().send(request).await;
    assert_eq!(answer.status, 200);
    let headers = server.state.headers.lock().unwrap().clone();
    assert!(headers.contains_key("x-kept"));
    for name in ["x-hop", "te", "upgrade", "connection"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn websockets_are_refused_with_a_reason() {
    let (_server, _, gateway) = simple().await;
    let request = Request::get(format!("http://{}/socket", gateway.traffic))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(Full::default())
        .unwrap();
    let answer = TestClient::new().send(request).await;
    assert_eq!(answer.status, 501);
    assert!(answer.error().contains("WebSockets"));
}
