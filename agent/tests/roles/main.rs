//! The roles of the agent, each as a real process in a folder that stands for a container.

mod collect;
mod evaluate;
mod exec;
mod fetch;
mod pod;
mod publish;
mod sync;
mod sync_http;
