//! The shell around every controller: watches and their stores, the queue, writes, status, events,
//! metrics, health and leader election.

pub(crate) mod answer;
pub(crate) mod apply;
pub(crate) mod client;
pub(crate) mod context;
pub(crate) mod controller;
pub(crate) mod edits;
pub(crate) mod election;
pub(crate) mod events;
pub(crate) mod fence;
pub(crate) mod fresh;
pub(crate) mod health;
pub(crate) mod index;
pub(crate) mod leader;
pub(crate) mod metrics;
pub(crate) mod ownership;
pub(crate) mod pull;
pub(crate) mod queue;
pub(crate) mod readable;
pub(crate) mod server;
pub(crate) mod status;
pub(crate) mod streams;
