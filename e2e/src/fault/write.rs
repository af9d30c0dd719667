//! One write, as it can be told from others in every namespace.

use std::{fmt, sync::LazyLock};

use http::{Method, Request};
use hyper::body::Bytes;
use regex::Regex;
use serde_json::Value;

/// A hash in a name, which is another one for each UID.
static HASH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"-[0-9a-f]{8}\b").ok());

/// What is written for the record of people only, for the election, or to ask who one is.
const ASIDE: [&str; 5] = [
    "events",
    "leases",
    "tokenrequests",
    "selfsubjectaccessreviews",
    "selfsubjectreviews",
];

/// One write, as it can be told from others: the same in each namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    /// HTTP method.
    pub method: String,
    /// Plural of the kind, and the subresource: `trainingjobs/status`.
    pub resource: String,
    /// Name of the object; a hash in it is left out.
    pub name: String,
    /// How many of the same there were, this one included.
    pub nth: usize,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            resource,
            name,
            nth,
        } = self;
        write!(f, "{method} {resource} {name} #{nth}")
    }
}

impl Write {
    /// The write that a request is; its number is 1. Nothing for reads, and for what is aside.
    pub(super) fn of(request: &Request<Bytes>) -> Option<Self> {
        let method = request.method();
        if ![Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method) {
            return None;
        }
        // …/namespaces/NAMESPACE/RESOURCE[/NAME[/SUBRESOURCE]]
        let path = request.uri().path().trim_start_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let start = parts.iter().position(|part| *part == "namespaces")? + 2;
        let resource = *parts.get(start)?;
        if ASIDE.contains(&resource) {
            return None;
        }
        let name = match parts.get(start + 1) {
            Some(name) => (*name).to_owned(),
            None => serde_json::from_slice::<Value>(request.body())
                .ok()
                .and_then(|body| Some(body["metadata"]["name"].as_str()?.to_owned()))
                .unwrap_or_default(),
        };
        let resource = match parts.get(start + 2) {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource.into(),
        };
        Some(Self {
            method: method.to_string(),
            resource,
            name: without_hash(&name),
            nth: 1,
        })
    }

    /// Whether the two are of the same kind, apart from their numbers.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.method, &self.resource, &self.name) == (&other.method, &other.resource, &other.name)
    }
}

fn without_hash(name: &str) -> String {
    match &*HASH {
        Some(hash) => hash.replace(name, "-*").into_owned(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(method: Method, path: &str, body: &'static str) -> Option<String> {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
        Write::of(&request).map(|write| write.to_string())
    }

    #[test]
    fn writes_are_told_from_each_other() {
        let ours = "/apis/millwright.dev/v1alpha1/namespaces/a/trainingjobs";
        assert_eq!(
            write(Method::PUT, &format!("{ours}/run-0123abcd/status?x=y"), ""),
            Some("PUT trainingjobs/status run-* #1".into())
        );
        assert_eq!(
            write(
                Method::PUT,
                &format!("{ours}/run-0123abcd-1-evaluation"),
                ""
            ),
            Some("PUT trainingjobs run-*-1-evaluation #1".into())
        );
        assert_eq!(
            write(Method::POST, ours, r#"{"metadata": {"name": "first"}}"#),
            Some("POST trainingjobs first #1".into())
        );
        assert_eq!(write(Method::GET, ours, ""), None);
        let events = "/apis/events.k8s.io/v1/namespaces/a/events";
        assert_eq!(write(Method::POST, events, "{}"), None);
    }
}
