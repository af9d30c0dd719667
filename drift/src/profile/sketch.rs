//! Apache DataSketches in the shape that profiles need: mergeable, serializable, never panicking.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datasketches::common::SearchCriteria;
use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::kll::{KllFloat, KllSketch};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Result};

/// log₂ of the registers of the distinct counter: 4 kB, standard error 1.04/√4096 ≈ 1.6 %.
const DISTINCT_LG_K: u8 = 12;
/// Slots of the frequent-values sketch: a value with more than 3.5/128 ≈ 2.7 % of the rows is
/// never missed, and counts are off by at most that share.
const FREQUENT_SLOTS: usize = 128;

fn invalid(error: &datasketches::error::Error) -> Error {
    Error::Format(error.to_string())
}

/// Values that are sorted together before they are sketched, and the fewest that are worth it.
const BATCH: usize = 8192;
const LEAST_BATCH: usize = 2048;
/// Least `k` of the sketch that a batch passes through. One no smaller than that of the sketch it
/// is merged into costs no accuracy.
const BATCH_K: u16 = 1024;

fn update(sketch: &mut KllSketch<KllFloat<f64>>, values: &[f64]) {
    for value in values {
        if let Ok(value) = KllFloat::<f64>::new(*value) {
            sketch.update(value);
        }
    }
}

/// Quantiles by a KLL sketch. Exact up to about `k` values; beyond, which values are kept is drawn
/// at random, and a rank is off by at most [`rank_error`](Self::rank_error) with 99 % confidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles(KllSketch<KllFloat<f64>>);

impl Quantiles {
    pub(crate) fn new(k: u16) -> Result<Self> {
        KllSketch::new(k).map(Self).map_err(|error| invalid(&error))
    }

    /// Adds finite values. Long slices are sorted first and go through a larger sketch: that is
    /// three times as fast, and no less accurate.
    pub(crate) fn observe(&mut self, finite: &[f64]) {
        for batch in finite.chunks(BATCH) {
            let large = if batch.len() < LEAST_BATCH {
                None
            } else {
                KllSketch::new(BATCH_K.max(self.0.k())).ok()
            };
            let Some(mut large) = large else {
                update(&mut self.0, batch);
                continue;
            };
            update(&mut large, &crate::sample::sorted(batch));
            // Merging fails beyond 2^64 values only.
            if self.0.merge(&large).is_err() {
                return;
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0).map_err(|error| invalid(&error))
    }

    /// Number of values seen.
    pub fn count(&self) -> u64 {
        self.0.n()
    }

    /// The value below or at which a share `p` in 0..=1 of the values lies; `None` if none was
    /// seen or `p` is out of range.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        self.0
            .quantile(p, SearchCriteria::Inclusive)
            .ok()
            .flatten()
            .map(KllFloat::into_inner)
    }

    /// Several quantiles at once, which is cheaper than one by one.
    pub fn quantiles(&self, p: &[f64]) -> Option<Vec<f64>> {
        let values = self
            .0
            .quantiles(p, SearchCriteria::Inclusive)
            .ok()
            .flatten()?;
        Some(values.into_iter().map(KllFloat::into_inner).collect())
    }

    /// Share of the values below each edge; `None` if there are no values or the edges are not
    /// strictly increasing.
    pub fn shares_below(&self, edges: &[f64]) -> Option<Vec<f64>> {
        let edges: Option<Vec<_>> = edges
            .iter()
            .map(|e| KllFloat::<f64>::new(*e).ok())
            .collect();
        let mut shares = self
            .0
            .cdf(&edges?, SearchCriteria::Exclusive)
            .ok()
            .flatten()?;
        shares.pop();
        Some(shares)
    }

    /// By how much a rank (a share of the values) may be off, with 99 % confidence.
    pub fn rank_error(&self) -> f64 {
        self.0.normalized_rank_error()
    }
}

/// Number of distinct values by a HyperLogLog sketch of 4 kB, standard error 1.6 %.
#[derive(Debug, Clone, PartialEq)]
pub struct Distinct(HllSketch);

impl Distinct {
    pub(crate) fn new() -> Result<Self> {
        HllSketch::new(DISTINCT_LG_K, HllType::Hll8)
            .map(Self)
            .map_err(|error| invalid(&error))
    }

    pub(crate) fn observe_numbers(&mut self, values: &[f64]) {
        for value in values {
            // Adding zero turns −0 into +0: they are one value.
            self.0.update((value + 0.0).to_bits());
        }
    }

    pub(crate) fn observe_text(&mut self, value: &str) {
        self.0.update(value);
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        let mut union = HllUnion::new(DISTINCT_LG_K).map_err(|error| invalid(&error))?;
        union.update(&self.0);
        union.update(&other.0);
        self.0 = union.to_sketch(HllType::Hll8);
        Ok(())
    }

    /// Estimated number of distinct values.
    pub fn estimate(&self) -> f64 {
        self.0.estimate()
    }
}

/// Frequent texts with upper and lower bounds of their counts (Misra–Gries).
#[derive(Debug, Clone)]
pub struct Frequent(FrequentItemsSketch<String>);

impl PartialEq for Frequent {
    fn eq(&self, other: &Self) -> bool {
        self.0.total_weight() == other.0.total_weight() && self.top() == other.top()
    }
}

/// A frequent value and the bounds of its true count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrequentValue {
    /// The value.
    pub value: String,
    /// It occurred at least this often.
    pub at_least: u64,
    /// It occurred at most this often.
    pub at_most: u64,
}

impl Frequent {
    pub(crate) fn new() -> Result<Self> {
        FrequentItemsSketch::new(FREQUENT_SLOTS)
            .map(Self)
            .map_err(|error| invalid(&error))
    }

    pub(crate) fn observe(&mut self, value: &str) {
        self.0.update(value.to_owned());
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    /// All values that may be frequent, the most frequent first (ties by name).
    pub fn top(&self) -> Vec<FrequentValue> {
        let rows = self.0.frequent_items(ErrorType::NoFalseNegatives);
        let mut top: Vec<_> = rows
            .into_iter()
            .map(|row| FrequentValue {
                value: row.item().clone(),
                at_least: row.lower_bound(),
                at_most: row.upper_bound(),
            })
            .collect();
        top.sort_by(|a, b| {
            b.at_most
                .cmp(&a.at_most)
                .then_with(|| a.value.cmp(&b.value))
        });
        top
    }
}

macro_rules! serde_as_base64 {
    ($type:ident, $inner:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&STANDARD.encode(self.0.serialize()))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let bytes = STANDARD.decode(&text).map_err(de::Error::custom)?;
                <$inner>::deserialize(&bytes)
                    .map($type)
                    .map_err(de::Error::custom)
            }
        }
    };
}

serde_as_base64!(Quantiles, KllSketch<KllFloat<f64>>);
serde_as_base64!(Distinct, HllSketch);
serde_as_base64!(Frequent, FrequentItemsSketch<String>);
