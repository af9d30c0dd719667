//! What runs inside pods.
//!
//! One binary with a subcommand per role, the only thing that Millwright adds to a user's pod. It
//! is linked statically, because `exec` runs inside any image that a user brings. Each role reads
//! its task from `MILLWRIGHT_TASK`, one of the types of `millwright_crds::wire`, and says what
//! came of it in its termination message.
//!
//! This crate must never talk to the API server: its pods have no credentials for it. And `exec`
//! and `evaluate`, which run beside user code, must never hold credentials of the store.

pub mod cli;
mod collect;
mod environment;
mod evaluate;
mod exec;
mod failure;
mod fetch;
mod files;
pub mod gateway;
mod handover;
mod metrics;
mod remote;
mod run;
mod store;
mod supervisor;
mod sync;
mod table;
