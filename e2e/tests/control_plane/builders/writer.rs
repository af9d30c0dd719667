//! Writing what a planner wants, twice.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::Request,
};
use millwright_crds::{LABEL_OWNER, LABEL_ROLE};
use millwright_e2e::{
    apply::refusal,
    scene::{Kind, Scene},
};
use millwright_plan::{Object, Operation, Target};

/// Writes operations as the operator does, each twice.
pub struct Writer<'a> {
    scene: &'a Scene,
    manager: &'static str,
    written: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    /// Writes as this field manager.
    pub fn new(scene: &'a Scene, manager: &'static str) -> Self {
        Self {
            scene,
            manager,
            written: BTreeSet::new(),
        }
    }

    /// Writes all of these.
    ///
    /// # Errors
    /// When one is refused, or the second write changes something.
    pub async fn write(&mut self, operations: &[Operation]) -> Result<()> {
        for operation in operations {
            let what = operation.describe();
            match operation {
                Operation::Create(object) => self.create(object).await.context(what)?,
                Operation::Apply(object) => self.apply(object).await.context(what)?,
                Operation::ReplaceStatus {
                    object,
                    resource_version,
                } => self
                    .replace_status(object, resource_version)
                    .await
                    .context(what)?,
                Operation::Delete(target) => self.delete(target).await.context(what)?,
            }
        }
        Ok(())
    }

    /// What was written: verb, kind and role, e.g. `create Job sync`.
    pub fn written(&self) -> Vec<&str> {
        self.written.iter().map(String::as_str).collect()
    }

    /// The children of an owner, as planners see them.
    ///
    /// # Errors
    /// When they can't be listed.
    pub async fn children<K: Kind, T>(&self, owner: &str) -> Result<Vec<T>>
    where
        T: for<'b> From<&'b K>,
    {
        let params = ListParams::default().labels(&format!("{LABEL_OWNER}={owner}"));
        let list = self.scene.api::<K>().list(&params).await?;
        Ok(list.iter().map(T::from).collect())
    }

    fn note(&mut self, verb: &str, object: &Object) {
        let labels = &object.body["metadata"]["labels"];
        let role = labels[LABEL_ROLE].as_str().unwrap_or_default();
        let text = format!("{verb} {} {role}", object.resource.kind);
        self.written.insert(text.trim_end().to_owned());
    }

    fn api(&self, object: &Object) -> Api<DynamicObject> {
        let client = self.scene.client().clone();
        Api::namespaced_with(client, &object.namespace, &object.resource)
    }

    async fn create(&mut self, object: &Object) -> Result<()> {
        self.note("create", object);
        let created = self.post(object).await.map_err(refusal)?;
        match self.post(object).await {
            Ok(_) => bail!("it could be created twice"),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(refusal(error)),
        }
        let stored = self.api(object).get(&object.name).await?;
        ensure!(
            stored.labels().get(LABEL_OWNER).map(String::as_str) == object.owner(),
            "who owns it is not to be seen on it"
        );
        unchanged(&created, &stored)
    }

    /// A strict POST: unknown fields are an error.
    async fn post(&self, object: &Object) -> kube::Result<DynamicObject> {
        let client: &Client = self.scene.client();
        let params = PostParams {
            field_manager: Some(self.manager.into()),
            ..PostParams::default()
        };
        let url = self.api(object).resource_url().to_owned();
        let body = serde_json::to_vec(&object.body).map_err(kube::Error::SerdeError)?;
        let mut request = Request::new(url)
            .create(&params, body)
            .map_err(kube::Error::BuildRequest)?;
        let strict = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = strict.parse().map_err(http_error)?;
        client.request(request).await
    }

    async fn delete(&mut self, target: &Target) -> Result<()> {
        self.written
            .insert(format!("delete {}", target.resource.kind));
        let client = self.scene.client().clone();
        let api: Api<DynamicObject> =
            Api::namespaced_with(client, &target.namespace, &target.resource);
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(target.uid.clone()),
            resource_version: None,
        });
        api.delete(&target.name, &params).await.map_err(refusal)?;
        Ok(())
    }

    async fn apply(&mut self, object: &Object) -> Result<()> {
        self.note("apply", object);
        let params = PatchParams::apply(self.manager).force().validation_strict();
        let api = self.api(object);
        let patch = Patch::Apply(&object.body);
        let one = api.patch(&object.name, &params, &patch).await;
        let two = api.patch(&object.name, &params, &patch).await;
        unchanged(&one.map_err(refusal)?, &two.map_err(refusal)?)
    }

    async fn replace_status(&mut self, object: &Object, version: &str) -> Result<()> {
        self.note("status of", object);
        let api = self.api(object);
        let params = PostParams {
            field_manager: Some(self.manager.into()),
            ..PostParams::default()
        };
        let mut body = object.body.clone();
        body["metadata"]["resourceVersion"] = version.into();
        let body: DynamicObject = serde_json::from_value(body)?;
        let one = api
            .replace_subresource("status", &object.name, &params, &body)
            .await
            .map_err(refusal)?;
        let mut again = body;
        again.metadata.resource_version = one.resource_version();
        let two = api
            .replace_subresource("status", &object.name, &params, &again)
            .await
            .map_err(refusal)?;
        unchanged(&one, &two)
    }
}

fn http_error(error: http::uri::InvalidUri) -> kube::Error {
    kube::Error::HttpError(error.into())
}

fn unchanged(one: &DynamicObject, two: &DynamicObject) -> Result<()> {
    let (before, after) = (one.resource_version(), two.resource_version());
    ensure!(
        before == after,
        "the second write changed it: resourceVersion {before:?} became {after:?}"
    );
    Ok(())
}
