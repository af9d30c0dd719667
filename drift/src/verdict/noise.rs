//! How large a distance gets by chance between equal distributions.

use super::Method;
use crate::special::{chi_squared_isf, normal_isf};

/// Chance that a distance exceeds its noise level between equal distributions.
const NOISE: f64 = 0.001;
/// The 99.9 % point of W₁/(σ·√(1/n + 1/m)) between equal light-tailed distributions, by
/// simulation: normal 3.1 to 3.4, uniform 3.3 to 3.6, exponential 3.3 to 3.7.
const WASSERSTEIN: f64 = 3.5;

/// What is known when a noise level is computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) reference: u64,
    pub(super) current: u64,
    /// Bins that either side fills.
    pub(super) bins: usize,
    /// Largest share of a bin, both sides together.
    pub(super) largest: f64,
}

/// The distance that equal distributions exceed with probability 0.001; zero for methods that have
/// a p-value.
///
/// With s = 1/n + 1/m, Σ (r − c)²/p is s times a χ² variable with bins − 1 degrees of freedom, and
/// for small differences PSI is that sum, KL half of it, Jensen–Shannon's divergence and the
/// square of Hellinger's distance an eighth; total variation is at most half its root (Cauchy and
/// Schwarz).
pub(super) fn level(method: Method, sizes: Sizes) -> f64 {
    let s = 1.0 / sizes.reference as f64 + 1.0 / sizes.current as f64;
    let freedom = sizes.bins.saturating_sub(1) as f64;
    let spread = if freedom > 0.0 {
        s * chi_squared_isf(NOISE, freedom)
    } else {
        0.0
    };
    match method {
        Method::Psi => spread,
        Method::KullbackLeibler => spread / 2.0,
        Method::JensenShannon | Method::Hellinger => (spread / 8.0).sqrt(),
        Method::TotalVariation => spread.sqrt() / 2.0,
        Method::LInfinity => {
            let bins = sizes.bins.max(1) as f64;
            let deviation = (sizes.largest * (1.0 - sizes.largest).max(0.0) * s).sqrt();
            normal_isf(NOISE / (2.0 * bins)) * deviation
        }
        Method::Wasserstein => WASSERSTEIN * s.sqrt(),
        _ => 0.0,
    }
}
