//! Distances between two lists of counts over the same bins or categories.
//!
//! A distance says how far apart two distributions are, not whether the difference could be
//! chance: that depends on the number of rows (see [`crate::verdict`]). Distances that need the
//! values themselves (Wasserstein, energy, Kolmogorov–Smirnov's D) are methods of
//! [`crate::sample::Comparison`].

mod binned;
mod zero;

pub use binned::{
    PSI_FLOOR, hellinger, jensen_shannon, jensen_shannon_divergence, kullback_leibler, l_infinity,
    psi, total_variation,
};
pub use zero::ZeroBins;
