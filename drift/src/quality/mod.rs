//! How good predictions are: from labels, as accumulators that merge over replicas and windows;
//! or without labels, as an expectation ([`Cbpe`]).

mod binary;
mod cbpe;
mod classification;
mod isotonic;
mod ranking;
mod regression;
mod sum;

pub use binary::Binary;
pub use cbpe::{Cbpe, Estimate};
pub use classification::{ClassMetrics, Classification};
pub use isotonic::Isotonic;
pub use ranking::{Auc, Ranking};
pub use regression::Regression;
