//! The roles of the agent, each as a real process in a folder that stands for a container.

// The workspace allows these in tests; helpers beside the test functions are not seen as such.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod collect;
mod evaluate;
mod exec;
mod fetch;
mod object_store;
mod pod;
mod publish;
mod sync;
mod sync_http;
