//! Distances between two distributions. A distance says how far apart they are, not whether the
//! difference could be chance.

mod binned;
mod zero;

pub use binned::{PSI_FLOOR, psi};
pub use zero::ZeroBins;
