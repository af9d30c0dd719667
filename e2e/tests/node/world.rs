//! What the tests share: one node with Millwright on it.

use std::sync::Arc;

use anyhow::Result;
use millwright_e2e::{
    cluster::{Cluster, Parts},
    images,
    operator::Operator,
    record::Recorder,
    scene::Scene,
    suite::Lazy,
};

/// The URL of the store of [`World::node_with_objects`].
pub const STORE: &str = "s3://artifacts/team";

/// Made when the first test needs it.
#[derive(Default)]
pub struct World {
    node: Lazy<Node>,
    with_objects: Lazy<Node>,
}

/// A node with the chart installed and all images loaded.
pub struct Node {
    /// The operator.
    pub operator: Arc<Operator>,
    /// What is seen of all kinds, for those who look at it in e2e/gitops.
    _recorded: Option<Written>,
    /// The cluster. It has an audit log.
    pub cluster: Cluster,
}

/// Written when the tests are over.
struct Written(Recorder);

impl Drop for Written {
    fn drop(&mut self) {
        if let Err(error) = self.0.write() {
            eprintln!("{error:#}");
        }
    }
}

impl World {
    /// The node.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn node(&self) -> Result<&Node> {
        let make = async || {
            let parts = Parts {
                node: true,
                audit: true,
            };
            let cluster = Cluster::up("node", parts).await?;
            let operator = Arc::new(Operator::from_chart(&cluster, &[]).await?);
            images::load(&cluster, &["flights"]).await?;
            let recorded = Written(Recorder::start(cluster.client(), None).await?);
            Ok(Node {
                operator,
                _recorded: Some(recorded),
                cluster,
            })
        };
        self.node.get(make).await
    }

    /// A node whose Millwright has its artifacts in an object store, with the Secret `store`; the
    /// server is not there yet, its image is.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn node_with_objects(&self) -> Result<&Node> {
        let make = async || {
            let parts = Parts {
                node: true,
                audit: true,
            };
            let cluster = Cluster::up("objects", parts).await?;
            let url = format!("artifacts.url={STORE}");
            let values = [url.as_str(), "artifacts.secretName=store"];
            let operator = Arc::new(Operator::from_chart(&cluster, &values).await?);
            images::load(&cluster, &["flights"]).await?;
            images::load_tool(&cluster, "versitygw").await?;
            Ok(Node {
                operator,
                _recorded: None,
                cluster,
            })
        };
        self.with_objects.get(make).await
    }

    /// A namespace of the node.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn scene(&self, namespace: &str) -> Result<Scene> {
        let node = self.node().await?;
        let operator = Some(node.operator.clone());
        Scene::new(node.cluster.client(), namespace, operator).await
    }
}
