//! Pods: users' templates, decoded strictly, and the containers that we add to them.

pub mod agent;
pub mod inject;
pub mod mounts;
pub mod parts;
pub mod quantity;
pub mod refused;
pub mod start;
pub mod template;
