//! Decisions about ModelVersions.
