//! What the API server recorded of requests.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// An audit log, from a point in time on.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
    from: u64,
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, ….
    pub verb: String,
    /// Who asked.
    pub user: String,
    /// Plural of the kind, and the subresource: `jobs`, `trainingjobs/status`.
    pub resource: String,
    /// Namespace; empty for requests of the whole cluster.
    pub namespace: String,
    /// Name of the object; empty for lists.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// The program, as it calls itself; the operator names its pod.
    pub agent: String,
    /// When the API server received the request.
    pub received: Timestamp,
    /// When it was answered.
    pub answered: Timestamp,
}

impl Request {
    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }

    /// Whether it fetches something; a watch is no fetch.
    pub fn is_read(&self) -> bool {
        matches!(self.verb.as_str(), "get" | "list")
    }

    /// Whether it was done as asked.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it is for the record of people only, or for the election.
    pub fn is_aside(&self) -> bool {
        self.resource == "events" || self.resource == "leases"
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            verb,
            resource,
            namespace,
            name,
            code,
            ..
        } = self;
        write!(f, "{verb} {resource} {namespace}/{name}: {code}")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl AuditLog {
    /// The log from its present end on.
    ///
    /// # Errors
    /// When there is no such file: the cluster has to be made with an audit log.
    pub fn from_now(path: &Path) -> Result<Self> {
        let meta =
            std::fs::metadata(path).with_context(|| format!("{} can't be read", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            from: meta.len(),
        })
    }

    /// What this user asked for since, in order.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn of_user(&self, user: &str) -> Result<Vec<Request>> {
        let mut requests = self.all()?;
        requests.retain(|request| request.user == user);
        Ok(requests)
    }

    /// What anybody asked for since, in order of the answers.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn all(&self) -> Result<Vec<Request>> {
        let mut file = File::open(&self.path)
            .with_context(|| format!("{} can't be read", self.path.display()))?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut requests = vec![];
        for text in BufReader::new(file).lines() {
            // The last line may be half written.
            let Ok(line) = serde_json::from_str::<Line>(&text?) else {
                continue;
            };
            if line.stage == "ResponseComplete" {
                requests.push(line.into());
            }
        }
        Ok(requests)
    }
}

impl From<Line> for Request {
    fn from(line: Line) -> Self {
        let ObjectRef {
            resource,
            subresource,
            namespace,
            name,
        } = line.object_ref;
        let resource = if subresource.is_empty() {
            resource
        } else {
            format!("{resource}/{subresource}")
        };
        Self {
            verb: line.verb,
            user: line.user.username,
            resource,
            namespace,
            name,
            code: line.response_status.code,
            agent: line.user_agent,
            received: line.request_received_timestamp,
            answered: line.stage_timestamp,
        }
    }
}

/// How often each verb was used on each resource, as text.
pub fn table<'a>(requests: impl IntoIterator<Item = &'a Request>) -> String {
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    for request in requests {
        *counts
            .entry((&request.resource, &request.verb))
            .or_default() += 1;
    }
    let lines = counts
        .iter()
        .map(|((resource, verb), count)| format!("{count:>4}  {verb:<8}  {resource}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_api_server_writes() {
        let line = r#"{"kind":"Event","level":"Metadata","stage":"ResponseComplete","verb":"update",
            "user":{"username":"system:serviceaccount:a:b","groups":["x"]},
            "userAgent":"millwright-operator/1 (pod)",
            "requestReceivedTimestamp":"2026-01-01T00:00:00.000001Z",
            "stageTimestamp":"2026-01-01T00:00:00.000002Z",
            "objectRef":{"resource":"trainingjobs","namespace":"n","name":"t","subresource":"status"},
            "responseStatus":{"metadata":{},"code":200}}"#;
        let request: Request = serde_json::from_str::<Line>(line).unwrap().into();
        assert_eq!(request.to_string(), "update trainingjobs/status n/t: 200");
        assert!(request.is_write() && !request.is_read() && !request.is_aside());
        assert!(request.succeeded() && request.received < request.answered);
        assert_eq!(request.agent, "millwright-operator/1 (pod)");
    }
}
