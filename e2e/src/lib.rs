//! What end-to-end tests of Millwright stand on: clusters of their own, the operator, waiting with
//! an end and a reason, and reading what the API server recorded.
//!
//! The tests are in `tests/`. Every cluster that they bring up is removed when they end, also after
//! a panic or an interrupt; what a killed run left is removed by the next one.
//!
//! This crate must never touch a cluster that it did not bring up.

pub mod apply;
pub mod audit;
pub mod cleanup;
pub mod cluster;
pub mod command;
pub mod diagnose;
pub mod fault;
pub mod http;
pub mod images;
pub mod installation;
pub mod machine;
pub mod operator;
pub mod quiet;
pub mod record;
pub mod scene;
pub mod suite;
pub mod wait;
