//! What keeps a command from giving an answer, in words, with the next step.

use std::{error::Error, fmt, io};

use kube::{
    Error as KubeError,
    config::{KubeconfigError, LoadDataError},
    runtime::watcher,
};

use crate::kind::Kind;

/// Why a command can't give an answer.
#[derive(Debug)]
pub enum Problem {
    /// Whoever reads our output has gone; nothing to say.
    Closed,
    /// Something to say.
    Said {
        /// What is wrong.
        what: String,
        /// What to do about it.
        next: String,
    },
}

impl Problem {
    /// A problem and what to do about it.
    pub fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Said {
            what: what.into(),
            next: next.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => Ok(()),
            Self::Said { what, next } => write!(f, "error: {what}\nnext:  {next}"),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::new(
                format!("the output can't be written: {error}"),
                "look at what standard output is connected to",
            )
        }
    }
}

/// What was asked of the API server.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `get`, `list`, `watch`, `patch`.
    pub verb: &'a str,
    pub kind: Kind,
    /// Name of the object, if one was asked for.
    pub name: Option<&'a str>,
    pub namespace: &'a str,
    /// Address of the API server.
    pub server: &'a str,
}

impl Request<'_> {
    /// What went wrong, and what to do.
    pub fn failed(&self, error: &KubeError) -> Problem {
        let KubeError::Api(status) = error else {
            return unreachable_server(self.server, error);
        };
        let resource = self.kind.resource();
        let full = format!("{}.{}", resource.plural, resource.group);
        let namespace = self.namespace;
        match status.code {
            401 => Problem::new(
                format!("the API server {} does not accept who you are", self.server),
                "log in again, or choose another --context",
            ),
            403 => Problem::new(
                format!("you may not {} {full} in namespace {namespace}", self.verb),
                format!(
                    "ask for that right; check with: kubectl auth can-i {} {full} -n {namespace}",
                    self.verb
                ),
            ),
            404 => match self.name.filter(|_| status.reason == "NotFound") {
                Some(name) => missing(self.kind, name, namespace),
                None => Problem::new(
                    format!(
                        "the cluster does not know the kind {}: the CRD {full} is missing",
                        self.kind
                    ),
                    "install Millwright: helm install millwright charts/millwright --namespace millwright-system --create-namespace",
                ),
            },
            _ => Problem::new(
                format!(
                    "{} {full} in namespace {namespace}: {}",
                    self.verb,
                    status.message.trim()
                ),
                format!("ask the API server itself: kubectl get {full} -n {namespace}"),
            ),
        }
    }

    /// The same for a watch.
    pub fn watch_failed(&self, error: &watcher::Error) -> Problem {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.failed(error),
            watcher::Error::WatchError(status) => self.failed(&KubeError::Api(status.clone())),
            watcher::Error::NoResourceVersion => Problem::new(
                format!("the API server can't watch {}", self.kind.resource().plural),
                "run the command without following",
            ),
        }
    }
}

/// An object isn't there.
pub fn missing(kind: Kind, name: &str, namespace: &str) -> Problem {
    Problem::new(
        format!("there is no {kind} {name} in namespace {namespace}"),
        format!(
            "list what is there: kubectl get {} -n {namespace}",
            kind.resource().plural
        ),
    )
}

/// The kubeconfig can't be used.
pub fn no_cluster(error: &KubeconfigError) -> Problem {
    let next = "set KUBECONFIG or --kubeconfig to a file, and choose a --context; check with: kubectl config get-contexts";
    match error {
        KubeconfigError::ReadConfig(error, path) => Problem::new(
            format!("the kubeconfig {} can't be read: {error}", path.display()),
            next,
        ),
        KubeconfigError::FindPath => Problem::new("no kubeconfig was found", next),
        KubeconfigError::CurrentContextNotSet => {
            Problem::new("the kubeconfig has no current context", next)
        }
        KubeconfigError::LoadClientCertificate(LoadDataError::ReadFile(error, path))
        | KubeconfigError::LoadClientKey(LoadDataError::ReadFile(error, path))
        | KubeconfigError::LoadCertificateAuthority(LoadDataError::ReadFile(error, path)) => {
            Problem::new(
                format!(
                    "the kubeconfig names {}, which can't be read: {error}",
                    path.display()
                ),
                next,
            )
        }
        error => Problem::new(format!("the kubeconfig can't be used: {error}"), next),
    }
}

/// The API server doesn't answer as one.
pub fn unreachable_server(server: &str, error: &KubeError) -> Problem {
    Problem::new(
        format!(
            "the API server {server} can't be reached: {}",
            innermost(error)
        ),
        "see whether it runs and the network leads there: kubectl cluster-info",
    )
}

/// The message that all the others wrap.
fn innermost(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn explained(code: u16, reason: &str, name: Option<&str>) -> String {
        let request = Request {
            verb: "list",
            kind: Kind::ModelDeployment,
            name,
            namespace: "flights",
            server: "https://10.0.0.1:6443",
        };
        let status = Status::failure("said the server", reason).with_code(code);
        request.failed(&KubeError::Api(status.boxed())).to_string()
    }

    #[test]
    fn a_missing_crd_is_told_from_a_missing_object() {
        let crd = explained(404, "Failed to parse error data", Some("a"));
        assert!(
            crd.contains("CRD modeldeployments.millwright.dev is missing"),
            "{crd}"
        );
        assert!(crd.contains("helm install"), "{crd}");
        let object = explained(404, "NotFound", Some("a"));
        assert!(
            object.contains("no ModelDeployment a in namespace flights"),
            "{object}"
        );
    }

    #[test]
    fn a_missing_right_names_verb_and_resource() {
        let text = explained(403, "Forbidden", None);
        assert!(
            text.contains("kubectl auth can-i list modeldeployments.millwright.dev -n flights"),
            "{text}"
        );
    }

    #[test]
    fn every_problem_has_a_next_step() {
        for code in [401, 403, 404, 409, 500] {
            let text = explained(code, "", None);
            assert!(text.contains("\nnext:  "), "{text}");
        }
    }
}
