//! What the gateway adds to a request's time.
//!
//! A server answers inferences of 100 rows with 12 columns after a fixed time, as a model of that
//! speed would. Clients send each request twice, to the server and through the gateway, in
//! alternating order, so that whatever else the machine does meets both alike.
//!
//! ```text
//! cargo run --release -p millwright-agent --example gateway_load -- REQUESTS CLIENTS MODEL_MS
//! ```

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use agent::gateway::{Config, Gateway, Limits, References};
use anyhow::{Context, ensure};
use axum::{Router, routing::post};
use bytes::Bytes;
use drift::profile::ReferenceBuilder;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use millwright_crds::{
    model_deployment::{Protocol, Task},
    wire::serving::GatewayTask,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ROWS: usize = 100;
const NUMBERS: [&str; 9] = [
    "distance", "minute", "day", "temp", "dewp", "humid", "wind", "gust", "visib",
];
const TEXTS: [&str; 3] = ["carrier", "origin", "dest"];
const PATH: &str = "/v2/models/m/infer";
/// Requests that are not measured: connections, caches, the allocator.
const WARM_UP: usize = 200;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| -> anyhow::Result<usize> {
        arguments.next().map_or(Ok(default), |text| {
            text.parse()
                .with_context(|| format!("`{text}` is no number"))
        })
    };
    let (requests, clients, model) = (number(4000)?, number(4)?, number(5)?);
    let server = serve(Duration::from_millis(model as u64)).await?;
    let (traffic, admin) = gateway(server.port()).await?;

    let workers = (0..clients).map(|_| tokio::spawn(measure(server, traffic, requests / clients)));
    let mut direct = vec![];
    let mut through = vec![];
    for worker in workers.collect::<Vec<_>>() {
        let (one, other) = worker.await??;
        direct.extend(one);
        through.extend(other);
    }
    direct.sort_unstable();
    through.sort_unstable();
    println!(
        "{} requests each, {clients} clients, {ROWS} rows of {} columns, model {model} ms",
        direct.len(),
        NUMBERS.len() + TEXTS.len()
    );
    println!(
        "{:>5} {:>12} {:>12} {:>12} {:>7}",
        "", "server ms", "gateway ms", "added ms", "ratio"
    );
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        let at = |times: &[Duration]| {
            times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
        };
        let (one, other) = (at(&direct), at(&through));
        println!(
            "{name:>5} {one:>12.3} {other:>12.3} {:>12.3} {:>7.3}",
            other - one,
            other / one
        );
    }
    let text = metrics(admin).await?;
    for name in ["rows_total", "dropped_requests_total"] {
        for line in text
            .lines()
            .filter(|line| line.starts_with(&format!("millwright_gateway_{name}")))
        {
            println!("{line}");
        }
    }
    Ok(())
}

async fn metrics(admin: SocketAddr) -> anyhow::Result<String> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .get(format!("http://{admin}/metrics").parse()?)
        .await?;
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec())?)
}

/// Times of the same requests to the server and through the gateway.
async fn measure(
    server: SocketAddr,
    gateway: SocketAddr,
    requests: usize,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let mut times = [vec![], vec![]];
    for number in 0..WARM_UP + requests {
        let body = Bytes::from(request(&format!("request-{number}")).to_string());
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for to in order {
            let address = [server, gateway][to];
            let request = Request::post(format!("http://{address}{PATH}"))
                .header("content-type", "application/json")
                .body(Full::new(body.clone()))?;
            let begun = Instant::now();
            let response = client.request(request).await?;
            ensure!(response.status().is_success(), "{}", response.status());
            response.into_body().collect().await?;
            if number >= WARM_UP {
                times[to].push(begun.elapsed());
            }
        }
    }
    let [direct, through] = times;
    Ok((direct, through))
}

fn request(id: &str) -> Value {
    let numbers = NUMBERS.iter().map(|name| {
        let data: Vec<f64> = (0..ROWS).map(|row| (row * 37 % 100) as f64 / 4.0).collect();
        json!({"name": name, "datatype": "FP64", "shape": [ROWS], "data": data})
    });
    let texts = TEXTS.iter().map(|name| {
        let data: Vec<&str> = (0..ROWS).map(|row| ["UA", "AA", "B6"][row % 3]).collect();
        json!({"name": name, "datatype": "BYTES", "shape": [ROWS], "data": data})
    });
    json!({"id": id, "inputs": numbers.chain(texts).collect::<Vec<_>>()})
}

/// A server that answers each inference after `time`.
async fn serve(time: Duration) -> anyhow::Result<SocketAddr> {
    let predictions: Vec<f64> = (0..ROWS).map(|row| row as f64 + 0.25).collect();
    let answer = json!({"model_name": "m", "outputs": [
        {"name": "predict", "datatype": "FP64", "shape": [ROWS, 1], "data": predictions},
    ]});
    let answer: Arc<str> = answer.to_string().into();
    let infer = move |_: Bytes| async move {
        tokio::time::sleep(time).await;
        answer.to_string()
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route(PATH, post(infer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// A gateway in front of the server, with a reference of all columns.
async fn gateway(port: u16) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let mut inputs = ReferenceBuilder::default();
    for name in NUMBERS {
        let values: Vec<f64> = (0..1000).map(|value| f64::from(value % 25)).collect();
        inputs.observe_numeric(name, &values)?;
    }
    for name in TEXTS {
        inputs.observe_categorical(name, ["UA", "AA", "DL"])?;
    }
    let task = GatewayTask {
        v: 1,
        deployment: "load".into(),
        stage: "production".into(),
        model: "m".into(),
        version: 1,
        digest: String::new(),
        protocol: Protocol::OpenInference,
        port,
        task: Task::Regression,
        window_seconds: 60,
        retain: 12,
        horizon_seconds: 3600,
        max_pending: 100_000,
        peers: "load".into(),
        drain_seconds: 0,
    };
    let config = Config {
        task,
        pod_uid: "load".into(),
        traffic: (Ipv4Addr::LOCALHOST, 0).into(),
        admin: (Ipv4Addr::LOCALHOST, 0).into(),
        references: References {
            inputs: Some(inputs.finish()?),
            predictions: None,
        },
        peers: Arc::new(|| Box::pin(async { Ok(vec![]) })),
        clock: Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |time| time.as_secs())
        }),
        limits: Limits::default(),
    };
    let gateway = Gateway::bind(config).await?;
    let addresses = gateway.addresses()?;
    tokio::spawn(gateway.serve(std::future::pending()));
    Ok(addresses)
}
