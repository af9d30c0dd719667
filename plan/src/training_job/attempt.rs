//! The Job of an attempt: the user's pod, with the data before it, the agent as its PID 1 and a
//! sidecar that holds the store apart from it.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerPort, EnvVar, PodTemplateSpec, VolumeMount},
};
use millwright_crds::{
    ANNOTATION_RESOLVED, LABEL_MODEL, TrainingJob,
    training_job::ResolvedInput,
    wire::{
        attempt::{ExecTask, FetchItem, FetchTask, RunTask},
        contract,
    },
};

use super::{EVALUATION_INPUT, TRAINING, inputs, job};
use crate::{
    Settings, SpecError,
    pod::{
        agent::{self, BIN_VOLUME, PARAMS_VOLUME, RUN_VOLUME},
        inject::{self, Owner},
        mounts::Wanted,
        template,
    },
};

/// Volume with the inputs, one folder each.
const INPUTS_VOLUME: &str = "millwright-inputs";
/// Volume that the trainer writes the model to.
const MODEL_VOLUME: &str = "millwright-model";
/// Profile of the training input, as its sync made it.
const PROFILE: &str = "/millwright/run/input-profile.bin";
/// Seconds that a pod lives on after the trainer was killed, for the agent to say so.
const GRACE_MARGIN: u64 = 15;

/// The Job of attempt `attempt` with these inputs.
///
/// # Errors
/// When the template can't work; the error names the field.
pub fn build(
    run: &TrainingJob,
    attempt: u32,
    resolved: &[ResolvedInput],
    settings: &Settings,
) -> Result<Job, SpecError> {
    let spec = &run.spec;
    let owner = Owner::of(run);
    let mut decoded = template::decode(&spec.template, "spec.template", "trainer")?;
    inject::wrap_command(&mut decoded, "exec")?;
    inject::substitute_parameters(&mut decoded, &spec.parameters)?;

    let paths: Vec<String> = spec.inputs.iter().map(|input| input.path()).collect();
    let mut wanted = vec![Wanted {
        field: "spec.output.path".into(),
        path: &spec.output.path,
    }];
    wanted.extend(paths.iter().enumerate().map(|(index, path)| Wanted {
        field: format!("spec.inputs[{index}].path"),
        path,
    }));
    decoded.check_mounts(&wanted)?;
    let input_mounts: Vec<VolumeMount> = spec
        .inputs
        .iter()
        .map(|input| agent::mount_folder(INPUTS_VOLUME, &input.name, &input.path(), true))
        .collect();
    let container = decoded.container();
    inject::add_env(container, environment(run));
    container
        .volume_mounts
        .get_or_insert_default()
        .extend(input_mounts.into_iter().chain([
            agent::mount(BIN_VOLUME, contract::BIN_DIR, true),
            agent::mount(RUN_VOLUME, contract::RUN_DIR, false),
            agent::mount(PARAMS_VOLUME, "/etc/millwright", true),
            agent::mount(MODEL_VOLUME, &spec.output.path, false),
        ]));

    let fetch = fetch_container(run, resolved, settings, &owner);
    let profile = profile_input(run, resolved).map(|_| PROFILE.to_owned());
    let sidecar = sidecar(run, attempt, profile, settings, &owner);
    let pod = decoded.spec();
    inject::prepend_init(pod, vec![fetch, sidecar]);
    let volumes = pod.volumes.get_or_insert_default();
    volumes.extend([
        agent::scratch(BIN_VOLUME),
        agent::scratch(RUN_VOLUME),
        agent::scratch(PARAMS_VOLUME),
        agent::scratch(INPUTS_VOLUME),
        agent::scratch(MODEL_VOLUME),
    ]);
    volumes.extend(settings.store.volume());
    pod.restart_policy = Some("Never".into());
    let grace = spec.cancel_grace_period.as_secs() + GRACE_MARGIN;
    pod.termination_grace_period_seconds = Some(i64::try_from(grace).unwrap_or(i64::MAX));
    inject::pod_defaults(pod);

    let template: PodTemplateSpec = decoded.template;
    let mut job = job::once(run, attempt, TRAINING, template);
    if let Some(model) = &spec.model {
        job.metadata
            .labels
            .get_or_insert_default()
            .insert(LABEL_MODEL.into(), model.clone());
    }
    job.metadata
        .annotations
        .get_or_insert_default()
        .insert(ANNOTATION_RESOLVED.into(), inputs::write(resolved));
    Ok(job)
}

fn environment(run: &TrainingJob) -> Vec<EnvVar> {
    let spec = &run.spec;
    let mut env = vec![
        agent::task_env(&ExecTask {
            v: 1,
            grace_seconds: spec.cancel_grace_period.as_secs(),
            publish: true,
            publish_timeout_seconds: spec.output.publish_timeout.as_secs(),
        }),
        agent::env(contract::ENV_MODEL_DIR, &spec.output.path),
        agent::env(contract::ENV_TRAINING_ROWS, contract::TRAINING_ROWS),
    ];
    if let Some(seed) = spec.seed {
        env.push(agent::env(contract::ENV_SEED, seed.to_string()));
        env.push(agent::env("PYTHONHASHSEED", seed.to_string()));
    }
    env.extend(
        spec.inputs
            .iter()
            .map(|i| agent::env(&contract::env_input(&i.name), i.path())),
    );
    env.extend(spec.parameters.iter().map(|(name, value)| {
        agent::env(&contract::env_parameter(name), value.replace("$(", "$$("))
    }));
    env
}

fn fetch_container(
    run: &TrainingJob,
    resolved: &[ResolvedInput],
    settings: &Settings,
    owner: &Owner,
) -> k8s_openapi::api::core::v1::Container {
    let items = resolved
        .iter()
        .filter(|input| input.name != EVALUATION_INPUT)
        .map(|input| FetchItem {
            what: format!(
                "input {} (Dataset {} {})",
                input.name, input.dataset, input.version
            ),
            digest: Some(input.digest.clone()),
            key: None,
            path: format!("/millwright/inputs/{}", input.name),
            optional: false,
        })
        .chain(profile_input(run, resolved).map(|input| FetchItem {
            what: format!("profile of Dataset {} {}", input.dataset, input.version),
            digest: None,
            key: Some(contract::key::dataset_profile(
                &owner.namespace,
                &input.dataset,
                &input.digest,
            )),
            path: PROFILE.into(),
            optional: true,
        }))
        .collect();
    let task = FetchTask {
        v: 1,
        install_agent: true,
        parameters: Some(run.spec.parameters.clone()),
        items,
    };
    let mut fetch = agent::container(agent::FETCH, &["fetch"], settings, &owner.namespace);
    inject::add_task(&mut fetch, &task, settings);
    fetch.volume_mounts = Some(vec![
        agent::mount(BIN_VOLUME, contract::BIN_DIR, false),
        agent::mount(PARAMS_VOLUME, "/etc/millwright", false),
        agent::mount(INPUTS_VOLUME, "/millwright/inputs", false),
        agent::mount(RUN_VOLUME, contract::RUN_DIR, false),
    ]);
    agent::use_store(&mut fetch, settings, true);
    fetch
}

/// The input that the reference profile is made from when the trainer leaves no training rows: the
/// one named `train`, else the first.
fn profile_input<'a>(
    run: &TrainingJob,
    resolved: &'a [ResolvedInput],
) -> Option<&'a ResolvedInput> {
    let first = run.spec.inputs.first()?.name.as_str();
    resolved
        .iter()
        .find(|input| input.name == "train")
        .or_else(|| resolved.iter().find(|input| input.name == first))
}

fn sidecar(
    run: &TrainingJob,
    attempt: u32,
    profile_input: Option<String>,
    settings: &Settings,
    owner: &Owner,
) -> k8s_openapi::api::core::v1::Container {
    let spec = &run.spec;
    let task = RunTask {
        v: 1,
        training_job: owner.name.clone(),
        uid: owner.uid.clone(),
        attempt,
        model: spec.model.clone(),
        output: spec.output.path.clone(),
        objective: spec
            .objective
            .as_ref()
            .map(|objective| objective.metric.clone()),
        profile_input,
    };
    let mut sidecar = agent::container(agent::SIDECAR, &["run"], settings, &owner.namespace);
    inject::add_task(&mut sidecar, &task, settings);
    sidecar.restart_policy = Some("Always".into());
    sidecar.ports = Some(vec![ContainerPort {
        name: Some("mw-agent".into()),
        container_port: contract::RUN_PORT.into(),
        ..ContainerPort::default()
    }]);
    sidecar.volume_mounts = Some(vec![
        agent::mount(RUN_VOLUME, contract::RUN_DIR, false),
        agent::mount(MODEL_VOLUME, &spec.output.path, true),
    ]);
    agent::use_store(&mut sidecar, settings, false);
    sidecar
}
