//! The special functions behind p-values.

use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::gamma::checked_gamma_ur;

/// P(X ≥ x) of a χ² distribution with `df` degrees of freedom; 1 for x ≤ 0 and for df = 0.
pub(crate) fn chi_squared_sf(x: f64, df: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 || df <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    checked_gamma_ur(df / 2.0, x / 2.0)
        .unwrap_or(f64::NAN)
        .clamp(0.0, 1.0)
}

/// The x that a χ² variable with `df` degrees of freedom exceeds with probability `p` in (0, 1).
pub(crate) fn chi_squared_isf(p: f64, df: f64) -> f64 {
    let (mut low, mut high) = (0.0, df.max(1.0));
    while chi_squared_sf(high, df) > p && high < 1e300 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if chi_squared_sf(middle, df) > p {
            low = middle;
        } else {
            high = middle;
        }
        if high - low <= 1e-13 * high {
            break;
        }
    }
    0.5 * (low + high)
}

/// P(|Z| ≥ |z|) of a standard normal Z.
pub(crate) fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The z that a standard normal variable exceeds with probability `p` in (0, 1).
pub(crate) fn normal_isf(p: f64) -> f64 {
    std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

/// e^q·K_ν(q), the scaled modified Bessel function of the second kind, for q > 0.
///
/// The trapezoidal rule on ∫₀^∞ e^(−q(cosh t − 1)) cosh(νt) dt converges faster than any power of
/// the step, because the integrand falls doubly exponentially.
pub(crate) fn scaled_bessel_k(nu: f64, q: f64) -> f64 {
    const STEP: f64 = 1.0 / 32.0;
    let mut sum = 0.5;
    let mut t = STEP;
    loop {
        let exponent = q * (t.cosh() - 1.0);
        if exponent > 745.0 || !exponent.is_finite() {
            return sum * STEP;
        }
        sum += (-exponent).exp() * (nu * t).cosh();
        t += STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_matches_its_closed_form() {
        // K_½(q) = √(π/2q)·e^(−q).
        for q in [1e-3, 0.1, 1.0, 30.0, 700.0] {
            let exact = (std::f64::consts::PI / (2.0 * q)).sqrt();
            assert!((scaled_bessel_k(0.5, q) / exact - 1.0).abs() < 1e-12, "{q}");
        }
    }

    #[test]
    fn quantiles_invert_tails() {
        for p in [0.5, 0.05, 1e-3, 1e-9] {
            assert!((chi_squared_sf(chi_squared_isf(p, 9.0), 9.0) / p - 1.0).abs() < 1e-8);
            assert!((normal_two_sided(normal_isf(p / 2.0)) / p - 1.0).abs() < 1e-8);
        }
    }
}
