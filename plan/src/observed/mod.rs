//! What planners need to know of Jobs, pods and Deployments: projections, so that a watch over
//! thousands of them stays small.

mod deployment;
mod job;
mod labels;
mod pod;

use std::time::Duration;

pub use deployment::{DeploymentState, Edited};
pub use job::{JobPhase, JobState};
pub use labels::Labels;
pub use pod::{ContainerState, Lifecycle, PodState, Terminated};

/// Label with the UID of the Job that a pod belongs to, put there by the Job controller.
pub const LABEL_JOB: &str = "batch.kubernetes.io/controller-uid";
/// Jobs and pods come by watches of their own: a pod may be seen to end this much later than its
/// Job.
pub const SETTLING: Duration = Duration::from_secs(10);

/// How much longer than its own time to end a pod may take to be gone. A kubelet that lives needs
/// seconds; of one that doesn't, nothing is ever heard.
pub const LOST: Duration = Duration::from_secs(120);
