//! Applying manifests, as `kubectl apply --server-side` does.

use std::path::Path;

use anyhow::{Context as _, Result};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::{GroupVersionKind, Request},
    discovery::{Scope, pinned_kind},
};
use serde_json::Value;

/// The field manager of the tests.
pub const MANAGER: &str = "millwright-e2e";

/// Reads all documents of a manifest; empty ones are left out.
///
/// # Errors
/// When it is not YAML.
pub fn parse(manifest: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest)?;
    Ok(documents.into_iter().filter(|d| !d.is_null()).collect())
}

/// Reads all documents of a file.
///
/// # Errors
/// When it can't be read or is not YAML.
pub fn read(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} can't be read", path.display()))?;
    parse(&text).with_context(|| format!("{} is not YAML", path.display()))
}

/// Applies documents in their order; those without a namespace go to `namespace`.
///
/// # Errors
/// The first that the API server refused, with its message.
pub async fn apply(
    client: &Client,
    namespace: &str,
    documents: &[Value],
) -> Result<Vec<DynamicObject>> {
    let mut applied = vec![];
    for document in documents {
        let object: DynamicObject = serde_json::from_value(document.clone())
            .context("a document has no apiVersion or kind")?;
        let types = object.types.clone().unwrap_or_default();
        let name = object.name_any();
        let what = format!("apply {} {name}", types.kind);
        let gvk = GroupVersionKind::try_from(&types)?;
        let (resource, capabilities) = pinned_kind(client, &gvk)
            .await
            .with_context(|| format!("{what}: the cluster doesn't know the kind"))?;
        let own = object.namespace();
        let namespaced = capabilities.scope == Scope::Namespaced;
        let namespace = namespaced.then(|| own.as_deref().unwrap_or(namespace));
        let params = PatchParams::apply(MANAGER).force().validation_strict();
        let result = api(client, namespace, &resource)
            .patch(&name, &params, &Patch::Apply(document))
            .await;
        applied.push(result.map_err(refusal).context(what)?);
    }
    Ok(applied)
}

/// Creates an object as it is; a field that the kind doesn't have is an error.
///
/// # Errors
/// What the API server refused it with.
pub async fn create_strictly(
    api: &Api<DynamicObject>,
    document: &Value,
) -> kube::Result<DynamicObject> {
    let params = PostParams {
        field_manager: Some(MANAGER.into()),
        ..PostParams::default()
    };
    let body = serde_json::to_vec(document).map_err(kube::Error::SerdeError)?;
    let mut request = Request::new(api.resource_url())
        .create(&params, body)
        .map_err(kube::Error::BuildRequest)?;
    let strict = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = strict
        .parse()
        .map_err(|error: http::uri::InvalidUri| kube::Error::HttpError(error.into()))?;
    api.clone().into_client().request(request).await
}

/// The API of a kind, in a namespace or of the cluster.
pub fn api(client: &Client, namespace: Option<&str>, resource: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// An error with nothing but the API server's sentence.
pub fn refusal(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow::anyhow!("HTTP {}: {}", status.code, status.message),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_documents_are_left_out() {
        let documents = parse("# none\n---\nkind: A\n---\nkind: B\n").unwrap();
        let kinds: Vec<_> = documents.iter().map(|d| d["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B"]);
    }
}
