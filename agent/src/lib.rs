//! What runs inside pods.
//!
//! One binary with a subcommand per role, the only thing that Millwright adds to a user's pod. It
//! is linked statically, because `exec` runs inside any image that a user brings. Each role reads
//! its task from `MILLWRIGHT_TASK`, one of the types of `crds::wire`, and says what came of it in
//! its termination message.
//!
//! This crate must never talk to the API server: its pods have no credentials for it.

pub mod gateway;
