//! New versions come and go under traffic.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use k8s_openapi::api::core::v1::Service;
use kube::core::object::HasStatus;
use millwright_crds::{
    ModelDeployment,
    model_deployment::{ModelDeploymentPhase, StageStatus},
    training_job::TrainingJobPhase,
};
use millwright_e2e::{http::Http, scene::Scene};
use serde_json::{Value, json};

use crate::{
    traffic::Traffic,
    trainer::{self, MODEL, run},
    world::World,
};

/// Longest time for a rollout, with its rollback.
const ROLLOUT: Duration = Duration::from_secs(180);

/// Predictions that get labels: that all of them meet their replica by chance is out of the question.
const LABELS: usize = 30;

/// A model server that answers every inference with the text of its model, and never gets ready when
/// that is `broken`.
const SERVER: &str = "
import http.server, json

KIND = open('/mnt/models/model.txt').read()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.answer(503 if KIND == 'broken' else 200, {})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        output = {'name': 'kind', 'shape': [1], 'datatype': 'BYTES', 'data': [KIND]}
        self.answer(200, {'model_name': 'small', 'id': request.get('id'), 'outputs': [output]})

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

Server(('', 8080), Handler).serve_forever()
";

pub async fn a_model_that_never_gets_ready_costs_no_request(world: &World) -> Result<()> {
    let scene = world.scene("rollout").await?;
    register(&scene, "good").await?;
    scene.apply_documents(&[deployment()]).await?;
    stage(&scene, "v1 serves", |stage| serves(stage, 1)).await?;
    let service: Service = scene.get("small-serving").await?;
    let address = service.spec.and_then(|spec| spec.cluster_ip);
    let address = address.context("the stage's Service has no address")?;
    labels_find_their_predictions(&address).await?;
    let traffic = Traffic::start(&format!("http://{address}/v2/models/small/infer"));

    register(&scene, "broken").await?;
    let back = stage(&scene, "v2 is taken back", |stage| {
        let back = stage.last_rollback.as_ref();
        back.is_some_and(|back| back.version == 2) && stage.next.is_none()
    })
    .await;
    let returned = stage(&scene, "v1 serves again", |stage| serves(stage, 1)).await;
    register(&scene, "better").await?;
    let promoted = stage(&scene, "v3 serves", |stage| serves(stage, 3)).await;
    // The end of the old pods belongs to it.
    let settled = scene
        .wait(
            "small",
            "it is healthy",
            ROLLOUT,
            |deployment: &ModelDeployment| {
                let phase = deployment.status().map(|status| status.phase);
                (phase == Some(ModelDeploymentPhase::Healthy)).then_some(())
            },
        )
        .await;

    let report = traffic.stop().await;
    let back = back?.last_rollback.context("no rollback")?;
    returned?;
    promoted?;
    settled?;
    ensure!(back.reason == "Unavailable", "{back:?}");
    ensure!(report.failures.is_empty(), "{report:#?}");
    let kinds: Vec<_> = report.answers.keys().map(String::as_str).collect();
    ensure!(
        kinds == ["better", "good"] && report.answered() > 100,
        "{report:#?}"
    );
    eprintln!(
        "{} requests answered, none failed: {:?}",
        report.answered(),
        report.answers
    );
    scene.close().await
}

/// Labels come to any replica, and are joined where the prediction was made.
async fn labels_find_their_predictions(address: &str) -> Result<()> {
    for number in 0..LABELS {
        let id = format!("request-{number}");
        let request = json!({"id": id, "inputs": [
            {"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]},
        ]});
        let feedback = json!({"id": id, "labels": ["good"]});
        for (path, body, wanted) in [
            ("/v2/models/small/infer", request, "good"),
            (
                ":9001/v2/models/small/feedback",
                feedback,
                r#"{"joined":1}"#,
            ),
        ] {
            // A new connection may go to the other replica.
            let (status, said) = Http::default()
                .post(&format!("http://{address}{path}"), &body)
                .await?;
            ensure!(
                status == StatusCode::OK && said.contains(wanted),
                "{id}{path}: {status} {said}"
            );
        }
    }
    Ok(())
}

/// Registers a model of this kind.
async fn register(scene: &Scene, kind: &str) -> Result<()> {
    let spec = json!({"model": "small", "parameters": {"kind": kind}});
    scene.apply_documents(&[run(kind, MODEL, &spec)]).await?;
    let what = format!("the {kind} model is registered");
    let ended = |phase| matches!(phase, TrainingJobPhase::Succeeded);
    trainer::status(scene, kind, &what, |status| ended(status.phase)).await?;
    Ok(())
}

/// A deployment of the model `small` in one stage.
pub fn deployment() -> Value {
    let server = trainer::pod(
        "server",
        json!({
            "command": ["python3", "-c", SERVER],
            "ports": [{"name": "model", "containerPort": 8080}],
            "readinessProbe": {
                "httpGet": {"path": "/v2/health/ready", "port": 8080}, "periodSeconds": 1,
            },
        }),
    );
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "ModelDeployment",
        "metadata": {"name": "small"},
        "spec": {
            "model": {"name": "small", "track": "Latest"},
            "server": {"protocol": "OpenInference", "port": 8080, "template": {"spec": server}},
            "stages": [{"name": "serving", "replicas": 2, "rollback": {"onUnavailable": "20s"}}],
            "monitoring": {"task": "Classification"},
        },
    })
}

/// Waits until the stage is as it should be.
async fn stage(
    scene: &Scene,
    what: &str,
    is_right: impl Fn(&StageStatus) -> bool,
) -> Result<StageStatus> {
    let look = |deployment: &ModelDeployment| {
        let stage = deployment.status()?.stages.first()?;
        is_right(stage).then(|| stage.clone())
    };
    scene.wait("small", what, ROLLOUT, look).await
}

/// Whether a stage serves this version and no other is on its way.
fn serves(stage: &StageStatus, version: u32) -> bool {
    let current = stage.current.as_ref().map(|current| current.version);
    let coming = stage
        .next
        .as_ref()
        .is_some_and(|next| next.version != version && next.version != 2);
    current == Some(version) && !coming
}
