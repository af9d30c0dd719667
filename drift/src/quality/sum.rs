//! A sum that does not lose small terms.

use serde::{Deserialize, Serialize};

/// Sum with Neumaier's compensation: accurate to about one rounding whatever the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sum {
    #[serde(with = "crate::float")]
    sum: f64,
    #[serde(with = "crate::float")]
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_finite() {
            self.lost += if self.sum.abs() >= value.abs() {
                (self.sum - sum) + value
            } else {
                (value - sum) + self.sum
            };
        }
        self.sum = sum;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.add(other.sum);
        self.add(other.lost);
    }

    pub(crate) fn value(&self) -> f64 {
        if self.sum.is_finite() {
            self.sum + self.lost
        } else {
            self.sum
        }
    }
}
