//! What the person who installed Millwright decided.

use crate::store::Store;

/// Settings of the installation, from the chart's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Image of the agent.
    pub agent_image: String,
    /// Pull policy of the agent's image.
    pub agent_pull_policy: String,
    /// The artifact store.
    pub store: Store,
    /// Requests and limits of injected containers.
    pub agent_resources: AgentResources,
}

/// Requests and limits of injected containers, as Kubernetes quantities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentResources {
    /// CPU asked for.
    pub cpu_request: String,
    /// Memory asked for.
    pub memory_request: String,
    /// Memory limit.
    pub memory_limit: String,
}

impl Default for AgentResources {
    /// 20m and 32Mi as an idle agent uses, 512Mi for a sync that profiles wide tables.
    fn default() -> Self {
        Self {
            cpu_request: "20m".into(),
            memory_request: "32Mi".into(),
            memory_limit: "512Mi".into(),
        }
    }
}
