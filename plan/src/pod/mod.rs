//! Pods: users' templates, decoded strictly, and the containers that we add to them.

pub mod agent;
pub mod inject;
pub mod start;
pub mod template;
