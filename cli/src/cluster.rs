//! The cluster, as a kubeconfig describes it.

use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
    core::DynamicObject,
};

use crate::{
    args::Connection,
    kind::{Kind, Reference},
    objects::Objects,
    problem::{self, Problem, Request},
};

/// A cluster and a namespace in it.
pub struct Cluster {
    pub client: Client,
    pub namespace: String,
    /// Address of the API server, for messages.
    pub server: String,
}

impl Cluster {
    /// Reads the kubeconfig, or the service account of a pod. Nothing is sent yet.
    pub async fn connect(connection: &Connection) -> Result<Self, Problem> {
        let config = configuration(connection).await?;
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let namespace = connection
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)
            .map_err(|error| problem::unreachable_server(&server, &error))?;
        Ok(Self {
            client,
            namespace,
            server,
        })
    }

    /// The objects of a kind in the namespace.
    pub fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    /// A request, for the message when it fails.
    pub fn request<'a>(&'a self, verb: &'a str, kind: Kind, name: Option<&'a str>) -> Request<'a> {
        Request {
            verb,
            kind,
            name,
            namespace: &self.namespace,
            server: &self.server,
        }
    }

    /// One object.
    pub async fn get(&self, object: &Reference) -> Result<DynamicObject, Problem> {
        let Reference { kind, name } = object;
        self.api(*kind)
            .get(name)
            .await
            .map_err(|error| self.request("get", *kind, Some(name)).failed(&error))
    }

    /// All objects of the namespace: one list for each kind.
    pub async fn objects(&self) -> Result<Objects, Problem> {
        let params = ListParams::default();
        let lists = futures::future::try_join_all(Kind::ALL.map(|kind| {
            let (api, params) = (self.api(kind), &params);
            async move {
                let list = api
                    .list(params)
                    .await
                    .map_err(|error| self.request("list", kind, None).failed(&error))?;
                Ok::<_, Problem>((kind, list.items))
            }
        }))
        .await?;
        let mut objects = Objects::default();
        for (kind, items) in lists {
            for item in items {
                objects.insert(kind, item);
            }
        }
        Ok(objects)
    }
}

async fn configuration(connection: &Connection) -> Result<Config, Problem> {
    let kubeconfig = match &connection.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let chosen = connection.kubeconfig.is_some() || connection.context.is_some();
    let options = KubeConfigOptions {
        context: connection.context.clone(),
        ..KubeConfigOptions::default()
    };
    let read = match kubeconfig {
        Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
        Err(error) => Err(error),
    };
    match read {
        Ok(config) => Ok(config),
        // In a pod the service account stands in for a kubeconfig that nobody gave.
        Err(error @ (KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath)) if !chosen => {
            Config::incluster().map_err(|_| problem::no_cluster(&error))
        }
        Err(error) => Err(problem::no_cluster(&error)),
    }
}
