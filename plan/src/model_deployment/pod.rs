//! The serving pod: the user's server, the model in front of it, and the gateway.
//!
//! No request is lost when pods are replaced. A pod is ready when its server and its gateway are,
//! and the gateway's probe asks the server; an old pod goes only when a new one is ready (the
//! Deployment's `maxUnavailable: 0`). When a pod goes, the server's preStop hook asks the gateway to
//! drain: it answers on, until every node has learnt that the pod is gone, and lets clients go that
//! keep their connections. Then the server gets its SIGTERM, and when it has ended the gateway, as
//! a native sidecar, gets its own. A server that has a preStop hook of its own keeps it, and the
//! hook of the gateway's container does the asking: the kubelet runs all hooks at once.

use k8s_openapi::{
    api::core::v1::{
        Container, ContainerPort, HTTPGetAction, LifecycleHandler, PodTemplateSpec, Probe,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use millwright_crds::{
    ModelDeployment, ModelVersion,
    wire::{
        attempt::{FetchItem, FetchTask},
        contract::{
            ADMIN_PORT, ENV_MODEL_DIR, GATEWAY_PORT, REFERENCE_DIR, SERVING_MODEL_DIR, key,
        },
        serving::GatewayTask,
    },
};

use super::{LABEL_REVISION, LABEL_VERSION, names, revision::Revision, target::Version};
use crate::{
    Settings, SpecError,
    names::hash8,
    pod::{
        agent::{self, FETCH, GATEWAY},
        inject::{self, Owner},
        mounts::Wanted,
        template::{self, Decoded},
    },
};

/// Name of the container that the template is for.
const CONTAINER: &str = "server";
/// Field of the template.
const FIELD: &str = "spec.server.template";
/// Volume with the model.
const MODEL_VOLUME: &str = "millwright-model";
/// Volume with the reference profiles.
const REFERENCE_VOLUME: &str = "millwright-reference";
/// Path on the gateway's admin port that drains it.
const DRAIN_PATH: &str = "/drain";
/// Seconds that a pod answers on after its end was decided: kube-proxy writes its rules at least
/// every second, other proxies take a little longer.
const DRAIN_SECONDS: u64 = 5;
/// Seconds that the gateway takes from the pod's grace: a drain takes at most twice its time, and
/// the gateway ends after the server.
const GATEWAY_GRACE: i64 = 15;
/// Kubernetes' default for `terminationGracePeriodSeconds`.
const DEFAULT_GRACE: i64 = 30;
/// Most bytes of a pod: the Deployment carries it twice beside itself, and annotations may take
/// 256 KiB together.
const TEMPLATE_LIMIT: usize = 100_000;

/// Makes the pods of a deployment.
pub(super) struct Pods<'a> {
    object: &'a ModelDeployment,
    versions: &'a [ModelVersion],
    settings: &'a Settings,
    owner: Owner,
    decoded: Decoded,
}

impl<'a> Pods<'a> {
    /// Reads the user's template.
    ///
    /// # Errors
    /// When it can't work; the error names the field.
    pub fn new(
        object: &'a ModelDeployment,
        versions: &'a [ModelVersion],
        settings: &'a Settings,
    ) -> Result<Self, SpecError> {
        let mut decoded = template::decode(&object.spec.server.template, FIELD, CONTAINER)?;
        check(&mut decoded)?;
        let bytes = object.spec.server.template.0.to_string().len();
        if bytes > TEMPLATE_LIMIT {
            return Err(SpecError::new(
                FIELD,
                format!(
                    "has {bytes} bytes, at most {TEMPLATE_LIMIT} are allowed: move large values \
                     to a ConfigMap"
                ),
            ));
        }
        Ok(Self {
            object,
            versions,
            settings,
            owner: Owner::of(object),
            decoded,
        })
    }

    /// Hash of what the pods of a version are made from, the same in every stage.
    pub fn revision(&self, version: &Version) -> String {
        // A template is made of strings and whole numbers, so it always has a JSON form.
        let template = self.template("", version);
        hash8(&serde_json::to_string(&template).unwrap_or_default())
    }

    /// What the pods of a version in a stage are made from.
    pub fn make(&self, stage: &str, version: &Version) -> Revision {
        let revision = self.revision(version);
        let mut template = self.template(stage, version);
        let labels = template
            .metadata
            .get_or_insert_default()
            .labels
            .get_or_insert_default();
        labels.extend(self.owner.labels(super::SERVING));
        labels.extend(names::selector(&self.owner, stage));
        labels.insert(LABEL_VERSION.into(), version.number.to_string());
        labels.insert(LABEL_REVISION.into(), revision.clone());
        Revision {
            version: version.number,
            digest: version.digest.clone(),
            revision,
            template,
        }
    }

    fn template(&self, stage: &str, version: &Version) -> PodTemplateSpec {
        let mut decoded = self.decoded.clone();
        let server = decoded.container();
        complete(server);
        let own_hook = server
            .lifecycle
            .as_ref()
            .is_some_and(|lifecycle| lifecycle.pre_stop.is_some());
        let mut gateway = self.gateway(stage, version);
        let asks = if own_hook { &mut gateway } else { server };
        asks.lifecycle.get_or_insert_default().pre_stop = Some(LifecycleHandler {
            http_get: Some(http(DRAIN_PATH)),
            ..LifecycleHandler::default()
        });
        let init = vec![self.fetch(version), gateway];
        let spec = decoded.spec();
        inject::prepend_init(spec, init);
        let volumes = spec.volumes.get_or_insert_default();
        volumes.extend([
            agent::scratch(MODEL_VOLUME),
            agent::scratch(REFERENCE_VOLUME),
        ]);
        volumes.extend(self.settings.store.volume());
        // The grace that the user gave is the server's, after its SIGTERM.
        let grace = spec
            .termination_grace_period_seconds
            .unwrap_or(DEFAULT_GRACE);
        spec.termination_grace_period_seconds = Some(grace.saturating_add(GATEWAY_GRACE));
        inject::pod_defaults(spec);
        decoded.template
    }

    fn fetch(&self, version: &Version) -> Container {
        let model = &self.object.spec.model.name;
        let document = |what: &str, key: String, file: &str| FetchItem {
            what: format!("{what} of {model} {version}"),
            digest: None,
            key: Some(key),
            path: format!("{REFERENCE_DIR}/{file}"),
            optional: true,
        };
        let namespace = &self.owner.namespace;
        let profile = version
            .record(self.versions)
            .and_then(|record| record.spec.profile.clone())
            .unwrap_or_else(|| key::model_profile(namespace, model, &version.digest));
        let predictions = key::model_predictions(namespace, model, &version.digest);
        let task = FetchTask {
            v: 1,
            install_agent: false,
            parameters: None,
            items: vec![
                FetchItem {
                    what: format!("model {model} {version}"),
                    digest: Some(version.digest.clone()),
                    key: None,
                    path: SERVING_MODEL_DIR.into(),
                    optional: false,
                },
                document("the training's profile", profile, "profile.bin"),
                document("the predictions' profile", predictions, "predictions.bin"),
            ],
        };
        let mut container = agent::container(FETCH, &["fetch"], self.settings, namespace);
        let env = container.env.get_or_insert_default();
        env.extend(self.settings.store.env());
        env.push(agent::task_env(&task));
        agent::use_store(&mut container, self.settings, true);
        container.volume_mounts.get_or_insert_default().extend([
            agent::mount(MODEL_VOLUME, SERVING_MODEL_DIR, false),
            agent::mount(REFERENCE_VOLUME, REFERENCE_DIR, false),
        ]);
        container
    }

    fn gateway(&self, stage: &str, version: &Version) -> Container {
        let spec = &self.object.spec;
        let monitoring = &spec.monitoring;
        let owner = &self.owner;
        let task = GatewayTask {
            v: 1,
            deployment: owner.name.clone(),
            stage: stage.into(),
            model: spec.model.name.clone(),
            version: version.number,
            digest: version.digest.clone(),
            protocol: spec.server.protocol,
            port: spec.server.port,
            task: monitoring.task,
            window_seconds: monitoring.window.as_secs(),
            retain: monitoring.retain,
            horizon_seconds: monitoring.feedback.horizon.as_secs(),
            max_pending: monitoring.feedback.max_pending,
            peers: format!(
                "{}.{}.svc",
                names::peers(&owner.name, stage),
                owner.namespace
            ),
            drain_seconds: DRAIN_SECONDS,
        };
        let port = |name: &str, number: u16| ContainerPort {
            name: Some(name.into()),
            container_port: i32::from(number),
            ..ContainerPort::default()
        };
        let mut container =
            agent::container(GATEWAY, &["gateway"], self.settings, &owner.namespace);
        container.restart_policy = Some("Always".into());
        container
            .env
            .get_or_insert_default()
            .push(agent::task_env(&task));
        container.ports = Some(vec![
            port("gateway", GATEWAY_PORT),
            port("gateway-admin", ADMIN_PORT),
        ]);
        container.volume_mounts = Some(vec![agent::mount(REFERENCE_VOLUME, REFERENCE_DIR, true)]);
        container.readiness_probe = Some(Probe {
            timeout_seconds: Some(5),
            failure_threshold: Some(3),
            ..probe("/readyz", 2)
        });
        container.liveness_probe = Some(Probe {
            timeout_seconds: Some(5),
            failure_threshold: Some(6),
            ..probe("/healthz", 10)
        });
        container
    }
}

/// Gives the server its model.
fn complete(server: &mut Container) {
    inject::add_env(server, vec![agent::env(ENV_MODEL_DIR, SERVING_MODEL_DIR)]);
    server
        .volume_mounts
        .get_or_insert_default()
        .push(agent::mount(MODEL_VOLUME, SERVING_MODEL_DIR, true));
    server
        .termination_message_policy
        .get_or_insert_with(|| "FallbackToLogsOnError".into());
}

/// Refuses what would clash with what we add.
fn check(decoded: &mut Decoded) -> Result<(), SpecError> {
    let spec = decoded.spec();
    if let Some(policy) = &spec.restart_policy
        && policy != "Always"
    {
        return Err(SpecError::new(
            format!("{FIELD}.spec.restartPolicy"),
            format!("is {policy}, but a server is always started again: leave it out"),
        ));
    }
    let model = Wanted {
        field: "the model".into(),
        path: SERVING_MODEL_DIR,
    };
    decoded.check_mounts(&[model])
}

fn http(path: &str) -> HTTPGetAction {
    HTTPGetAction {
        path: Some(path.into()),
        port: IntOrString::Int(i32::from(ADMIN_PORT)),
        ..HTTPGetAction::default()
    }
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(http(path)),
        period_seconds: Some(period_seconds),
        ..Probe::default()
    }
}
