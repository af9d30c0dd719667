//! What is put into users' pods beside our containers.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, EnvVar, PodSecurityContext, PodSpec},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use millwright_crds::{
    LABEL_KIND, LABEL_NAME, LABEL_OWNER, LABEL_ROLE,
    wire::{
        Versioned,
        contract::{AGENT_BIN, ENV_TASK},
    },
};

use super::{agent, template::Decoded};
use crate::{Settings, SpecError};

/// Puts variables before the user's own, so that those can refer to ours; a variable that the user
/// sets is theirs.
pub fn add_env(container: &mut Container, ours: Vec<EnvVar>) {
    let theirs = container.env.take().unwrap_or_default();
    let mut env: Vec<EnvVar> = ours
        .into_iter()
        .filter(|our| theirs.iter().all(|their| their.name != our.name))
        .collect();
    env.extend(theirs);
    container.env = Some(env);
}

/// Gives a container of ours its task, and says where the artifact store is.
pub fn add_task<T: Versioned>(container: &mut Container, task: &T, settings: &Settings) {
    let mut env = vec![agent::task_env(task)];
    env.extend(settings.store.env());
    add_env(container, env);
}

/// Makes the agent PID 1 of the template's container: `agent ROLE -- COMMAND ARGS`.
///
/// # Errors
/// When the container has no `command`: the agent can't know the image's entry point.
pub fn wrap_command(decoded: &mut Decoded, role: &str) -> Result<(), SpecError> {
    let command = decoded.container().command.clone().unwrap_or_default();
    if command.is_empty() {
        return Err(decoded.container_error(
            "command",
            "a command is required, because the agent starts it: write the image's entry point here",
        ));
    }
    let mut env = decoded.container().env.iter().flatten();
    if let Some(index) = env.position(|one| one.name == ENV_TASK) {
        return Err(decoded.container_error(
            &format!("env[{index}].name"),
            format!("{ENV_TASK} is how the agent is told what to do: choose another name"),
        ));
    }
    let mut wrapped = vec![AGENT_BIN.to_owned(), role.to_owned(), "--".to_owned()];
    wrapped.extend(command);
    let container = decoded.container();
    container.command = Some(wrapped);
    container.termination_message_path = None;
    container.termination_message_policy = Some("FallbackToLogsOnError".into());
    Ok(())
}

/// Replaces `$(params.name)` by the parameter's value.
///
/// # Errors
/// When a name is not a parameter; the message lists those that are.
pub fn substitute_parameters(
    decoded: &mut Decoded,
    parameters: &BTreeMap<String, String>,
) -> Result<(), SpecError> {
    for part in ["command", "args"] {
        let container = decoded.container();
        let list = if part == "command" {
            &mut container.command
        } else {
            &mut container.args
        };
        let mut wrong = None;
        for (index, text) in list.iter_mut().flatten().enumerate() {
            match substitute(text, parameters) {
                Ok(replaced) => *text = replaced,
                Err(name) => wrong = wrong.or(Some((index, name))),
            }
        }
        if let Some((index, name)) = wrong {
            let known: Vec<&str> = parameters.keys().map(String::as_str).collect();
            return Err(decoded.container_error(
                &format!("{part}[{index}]"),
                format!(
                    "$(params.{name}) is not a parameter; spec.parameters has {}",
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                ),
            ));
        }
    }
    Ok(())
}

fn substitute(text: &str, parameters: &BTreeMap<String, String>) -> Result<String, String> {
    const START: &str = "$(params.";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(START) {
        out.push_str(&rest[..at]);
        let after = &rest[at + START.len()..];
        let Some(end) = after.find(')') else {
            return Err(after.to_owned());
        };
        let name = &after[..end];
        out.push_str(parameters.get(name).ok_or_else(|| name.to_owned())?);
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Puts a container among the init containers, before the user's own.
pub fn prepend_init(spec: &mut PodSpec, ours: Vec<Container>) {
    let theirs = spec.init_containers.take().unwrap_or_default();
    spec.init_containers = Some(ours.into_iter().chain(theirs).collect());
}

/// Pod settings that all our pods share unless the user chose otherwise: no API credentials, and a
/// group that lets our containers and theirs share volumes.
pub fn pod_defaults(spec: &mut PodSpec) {
    spec.automount_service_account_token.get_or_insert(false);
    let security = spec
        .security_context
        .get_or_insert_with(PodSecurityContext::default);
    security.fs_group.get_or_insert(agent::USER);
    security
        .fs_group_change_policy
        .get_or_insert_with(|| "OnRootMismatch".into());
}

/// Who a child belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// API version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name of the owner.
    pub name: String,
    /// UID of the owner.
    pub uid: String,
}

impl Owner {
    /// The owner that this object is.
    pub fn of<K: kube::Resource<DynamicType = ()>>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
        }
    }

    /// Labels of a child with this role.
    pub fn labels(&self, role: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LABEL_OWNER.into(), self.uid.clone()),
            (LABEL_KIND.into(), self.kind.to_lowercase()),
            (LABEL_NAME.into(), self.name.clone()),
            (LABEL_ROLE.into(), role.into()),
            ("app.kubernetes.io/managed-by".into(), "millwright".into()),
        ])
    }

    /// Metadata of a child, which goes when its owner goes.
    pub fn child(&self, name: String, role: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels(role)),
            owner_references: Some(vec![OwnerReference {
                api_version: self.api_version.clone(),
                kind: self.kind.clone(),
                name: self.name.clone(),
                uid: self.uid.clone(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_replaced() {
        let parameters = BTreeMap::from([("lr".to_owned(), "0.1".to_owned())]);
        assert_eq!(
            substitute("--lr=$(params.lr)!", &parameters).unwrap(),
            "--lr=0.1!"
        );
        assert_eq!(substitute("$(HOME)", &parameters).unwrap(), "$(HOME)");
        assert_eq!(substitute("$(params.x)", &parameters).unwrap_err(), "x");
        assert_eq!(substitute("$(params.lr", &parameters).unwrap_err(), "lr");
    }

    #[test]
    fn the_users_variables_win() {
        let mut container = Container {
            env: Some(vec![agent::env("A", "theirs")]),
            ..Container::default()
        };
        add_env(
            &mut container,
            vec![agent::env("A", "ours"), agent::env("B", "ours")],
        );
        let names: Vec<_> = container
            .env
            .unwrap()
            .into_iter()
            .map(|e| (e.name, e.value))
            .collect();
        assert_eq!(
            names,
            [
                ("B".into(), Some("ours".into())),
                ("A".into(), Some("theirs".into()))
            ]
        );
    }
}
