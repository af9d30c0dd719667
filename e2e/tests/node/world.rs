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

/// Made when the first test needs it.
#[derive(Default)]
pub struct World(Lazy<Node>);

/// A node with the chart installed and all images loaded.
pub struct Node {
    /// The operator.
    pub operator: Arc<Operator>,
    /// What is seen of all kinds, for those who look at it in e2e/gitops.
    _recorded: Written,
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
            let operator = Arc::new(Operator::from_chart(&cluster).await?);
            images::load(&cluster, &["flights"]).await?;
            let recorded = Written(Recorder::start(cluster.client(), None).await?);
            Ok(Node {
                operator,
                _recorded: recorded,
                cluster,
            })
        };
        self.0.get(make).await
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
