//! How good predictions were, from labels, as accumulators that merge over replicas and windows.

mod classification;
mod regression;
mod sum;

pub use classification::{ClassMetrics, Classification};
pub use regression::Regression;
