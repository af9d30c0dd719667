//! Does today's data still look like the data a model was trained on, and is the model still good?
//!
//! - [`profile`]: what a column looks like, in bounded memory, mergeable over replicas and time
//!   windows, with a serialized form.
//! - [`sample`]: raw values, sorted once; Kolmogorov–Smirnov's D, Wasserstein and energy distance.
//! - [`distance`]: distances between counts over the same bins.
//! - [`mod@test`]: two-sample tests with p-values.
//! - [`verdict`]: is it drift, given the numbers of rows and of columns?
//! - [`multivariate`]: what changes only in how columns go together.
//! - [`quality`]: how good predictions were, from labels, as mergeable accumulators; or are likely
//!   to be, without.
//! - [`evidently`]: what Evidently 0.7 would say.
//!
//! The crate does no I/O, has no clock and draws no conclusions about what to do: it returns
//! scores, p-values and verdicts.
//!
//! ```
//! use drift::profile::{LiveBuilder, ReferenceBuilder};
//!
//! let training: Vec<f64> = (0..1000).map(f64::from).collect();
//! let mut builder = ReferenceBuilder::default();
//! builder.observe_numeric("temperature", &training)?;
//! builder.observe_categorical("airport", ["JFK", "LGA", "EWR", "JFK"])?;
//! let reference = builder.finish()?;
//!
//! let mut live = LiveBuilder::new(&reference);
//! let warmer: Vec<f64> = training.iter().map(|t| t + 300.0).collect();
//! live.observe_numeric("temperature", &warmer)?;
//! let live = live.finish();
//!
//! let psi = reference.column("temperature")?.psi(live.column("temperature")?)?;
//! assert!(psi > 0.25);
//! # Ok::<(), drift::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod distance;
mod error;
pub mod evidently;
mod float;
pub mod multivariate;
pub mod profile;
pub mod quality;
pub mod sample;
mod special;
pub mod test;
pub mod verdict;

pub use error::{Error, Result};
