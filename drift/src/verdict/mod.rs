//! From scores to verdicts: is it drift, given how much data there is and how many columns are
//! watched?
//!
//! A column drifts when the difference is *material* and *not chance*:
//!
//! - A test (χ², Kolmogorov–Smirnov, …) has a p-value against chance, and an effect size beside
//!   it that must reach a threshold, because with enough rows every p-value gets small.
//! - A distance (PSI, Wasserstein, …) is compared with the larger of its customary threshold and
//!   the noise level of this number of rows, because with few rows every distance gets large.
//!
//! | method | value | material from | chance |
//! |---|---|---|---|
//! | `Psi` | PSI, empty bins 10⁻⁴ | 0.1: a shift of ⅓ σ in ten quantile bins | noise level |
//! | `JensenShannon` | distance, base e | 0.1: as PSI 0.08 | noise level |
//! | `KullbackLeibler` | KL(ref ‖ cur), empty bins 10⁻⁴ | 0.05: half of PSI | noise level |
//! | `Hellinger` | distance | 0.1: as Jensen–Shannon | noise level |
//! | `TotalVariation` | share of rows that moved | 0.1 | noise level |
//! | `LInfinity` | largest change of a share | 0.1, as NannyML | noise level |
//! | `Wasserstein` | W₁/σ_ref | 0.1: a shift of 0.1 σ, as Evidently | noise level |
//! | `KolmogorovSmirnov`, `CramerVonMises`, `AndersonDarling` | D | 0.05: a shift of ⅛ σ | p ≤ α |
//! | `ChiSquared`, `GTest` | Cramér's V, as if sides had equal sizes | 0.1: Cohen's "small" | p ≤ α |
//! | `TwoProportions` | \|p₁ − p₂\| | 0.05 | p ≤ α |
//!
//! The noise level is exceeded by one in a thousand columns without drift. How often the defaults
//! alarm for nothing, and what they find, is measured in the guide (`docs/drift.md`).
//!
//! ```
//! use drift::profile::{LiveBuilder, ReferenceBuilder};
//! use drift::verdict::{Data, Outcome, Rule};
//!
//! let mut builder = ReferenceBuilder::default();
//! builder.observe_numeric("x", &(0..5000).map(f64::from).collect::<Vec<_>>())?;
//! let reference = builder.finish()?;
//! let mut live = LiveBuilder::new(&reference);
//! live.observe_numeric("x", &(2000..5000).map(f64::from).collect::<Vec<_>>())?;
//! let live = live.finish();
//! let data = Data::Profiles(reference.column("x")?, live.column("x")?);
//! let score = Rule::default().score(data)?;
//! assert_eq!(score.outcome, Outcome::Drift);
//! # Ok::<(), drift::Error>(())
//! ```

mod correction;
mod noise;
mod score;

use serde::{Deserialize, Serialize};

pub use correction::Correction;
pub use score::Data;

/// A method to compare a column with. Values and thresholds are in the [module's](self) table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Method {
    /// By type and size. Profiles: `Psi` for numbers, `ChiSquared` for categories. Values: up to
    /// ten distinct ones are taken as categories, else `KolmogorovSmirnov`. Categories that would
    /// have fewer than five rows on a side are counted together before `ChiSquared`.
    #[default]
    Auto,
    /// Population stability index.
    Psi,
    /// Jensen–Shannon distance, base e.
    JensenShannon,
    /// Kullback–Leibler divergence of the current from the reference.
    KullbackLeibler,
    /// Hellinger distance.
    Hellinger,
    /// Total variation distance.
    TotalVariation,
    /// Largest difference of a share.
    LInfinity,
    /// Wasserstein-1 over the reference's standard deviation.
    Wasserstein,
    /// Kolmogorov–Smirnov. On profiles D is taken at the edges only, so p is too large.
    KolmogorovSmirnov,
    /// Cramér–von Mises; values only.
    CramerVonMises,
    /// Anderson–Darling; values only.
    AndersonDarling,
    /// χ² of homogeneity.
    ChiSquared,
    /// G-test of homogeneity.
    GTest,
    /// Two proportions; two categories only.
    TwoProportions,
}

impl Method {
    /// From where on a difference is material; see the [module's](self) table.
    pub fn default_threshold(self) -> f64 {
        match self {
            Self::KullbackLeibler
            | Self::KolmogorovSmirnov
            | Self::CramerVonMises
            | Self::AndersonDarling
            | Self::TwoProportions => 0.05,
            _ => 0.1,
        }
    }
}

/// How a column is judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The method. Default `Auto`.
    pub method: Method,
    /// From where on a difference is material; a value given here is used as it is, without the
    /// noise level. Default: the larger of the method's default and the noise level.
    pub threshold: Option<f64>,
    /// The largest p-value that is not chance, in (0, 1). Default 0.01.
    pub alpha: f64,
    /// With fewer usable values on either side there is no verdict. Default 200: with fewer on
    /// both sides the noise level of ten bins exceeds PSI's 0.25, so that not even a major shift
    /// could be told from chance.
    pub min_samples: u64,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            threshold: None,
            alpha: 0.01,
            min_samples: 200,
        }
    }
}

/// What is said about a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The difference is material and not chance.
    Drift,
    /// It is not.
    NoDrift,
    /// One side has fewer than `min_samples` values.
    TooFewSamples,
}

/// A column's score and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// The method used; never `Auto`.
    pub method: Method,
    /// The distance or effect size.
    #[serde(with = "crate::float")]
    pub value: f64,
    /// What the value is compared with.
    #[serde(with = "crate::float")]
    pub threshold: f64,
    /// The p-value of a test; `None` for a distance. Corrected ones after [`judge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Usable values of the reference.
    pub reference: u64,
    /// Usable current values.
    pub current: u64,
    /// The verdict.
    pub outcome: Outcome,
}

/// The verdict on several columns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatasetVerdict {
    /// Columns that drift.
    pub drifted: usize,
    /// Columns with enough data.
    pub considered: usize,
    /// `drifted / considered` in 0..=1; 0 if none was considered.
    pub share: f64,
    /// `Drift` if the share reaches the one asked for.
    pub outcome: Outcome,
}

/// Corrects the p-values of several columns together, decides each anew, and says whether at least
/// `share` (in 0..=1) of the columns with enough data drift. Evidently's share is 0.5; with one
/// important column 1/k is right.
pub fn judge(
    scores: &mut [Score],
    correction: Correction,
    alpha: f64,
    share: f64,
) -> DatasetVerdict {
    let tested: Vec<usize> = (0..scores.len())
        .filter(|i| scores[*i].outcome != Outcome::TooFewSamples && scores[*i].p_value.is_some())
        .collect();
    let p_values: Vec<f64> = tested.iter().filter_map(|i| scores[*i].p_value).collect();
    for (index, p) in tested.into_iter().zip(correction.adjust(&p_values)) {
        scores[index].p_value = Some(p);
        scores[index].outcome = scores[index].decide(alpha);
    }
    let considered = scores
        .iter()
        .filter(|s| s.outcome != Outcome::TooFewSamples)
        .count();
    let drifted = scores
        .iter()
        .filter(|s| s.outcome == Outcome::Drift)
        .count();
    let found = if considered == 0 {
        0.0
    } else {
        drifted as f64 / considered as f64
    };
    let outcome = match considered {
        0 => Outcome::TooFewSamples,
        _ if drifted > 0 && found >= share => Outcome::Drift,
        _ => Outcome::NoDrift,
    };
    DatasetVerdict {
        drifted,
        considered,
        share: found,
        outcome,
    }
}

impl Score {
    fn decide(&self, alpha: f64) -> Outcome {
        let material = self.value >= self.threshold;
        let by_chance = self.p_value.is_some_and(|p| p > alpha || p.is_nan());
        if material && !by_chance {
            Outcome::Drift
        } else {
            Outcome::NoDrift
        }
    }
}
