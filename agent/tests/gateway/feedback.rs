//! Labels, and the predictions they belong to.

use millwright_crds::{model_deployment::Task, wire::serving::Quality};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn labels_measure_the_window_of_their_predictions() {
    let (_server, clock, gateway) = simple().await;
    let client = TestClient::new();
    client.infer(&gateway, &rows(Some("a"), &[1.0, 2.0])).await;
    clock.set(START + 90);
    client.infer(&gateway, &rows(Some("b"), &[3.0])).await;
    // The label of the first window comes in the second.
    let answer = client.feedback(&gateway, "a", json!([3, 7])).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"joined": 2})));
    let windows = client.profile(&gateway).await.windows;
    assert_eq!((mae(&windows[0]), windows[0].pending), ((Some(2.0), 2), 0));
    assert_eq!((mae(&windows[1]), windows[1].pending), ((None, 0), 1));
    let quality = "millwright_gateway_window_quality";
    assert_eq!(client.metric(&gateway, quality, "\"mae\"").await, 2.0);
    let pending = client
        .metric(&gateway, "millwright_gateway_pending_rows", "")
        .await;
    assert_eq!(pending, 1.0);
}

#[tokio::test]
async fn feedback_right_behind_the_response_finds_its_prediction() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    let x: Vec<f64> = (0..2000).map(|x| f64::from(x % 100)).collect();
    let mut options = vec![];
    for request in 0..100 {
        let id = request.to_string();
        client.infer(&gateway, &rows(Some(&id), &x[..900])).await;
        let answer = client.feedback(&gateway, &id, json!(x[..900])).await;
        options.push(answer.status);
    }
    assert_eq!(options, [200; 100]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    client.infer(&gateway, &rows(Some("a"), &[1.0, 2.0])).await;
    let answer = client.feedback(&gateway, "a", json!([1])).await;
    assert_eq!(answer.status, 400);
    let message = answer.error();
    assert!(
        message.contains("1 entries") && message.contains("2 rows"),
        "{message}"
    );
    let answer = client.feedback(&gateway, "a", json!([1, "late"])).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.error().contains("labels[1] is a text"),
        "{}",
        answer.error()
    );
    let answer = client
        .post(gateway.admin, "/v2/models/m/feedback", "{")
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("\"labels\""));
    // Null: no label will come for that row.
    let answer = client.feedback(&gateway, "a", json!([null, 4])).await;
    assert_eq!(answer.json(), json!({"joined": 1}));
    let windows = client.profile(&gateway).await.windows;
    assert_eq!((mae(&windows[0]), windows[0].pending), ((Some(0.0), 1), 0));
    let answer = client.feedback(&gateway, "a", json!([1, 2])).await;
    assert_eq!(answer.status, 409);
    let outcome = "millwright_gateway_feedback_total";
    assert_eq!(client.metric(&gateway, outcome, "invalid").await, 3.0);
    assert_eq!(client.metric(&gateway, outcome, "duplicate").await, 1.0);
}

#[tokio::test]
async fn an_unknown_id_says_how_long_ids_are_kept() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    let answer = client.feedback(&gateway, "never", json!([1])).await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.error().contains("3600 s after their window"),
        "{}",
        answer.error()
    );
    client.infer(&gateway, &rows(Some("a"), &[1.0])).await;
    let body = json!({"id": "a", "labels": [1]}).to_string();
    let answer = client
        .post(gateway.admin, "/v2/models/other/feedback", body)
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn predictions_wait_until_their_horizon() {
    let (_server, clock, gateway) = simple().await;
    let client = TestClient::new();
    client.infer(&gateway, &rows(Some("a"), &[1.0])).await;
    client.infer(&gateway, &rows(Some("b"), &[1.0])).await;
    clock.set(START + WINDOW + 3599);
    assert_eq!(client.feedback(&gateway, "a", json!([1])).await.status, 200);
    clock.set(START + WINDOW + 3600);
    assert_eq!(client.feedback(&gateway, "b", json!([1])).await.status, 404);
    assert_eq!(client.profile(&gateway).await.windows[0].pending, 0);
    let dropped = "millwright_gateway_pending_dropped_rows_total";
    assert_eq!(client.metric(&gateway, dropped, "horizon").await, 1.0);
}

#[tokio::test]
async fn the_oldest_predictions_go_when_too_many_wait() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    options.task.max_pending = 5;
    let gateway = start(options).await;
    let client = TestClient::new();
    for id in ["a", "b", "c"] {
        client.infer(&gateway, &rows(Some(id), &[1.0, 2.0])).await;
    }
    // A client has its answer before the profiler has seen it; this waits for the profiler.
    client.profile(&gateway).await;
    let status = async |id| client.feedback(&gateway, id, json!([1, 2])).await.status;
    assert_eq!(
        [status("a").await, status("b").await, status("c").await],
        [404, 200, 200]
    );
    let dropped = "millwright_gateway_pending_dropped_rows_total";
    assert_eq!(client.metric(&gateway, dropped, "limit").await, 2.0);
}

#[tokio::test]
async fn classes_are_compared_by_name() {
    let server = Server::start().await;
    let mut options = Options::new(&server, &TestClock::new());
    options.task.task = Task::Classification;
    let gateway = start(options).await;
    let client = TestClient::new();
    let body = rows(Some("a"), &[1.0, 9.0, 2.0]).to_string();
    client
        .post(gateway.traffic, "/v2/models/classes/infer", body)
        .await;
    let feedback = json!({"id": "a", "labels": ["low", "high", "high"]}).to_string();
    let answer = client
        .post(gateway.admin, "/v2/models/classes/feedback", feedback)
        .await;
    assert_eq!(answer.json(), json!({"joined": 3}));
    let windows = client.profile(&gateway).await.windows;
    let Quality::Classification(quality) = &windows[0].quality else {
        panic!("the task is a classification");
    };
    assert_eq!(quality.accuracy(), Some(2.0 / 3.0));
    assert_eq!(quality.class("low").precision(), Some(0.5));
}

/// Two gateways of a stage that know each other.
async fn pair(server: &Server) -> [Running; 2] {
    let peers = Peers::default();
    let clock = TestClock::new();
    let mut gateways = vec![];
    for (host, pod_uid) in [([127, 0, 0, 1], "uid-1"), ([127, 0, 0, 2], "uid-2")] {
        let options = Options {
            host,
            pod_uid,
            peers: peers.clone(),
            ..Options::new(server, &clock)
        };
        gateways.push(start(options).await);
    }
    peers.set(gateways.iter().map(|gateway| gateway.admin).collect());
    gateways.try_into().ok().unwrap()
}

#[tokio::test]
async fn a_peer_that_made_the_prediction_gets_its_labels() {
    let server = Server::start().await;
    let [first, second] = pair(&server).await;
    let client = TestClient::new();
    client.infer(&first, &rows(Some("a"), &[1.0, 2.0])).await;
    let answer = client.feedback(&second, "a", json!([1])).await;
    assert_eq!(answer.status, 400);
    let answer = client.feedback(&second, "a", json!([3, 5])).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"joined": 2})));
    assert_eq!(
        mae(&client.profile(&first).await.windows[0]),
        (Some(1.0), 2)
    );
    assert!(client.profile(&second).await.windows.is_empty());
    assert_eq!(
        client.feedback(&second, "a", json!([3, 5])).await.status,
        409
    );
    assert_eq!(
        client.feedback(&first, "a", json!([3, 5])).await.status,
        409
    );
    let answer = client.feedback(&second, "b", json!([3, 5])).await;
    assert_eq!(answer.status, 404);
    assert!(answer.error().contains("at 1 peers"), "{}", answer.error());
}

#[tokio::test]
async fn a_peer_that_is_away_may_know_the_id() {
    let server = Server::start().await;
    let [first, mut second] = pair(&server).await;
    second.stop.take();
    second.served.await.unwrap();
    let answer = TestClient::new().feedback(&first, "a", json!([1])).await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.error().contains(&second.admin.to_string()),
        "{}",
        answer.error()
    );
}

#[tokio::test]
async fn only_gateways_of_the_stage_may_pass_feedback_on() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    client.infer(&gateway, &rows(Some("a"), &[1.0])).await;
    let body = json!({"model": "m", "id": "a", "labels": [1]}).to_string();
    let answer = client.post(gateway.admin, "/peer/feedback", body).await;
    assert_eq!(answer.status, 404);
    assert_eq!(client.profile(&gateway).await.windows[0].pending, 1);
}
