//! Names of paths, ports and environment variables that injected containers and user code meet.

/// Mount path of the artifact store's claim in our containers.
pub const STORE_MOUNT: &str = "/millwright/store";
/// Folder with the agent's binary, put there by the fetch container.
pub const BIN_DIR: &str = "/millwright/bin";
/// The agent's binary in user containers.
pub const AGENT_BIN: &str = "/millwright/bin/millwright-agent";
/// Folder shared by trainer and sidecar: the socket, and what they hand over.
pub const RUN_DIR: &str = "/millwright/run";
/// Unix socket on which `agent exec` asks `agent run` to publish.
pub const SOCKET: &str = "/millwright/run/agent.sock";
/// Rows that the trainer really trained on, as CSV, if it cares to write them: the reference
/// profile is made from them, else from the first input.
pub const TRAINING_ROWS: &str = "/millwright/run/training-rows.csv";
/// Parameters of the run, as one JSON object of strings.
pub const PARAMS_FILE: &str = "/etc/millwright/params.json";
/// Model folder of serving containers (KServe's path).
pub const SERVING_MODEL_DIR: &str = "/mnt/models";
/// Folder with the reference profile in the gateway.
pub const REFERENCE_DIR: &str = "/millwright/reference";
/// Folder with candidate and champion in an evaluation pod: `candidate/` and `champion/`.
pub const EVALUATION_MODELS: &str = "/mnt/models";
/// Folder where an evaluation's outputs are written, one folder per model.
pub const EVALUATION_OUTPUT: &str = "/millwright/run/output";
/// Data of an evaluation.
pub const EVALUATION_DATA: &str = "/mnt/inputs/data";

/// Port of the gateway that traffic goes to.
pub const GATEWAY_PORT: u16 = 9000;
/// Port of the gateway for metrics, profiles and feedback.
pub const ADMIN_PORT: u16 = 9001;
/// Port of `agent run` with progress and health.
pub const RUN_PORT: u16 = 9002;

/// URL of the artifact store as the agent sees it (`file:///millwright/store/…` for a claim).
pub const ENV_STORE: &str = "MILLWRIGHT_STORE";
/// Name of the Secret with the artifact store's credentials, for messages.
pub const ENV_STORE_SECRET: &str = "MILLWRIGHT_STORE_SECRET";
/// What variables from the artifact store's Secret begin with.
pub const STORE_PREFIX: &str = "STORE_";
/// What variables from the Secret of a Dataset's source begin with.
pub const SOURCE_PREFIX: &str = "SOURCE_";
/// Namespace of the pod.
pub const ENV_NAMESPACE: &str = "MILLWRIGHT_NAMESPACE";
/// A role's task as JSON: one of the `*Task` types of [`super`].
pub const ENV_TASK: &str = "MILLWRIGHT_TASK";
/// UID of the pod.
pub const ENV_POD_UID: &str = "MILLWRIGHT_POD_UID";
/// Folder that the trainer writes the model to, or the evaluator reads it from.
pub const ENV_MODEL_DIR: &str = "MILLWRIGHT_MODEL_DIR";
/// Folder that the evaluator writes `metrics.json` and `predictions.csv` to.
pub const ENV_OUTPUT_DIR: &str = "MILLWRIGHT_OUTPUT_DIR";
/// File that the trainer may write its training rows to.
pub const ENV_TRAINING_ROWS: &str = "MILLWRIGHT_TRAINING_ROWS";
/// Seed of the run.
pub const ENV_SEED: &str = "MILLWRIGHT_SEED";
/// Address of the stage before, in a test gate.
pub const ENV_ENDPOINT: &str = "MILLWRIGHT_ENDPOINT";
/// Number of the version that a test gate checks.
pub const ENV_VERSION: &str = "MILLWRIGHT_VERSION";

/// `MILLWRIGHT_INPUT_<NAME>`: upper case, everything but letters and digits as `_`.
pub fn env_input(name: &str) -> String {
    format!("MILLWRIGHT_INPUT_{}", upper(name))
}

/// `PARAM_<NAME>`: upper case, everything but letters and digits as `_`.
pub fn env_parameter(name: &str) -> String {
    format!("PARAM_{}", upper(name))
}

fn upper(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// Exit codes of the agent's own failures, apart from those of user code.
pub mod exit {
    /// What the agent was asked can't be done: a bad task.
    pub const USAGE: i32 = 64;
    /// Data, a model or the store can't be had.
    pub const UNAVAILABLE: i32 = 69;
    /// The model could not be published.
    pub const PUBLISH_FAILED: i32 = 74;
    /// The evaluator failed or wrote no metrics.
    pub const EVALUATION_FAILED: i32 = 75;
    /// The command can't be started: as shells do.
    pub const NOT_EXECUTABLE: i32 = 126;
    /// The command doesn't exist: as shells do.
    pub const NOT_FOUND: i32 = 127;
}

/// Keys in the artifact store.
pub mod key {
    /// Bytes of a file.
    pub fn blob(hex: &str) -> String {
        format!("blobs/sha256/{}/{hex}", &hex[..2.min(hex.len())])
    }

    /// Manifest of a set of files; `digest` with or without `sha256:`.
    pub fn manifest(digest: &str) -> String {
        format!("manifests/sha256/{}.json", hex(digest))
    }

    /// List of a Dataset's versions.
    pub fn dataset_versions(namespace: &str, name: &str) -> String {
        format!("datasets/{namespace}/{name}/versions.json")
    }

    /// Profile of a Dataset version.
    pub fn dataset_profile(namespace: &str, name: &str, digest: &str) -> String {
        format!("datasets/{namespace}/{name}/{}/profile.bin", hex(digest))
    }

    /// Result of an attempt.
    pub fn run_result(uid: &str, attempt: u32) -> String {
        format!("runs/{uid}/{attempt}/result.json")
    }

    /// Result of an attempt's evaluation.
    pub fn run_evaluation(uid: &str, attempt: u32) -> String {
        format!("runs/{uid}/{attempt}/evaluation.json")
    }

    /// Reference profile of a model's training features.
    pub fn model_profile(namespace: &str, model: &str, digest: &str) -> String {
        format!("models/{namespace}/{model}/{}/profile.bin", hex(digest))
    }

    /// Reference profile of a model's predictions at its evaluation.
    pub fn model_predictions(namespace: &str, model: &str, digest: &str) -> String {
        format!("models/{namespace}/{model}/{}/predictions.bin", hex(digest))
    }

    /// The hexadecimal part of a digest.
    pub fn hex(digest: &str) -> &str {
        digest.strip_prefix("sha256:").unwrap_or(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_names() {
        assert_eq!(env_input("train-a"), "MILLWRIGHT_INPUT_TRAIN_A");
        assert_eq!(env_parameter("learning.rate"), "PARAM_LEARNING_RATE");
    }

    #[test]
    fn keys_take_digests_with_and_without_prefix() {
        assert_eq!(key::manifest("sha256:ab"), "manifests/sha256/ab.json");
        assert_eq!(key::manifest("ab"), "manifests/sha256/ab.json");
        assert_eq!(key::blob("abcd"), "blobs/sha256/ab/abcd");
    }
}
