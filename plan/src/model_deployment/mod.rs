//! Decisions about model_deployments.
