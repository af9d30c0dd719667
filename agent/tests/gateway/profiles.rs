//! Windows and profiles.

use std::io::Read;

use drift::profile::ColumnProfile;
use hyper::Method;
use millwright_crds::wire::{self, serving::GatewayProfile};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn missing_values_are_counted_and_odd_tensors_skipped() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    let body = json!({"inputs": [
        {"name": "x", "datatype": "FP64", "shape": [4, 1], "data": [[1.0], [null], [3], [null]]},
        {"name": "airport", "datatype": "BYTES", "shape": [4], "data": ["JFK", null, "LAX", "JFK"]},
        {"name": "image", "datatype": "UINT8", "shape": [4, 2], "data": [0, 0, 0, 0, 0, 0, 0, 0]},
        {"name": "unknown", "datatype": "INT32", "shape": [4], "data": [1, 2, 3, 4]},
    ]});
    // The server's model doubles flat columns only.
    let mut flat = body.clone();
    flat["inputs"][0]["data"] = json!([1.0, null, 3, null]);
    client.infer(&gateway, &flat).await;

    let profile = client.profile(&gateway).await;
    assert_eq!(profile.pod_uid, "uid-1");
    assert_eq!(
        (profile.windows[0].start, profile.windows[0].rows),
        (START, 4)
    );
    let inputs = profile.windows[0].inputs.as_ref().unwrap();
    let ColumnProfile::Numeric(x) = inputs.column("x").unwrap() else {
        panic!("x is numeric");
    };
    assert_eq!((x.count(), x.nulls()), (2, 2));
    let ColumnProfile::Categorical(airport) = inputs.column("airport").unwrap() else {
        panic!("airport is categorical");
    };
    assert_eq!(
        (airport.counts()["JFK"], airport.other(), airport.nulls()),
        (2, 1, 1)
    );
    let predictions = profile.windows[0].predictions.as_ref().unwrap();
    let ColumnProfile::Numeric(predictions) = predictions.column("prediction").unwrap() else {
        panic!("predictions are numeric");
    };
    assert_eq!((predictions.count(), predictions.nulls()), (2, 2));
    let name = "millwright_gateway_skipped_tensors_total";
    assert_eq!(client.metric(&gateway, name, "shape").await, 1.0);
    assert_eq!(client.metric(&gateway, name, "column").await, 1.0);
}

#[tokio::test]
async fn truths_may_be_numbers() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    for (datatype, data) in [
        ("BOOL", json!([true, false, true])),
        ("FP32", json!([1.0, 0.0, 1.0])),
        ("INT64", json!([1, 0, 2])),
        ("BYTES", json!(["true", "false", "maybe"])),
    ] {
        let mut body = rows(None, &[1.0, 2.0, 3.0]);
        let holiday = json!({"name": "holiday", "datatype": datatype, "shape": [3], "data": data});
        body["inputs"].as_array_mut().unwrap().push(holiday);
        client.infer(&gateway, &body).await;
    }
    let profile = client.profile(&gateway).await;
    let inputs = profile.windows[0].inputs.as_ref().unwrap();
    let ColumnProfile::Categorical(holiday) = inputs.column("holiday").unwrap() else {
        panic!("holiday is categorical");
    };
    let counts = (
        holiday.counts()["true"],
        holiday.counts()["false"],
        holiday.other(),
    );
    assert_eq!(counts, (6, 4, 2));
}

/// The operator asks for the reference again and again.
#[tokio::test]
async fn the_reference_is_told_without_sketches() {
    let (_server, _, gateway) = simple().await;
    let profile = TestClient::new().profile(&gateway).await;
    let told = profile.reference.unwrap();
    let reference = references().inputs.unwrap();
    for (name, column) in told.columns() {
        let sketches = match column {
            ColumnProfile::Numeric(numeric) => numeric.sketches().is_some(),
            ColumnProfile::Categorical(categorical) => categorical.sketches().is_some(),
        };
        assert!(!sketches, "{name}");
        assert_eq!(column.count(), reference.column(name).unwrap().count());
    }
}

#[tokio::test]
async fn windows_begin_at_multiples_of_their_length_and_old_ones_go() {
    let (_server, clock, gateway) = simple().await;
    let client = TestClient::new();
    // The last second of a window, the first of the next, a gap, and two more.
    for (time, x) in [(59, 1), (60, 2), (300, 3), (360, 4)] {
        clock.set(START + time);
        let x: Vec<f64> = (0..x).map(f64::from).collect();
        client.infer(&gateway, &rows(None, &x)).await;
    }
    let windows = client.profile(&gateway).await.windows;
    let seen: Vec<_> = windows
        .iter()
        .map(|w| (w.start - START, w.rows, seen(w)))
        .collect();
    assert_eq!(seen, [(60, 2, 2), (300, 3, 3), (360, 4, 4)]);
}

#[tokio::test]
async fn profiles_of_two_gateways_add_up_to_that_of_one() {
    let server = Server::start().await;
    let clock = TestClock::new();
    let one = start(Options::new(&server, &clock)).await;
    let left = start(Options::new(&server, &clock)).await;
    let right = start(Options::new(&server, &clock)).await;
    let client = TestClient::new();
    for request in 0..40 {
        let x: Vec<f64> = (0..5)
            .map(|row| f64::from((request * 7 + row * 13) % 110))
            .collect();
        let id = request.to_string();
        let body = rows(Some(&id), &x);
        let labels: Value = x.iter().map(|x| json!(x * 2.0 + 1.0)).collect();
        let half = if request % 2 == 0 { &left } else { &right };
        for gateway in [&one, half] {
            client.infer(gateway, &body).await;
            let answer = client.feedback(gateway, &id, labels.clone()).await;
            assert_eq!(answer.status, 200);
        }
    }
    let [one, left, right] = [&one, &left, &right].map(|gateway| client.profile(gateway));
    let (one, left, right) = tokio::join!(one, left, right);
    let (one, left, right) = (&one.windows[0], &left.windows[0], &right.windows[0]);
    assert_eq!(one.rows, left.rows + right.rows);
    let mut merged = left.inputs.clone().unwrap();
    merged.merge(right.inputs.as_ref().unwrap()).unwrap();
    let reference = references().inputs.unwrap();
    let reference = reference.column("x").unwrap();
    let whole = one.inputs.as_ref().unwrap().column("x").unwrap();
    let merged = merged.column("x").unwrap();
    assert_eq!(
        reference.paired_counts(whole).unwrap(),
        reference.paired_counts(merged).unwrap()
    );
    assert_eq!(reference.psi(whole), reference.psi(merged));
    let labels = |window| mae(window).1;
    assert_eq!(labels(one), labels(left) + labels(right));
    assert_eq!(mae(left).0, Some(1.0));
}

#[tokio::test]
async fn the_profile_is_compressed_on_request() {
    let (_server, _, gateway) = simple().await;
    let client = TestClient::new();
    client.infer(&gateway, &rows(None, &[1.0])).await;
    let mut request = request(Method::GET, gateway.admin, "/profile", "");
    request
        .headers_mut()
        .insert("accept-encoding", "gzip".parse().unwrap());
    let answer = client.send(request).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut plain = vec![];
    flate2::read::GzDecoder::new(&*answer.body)
        .read_to_end(&mut plain)
        .unwrap();
    let profile: GatewayProfile = wire::read(&plain).unwrap();
    assert_eq!(profile, client.profile(&gateway).await);
    assert!(profile.reference.is_some() && profile.reference_predictions.is_some());
}
