//! Distances between two lists of counts over the same bins.

use super::zero::ZeroBins;
use crate::{Error, Result};

/// The share that [`psi`] customarily takes for an empty bin.
pub const PSI_FLOOR: f64 = 1e-4;

/// Both sides' shares.
pub(super) fn both(
    reference: &[u64],
    current: &[u64],
    zero: ZeroBins,
) -> Result<(Vec<f64>, Vec<f64>)> {
    if reference.len() != current.len() {
        return Err(Error::Length {
            what: "current counts",
            found: current.len(),
            expected: reference.len(),
        });
    }
    Ok((
        zero.shares("reference", reference)?,
        zero.shares("current", current)?,
    ))
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
    let (r, c) = both(reference, current, zero)?;
    Ok(r.iter().zip(&c).map(|(r, c)| psi_term(*r, *c)).sum())
}

fn psi_term(r: f64, c: f64) -> f64 {
    match (r == 0.0, c == 0.0) {
        (true, true) => 0.0,
        (false, false) => (r - c) * (r / c).ln(),
        _ => f64::INFINITY,
    }
}
