//! Writes: operations of a plan, in order; a failure stops the rest.

use http::Request;
use kube::{
    Api, ResourceExt,
    api::{
        DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
        PropagationPolicy,
    },
    core::request::Request as KubeRequest,
};
use millwright_plan::{Object, Operation, Target};
use serde_json::Value;

use super::{
    answer::{namespace_ends, said},
    context::Context,
    index, ownership,
};

/// Why a write failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The API server says that it can never be done: the next step is a person's.
    #[error("{0}")]
    Refused(String),
    /// An object of that name belongs to somebody else.
    #[error("{0}")]
    Conflict(String),
    /// An object of that name is still there and goes by itself.
    #[error("{0}")]
    Occupied(String),
    /// The plan was made from something that has changed since.
    #[error("{0}")]
    Stale(String),
    /// This replica doesn't lead any more.
    #[error("this replica does not lead any more")]
    NotLeading,
    /// The object or its namespace is going: there is nothing left to do.
    #[error("{0}")]
    Ends(String),
    /// No answer, or one that may be another next time.
    #[error("{0}")]
    Failed(String),
}

impl ApplyError {
    /// Sorts an error of the API server by what follows from it.
    pub(crate) fn from_kube(what: &str, error: &kube::Error) -> Self {
        let text = format!("{what}: {}", said(error));
        let kube::Error::Api(status) = error else {
            return Self::Failed(text);
        };
        // A typo in a template comes as 400 or 422, or as this 500.
        let typo = status
            .message
            .contains("failed to create typed patch object");
        match status.code {
            400 | 422 => Self::Refused(text),
            500 if typo => Self::Refused(text),
            409 => Self::Stale(text),
            _ if namespace_ends(error) => Self::Ends(text),
            _ => Self::Failed(text),
        }
    }
}

/// Does what a plan says for the owner of this UID.
///
/// # Errors
/// The first write that failed; the rest was not tried.
pub(crate) async fn apply(
    context: &Context,
    controller: &'static str,
    owner: &str,
    operations: &[Operation],
) -> Result<(), ApplyError> {
    for operation in operations {
        if !context.leadership.may_write() {
            return Err(ApplyError::NotLeading);
        }
        let (verb, result) = match operation {
            Operation::Create(object) => {
                ("create", create(context, controller, owner, object).await)
            }
            Operation::Apply(object) => ("apply", patch(context, controller, owner, object).await),
            Operation::Delete(target) => ("delete", delete(context, target).await),
            Operation::ReplaceStatus {
                object,
                resource_version,
            } => (
                "status",
                replace_status(context, controller, owner, object, resource_version).await,
            ),
        };
        context.metrics.write(controller, verb, result.is_ok());
        if result.is_err() && !context.leadership.may_write() {
            return Err(ApplyError::NotLeading);
        }
        result?;
        tracing::info!(controller, "{}", operation.describe());
    }
    Ok(())
}

fn api(context: &Context, object: &Object) -> Api<DynamicObject> {
    Api::namespaced_with(context.client.clone(), &object.namespace, &object.resource)
}

/// Creates by a POST with strict field validation; the library's own create can't ask for it.
async fn create(
    context: &Context,
    controller: &str,
    owner: &str,
    object: &Object,
) -> Result<(), ApplyError> {
    let what = format!("create {} {}", object.resource.kind, object.name);
    let api = api(context, object);
    let params = PostParams {
        field_manager: Some(controller.into()),
        ..PostParams::default()
    };
    // Serializing a JSON value can't fail.
    let body = serde_json::to_vec(&object.body).unwrap_or_default();
    let request = KubeRequest::new(api.resource_url())
        .create(&params, body)
        .ok()
        .and_then(strict)
        .ok_or_else(|| ApplyError::Refused(format!("{what}: its name makes no URL")))?;
    match context.client.request::<DynamicObject>(request).await {
        Ok(created) => {
            wrote(context, owner, object, &created);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 409 => {
            existing(context, owner, object, &api, &what).await
        }
        Err(error) => Err(ApplyError::from_kube(&what, &error)),
    }
}

fn strict(request: Request<Vec<u8>>) -> Option<Request<Vec<u8>>> {
    let (mut parts, body) = request.into_parts();
    let joiner = if parts.uri.query().is_some_and(|query| !query.is_empty()) {
        "&"
    } else {
        ""
    };
    let text = parts.uri.to_string();
    let text = if text.contains('?') {
        text
    } else {
        format!("{text}?")
    };
    parts.uri = format!("{text}{joiner}fieldValidation=Strict")
        .parse()
        .ok()?;
    Some(Request::from_parts(parts, body))
}

/// What exists under the name is ours if it carries our owner's UID: then it was done before.
async fn existing(
    context: &Context,
    owner: &str,
    object: &Object,
    api: &Api<DynamicObject>,
    what: &str,
) -> Result<(), ApplyError> {
    let found = match api.get_opt(&object.name).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            return Err(ApplyError::Stale(format!(
                "{what}: it was there a moment ago"
            )));
        }
        Err(error) => return Err(ApplyError::from_kube(what, &error)),
    };
    ownership::check(object, &found, what)?;
    wrote(context, owner, object, &found);
    Ok(())
}

async fn patch(
    context: &Context,
    controller: &str,
    owner: &str,
    object: &Object,
) -> Result<(), ApplyError> {
    let what = format!("apply {} {}", object.resource.kind, object.name);
    let api = api(context, object);
    let key = (object.namespace.clone(), object.name.clone());
    let kind = &object.resource.kind;
    let mut known = context.stores.resource_version(kind, &key);
    if context.stores.owner_uid(kind, &key).as_deref() != object.owner() {
        // An apply takes over whatever has the name: look first whose it is.
        let found = api.get_opt(&object.name).await;
        if let Some(found) = found.map_err(|error| ApplyError::from_kube(&what, &error))? {
            ownership::check(object, &found, &what)?;
            known = Some(index::parse(found.resource_version().as_deref()));
        }
    }
    let mut body = object.body.clone();
    if let Some(known) = known {
        // What was planned for an older one would undo what was done since.
        set_resource_version(&mut body, known.to_string());
    }
    let params = PatchParams::apply(controller).force().validation_strict();
    let result = api.patch(&object.name, &params, &Patch::Apply(&body)).await;
    let applied = result.map_err(|error| {
        let error = ApplyError::from_kube(&what, &error);
        if let (ApplyError::Stale(_), Some(known)) = (&error, known) {
            context.fresh.behind(owner, kind, key, known);
        }
        error
    })?;
    wrote(context, owner, object, &applied);
    Ok(())
}

async fn delete(context: &Context, target: &Target) -> Result<(), ApplyError> {
    let what = format!("delete {} {}", target.resource.kind, target.name);
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &target.namespace, &target.resource);
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(target.uid.clone()),
            resource_version: None,
        }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match api.delete(&target.name, &params).await {
        Ok(_) => Ok(()),
        // It is gone, or another one has its name: what was to be deleted is no more.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(ApplyError::from_kube(&what, &error)),
    }
}

async fn replace_status(
    context: &Context,
    controller: &str,
    owner: &str,
    object: &Object,
    resource_version: &str,
) -> Result<(), ApplyError> {
    let what = format!(
        "write the status of {} {}",
        object.resource.kind, object.name
    );
    let kind = &object.resource.kind;
    let key = (object.namespace.clone(), object.name.clone());
    let known = index::parse(Some(resource_version));
    if !context.fresh.spend(kind, &key, known) {
        return Err(ApplyError::Stale(format!("{what}: another was quicker")));
    }
    let mut body = object.body.clone();
    set_resource_version(&mut body, resource_version.into());
    let params = PostParams {
        field_manager: Some(controller.into()),
        ..PostParams::default()
    };
    let written = api(context, object)
        .replace_subresource("status", &object.name, &params, &body)
        .await;
    let written = written.map_err(|error| {
        let error = ApplyError::from_kube(&what, &error);
        if matches!(error, ApplyError::Stale(_)) {
            context.fresh.behind(owner, kind, key, known);
        } else {
            context.fresh.give_back(kind, &key);
        }
        error
    })?;
    wrote(context, owner, object, &written);
    Ok(())
}

/// Makes a write fail when the object is not as it was any more.
fn set_resource_version(body: &mut Value, resource_version: String) {
    if let Some(meta) = body
        .pointer_mut("/metadata")
        .and_then(|meta| meta.as_object_mut())
    {
        meta.insert("resourceVersion".into(), resource_version.into());
    }
}

fn wrote(context: &Context, owner: &str, object: &Object, written: &DynamicObject) {
    let version = index::parse(written.resource_version().as_deref());
    let key = (object.namespace.clone(), object.name.clone());
    let kind = &object.resource.kind;
    // Of what is applied, only Deployments have numbered specs.
    if kind == "Deployment" {
        let generation = written.metadata.generation.unwrap_or_default();
        let uid = written.uid().unwrap_or_default();
        context.edits.wrote(key.clone(), uid, generation);
    }
    context.fresh.wrote(owner, kind, key, version);
}
