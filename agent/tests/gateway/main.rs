//! The gateway over real sockets, in front of a small server that speaks the Open Inference
//! Protocol.

// Helpers of tests may panic as tests do; clippy's own exception covers test functions alone.
// The gate of a test's server is held while the test waits: that is what is tested.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::await_holding_lock)]

mod drops;
mod feedback;
mod lifecycle;
mod process;
mod profiles;
mod proxying;
mod support;
