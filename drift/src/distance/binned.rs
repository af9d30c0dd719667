//! Distances between two lists of counts over the same bins.

use super::zero::ZeroBins;
use crate::{Error, Result};

/// The share that [`psi`] customarily takes for an empty bin.
pub const PSI_FLOOR: f64 = 1e-4;

/// Both sides' shares, pairwise.
fn shares(
    reference: &[u64],
    current: &[u64],
    zero: ZeroBins,
) -> Result<impl Iterator<Item = (f64, f64)>> {
    if reference.len() != current.len() {
        return Err(Error::Length {
            what: "current counts",
            found: current.len(),
            expected: reference.len(),
        });
    }
    let r = zero.shares("reference", reference)?;
    let c = zero.shares("current", current)?;
    Ok(r.into_iter().zip(c))
}

/// Population stability index Σ (c − r)·ln(c / r) over the shares of two lists of counts.
///
/// Range 0..∞ (without a floor), zero if and only if the shares are equal, symmetric (it is
/// Jeffreys' divergence). Customary reading: below 0.1 stable, above 0.25 a major shift, from
/// credit scoring with ten bins of thousands of rows (Lewis, *An Introduction to Credit
/// Scoring*, 1994). Between equal distributions its expectation is about
/// (bins − 1)·(1/n + 1/m), so with ten bins and 100 rows it exceeds 0.1 by chance alone.
/// With [`ZeroBins::Floor`] the value depends on the floor as soon as a bin is empty.
///
/// # Errors
/// [`Error::Length`] if the lists differ in length, [`Error::TooFewValues`] if one has no
/// counts, [`Error::Argument`] for a zero-bin policy out of range.
///
/// ```
/// use drift::distance::{PSI_FLOOR, ZeroBins, psi};
/// let score = psi(&[50, 30, 20], &[30, 40, 30], ZeroBins::Floor(PSI_FLOOR))?;
/// assert!((score - 0.171479842809).abs() < 1e-9);
/// # Ok::<(), drift::Error>(())
/// ```
pub fn psi(reference: &[u64], current: &[u64], zero: ZeroBins) -> Result<f64> {
    let term = |(r, c): (f64, f64)| match (r == 0.0, c == 0.0) {
        (true, true) => 0.0,
        (false, false) => (c - r) * (c / r).ln(),
        _ => f64::INFINITY,
    };
    Ok(shares(reference, current, zero)?.map(term).sum())
}

/// Kullback–Leibler divergence KL(reference ‖ current) = Σ r·ln(r / c), in nats.
///
/// Range 0..∞, zero if and only if the shares are equal, not symmetric. Shares are made to sum to
/// one again after empty bins were filled, as scipy's `entropy` does. Infinite with
/// [`ZeroBins::Keep`] when the current side lacks a bin that the reference has.
///
/// # Errors
/// As [`psi`].
pub fn kullback_leibler(reference: &[u64], current: &[u64], zero: ZeroBins) -> Result<f64> {
    let pairs: Vec<(f64, f64)> = shares(reference, current, zero)?.collect();
    let (all_r, all_c) = pairs
        .iter()
        .fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    // Σ r·ln(r/c) = Σ (r·ln(r/c) − r + c), whose terms are never negative and don't cancel.
    let term = |(r, c): &(f64, f64)| {
        let (r, c) = (r / all_r, c / all_c);
        if r == 0.0 { c } else { r * excess((c - r) / r) }
    };
    Ok(pairs.iter().map(term).sum())
}

/// u − ln(1 + u) for u ≥ −1, without cancellation near zero.
fn excess(u: f64) -> f64 {
    if u.abs() > 0.1 {
        return u - u.ln_1p();
    }
    // With s = u/(2 + u), ln(1 + u) = 2·atanh(s), hence u − ln(1 + u) = s·u − 2·(s³/3 + s⁵/5 + …).
    let s = u / (2.0 + u);
    let square = s * s;
    let (mut power, mut series) = (s * square, 0.0);
    for odd in [3.0, 5.0, 7.0, 9.0, 11.0, 13.0] {
        series += power / odd;
        power *= square;
    }
    s * u - 2.0 * series
}

/// Jensen–Shannon divergence ½·KL(r ‖ m) + ½·KL(c ‖ m), m = (r + c)/2, with logarithms to `base`.
///
/// Range 0..=log_base 2 (1 for base 2, 0.693 for base e), zero if and only if the shares are
/// equal, symmetric, and finite with empty bins.
///
/// # Errors
/// [`Error::Length`], [`Error::TooFewValues`] as [`psi`]; [`Error::Argument`] if the base is not
/// above 1.
pub fn jensen_shannon_divergence(reference: &[u64], current: &[u64], base: f64) -> Result<f64> {
    if base.is_nan() || base <= 1.0 {
        return Err(Error::Argument {
            name: "base",
            value: base.to_string(),
            allowed: "above 1",
        });
    }
    let sum: f64 = shares(reference, current, ZeroBins::Keep)?
        .map(|(r, c)| {
            // With m the middle and r = m(1 + x), c = m(1 − x) the two terms are
            // m·((1 + x)·ln(1 + x) + (1 − x)·ln(1 − x)), which is never negative.
            let x = if r + c > 0.0 { (r - c) / (r + c) } else { 0.0 };
            let both = if x.abs() < 1.0 {
                2.0 * x * x.atanh() + (-x * x).ln_1p()
            } else {
                2.0 * std::f64::consts::LN_2
            };
            (r + c) / 2.0 * both
        })
        .sum();
    Ok((sum / 2.0).clamp(0.0, std::f64::consts::LN_2) / base.ln())
}

/// Jensen–Shannon distance: the root of [`jensen_shannon_divergence`], a metric.
///
/// Evidently uses base e (0..=0.833), NannyML base 2 (0..=1): their thresholds of 0.1 are not the
/// same.
///
/// # Errors
/// As [`jensen_shannon_divergence`].
pub fn jensen_shannon(reference: &[u64], current: &[u64], base: f64) -> Result<f64> {
    jensen_shannon_divergence(reference, current, base).map(f64::sqrt)
}

/// Hellinger distance √(1 − Σ √(r·c)), in 0..=1, a metric; 1 if no bin is shared. Computed as
/// √(½·Σ (√r − √c)²), which keeps its digits when the sides are close.
///
/// # Errors
/// [`Error::Length`], [`Error::TooFewValues`] as [`psi`].
pub fn hellinger(reference: &[u64], current: &[u64]) -> Result<f64> {
    let sum: f64 = shares(reference, current, ZeroBins::Keep)?
        .map(|(r, c)| (r.sqrt() - c.sqrt()).powi(2))
        .sum();
    Ok((sum / 2.0).sqrt().min(1.0))
}

/// Total variation distance ½·Σ |r − c|, in 0..=1, a metric: the largest difference that the two
/// sides give any set of bins; the share of rows that would have to move.
///
/// # Errors
/// [`Error::Length`], [`Error::TooFewValues`] as [`psi`].
pub fn total_variation(reference: &[u64], current: &[u64]) -> Result<f64> {
    let sum: f64 = shares(reference, current, ZeroBins::Keep)?
        .map(|(r, c)| (r - c).abs())
        .sum();
    Ok((sum / 2.0).min(1.0))
}

/// L∞ distance max |r − c|, in 0..=1, a metric: the largest change of a single bin's share. Blind
/// to many small changes. NannyML's `l_infinity`.
///
/// # Errors
/// [`Error::Length`], [`Error::TooFewValues`] as [`psi`].
pub fn l_infinity(reference: &[u64], current: &[u64]) -> Result<f64> {
    let pairs = shares(reference, current, ZeroBins::Keep)?;
    Ok(pairs.map(|(r, c)| (r - c).abs()).fold(0.0, f64::max))
}
