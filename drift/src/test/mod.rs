//! Two-sample tests: could the difference be chance?
//!
//! Every p-value answers one question: if both samples came from one distribution, how likely
//! would a statistic at least this large be? It says nothing about size: with a million rows a
//! shift of a hundredth of a standard deviation gives p < 10⁻⁹. Read it together with an effect
//! size such as [`TestResult::statistic`] of Kolmogorov–Smirnov, or let
//! [`crate::verdict`] do so.
//!
//! All tests take values to be independent of each other. Neighbouring rows of a time series are
//! not: then every p-value here is too small.

mod anderson_darling;
mod cramer_von_mises;
mod kolmogorov;
mod kolmogorov_smirnov;
mod table;

use serde::{Deserialize, Serialize};

pub use anderson_darling::anderson_darling;
pub use cramer_von_mises::cramer_von_mises;
pub use kolmogorov_smirnov::{Exactness, kolmogorov_smirnov, ks_p_value};
pub use table::{
    Correction2x2, balanced_cramers_v, chi_squared, cramers_v, g_test, goodness_of_fit,
    two_proportions,
};

/// What a test found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// The test's statistic; its range is stated with each test.
    #[serde(with = "crate::float")]
    pub statistic: f64,
    /// Probability in 0..=1 of a statistic at least this large between equal distributions.
    #[serde(with = "crate::float")]
    pub p_value: f64,
}
