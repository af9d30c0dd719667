//! Metrics with a known direction.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which side of a metric is good.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Higher is better.
    Maximize,
    /// Lower is better.
    Minimize,
}

impl Goal {
    /// How much better `candidate` is than `reference`, in the metric's unit; negative is worse.
    pub fn improvement(self, candidate: f64, reference: f64) -> f64 {
        match self {
            Self::Maximize => candidate - reference,
            Self::Minimize => reference - candidate,
        }
    }
}

/// Metrics where higher is better.
pub const MAXIMIZED: [&str; 6] = ["accuracy", "precision", "recall", "f1", "auc", "r2"];
/// Metrics where lower is better.
pub const MINIMIZED: [&str; 6] = ["logloss", "brier", "mae", "mse", "rmse", "mape"];

/// The direction of a metric that everybody knows; `None` for any other name.
pub fn known_goal(metric: &str) -> Option<Goal> {
    if MAXIMIZED.contains(&metric) {
        Some(Goal::Maximize)
    } else if MINIMIZED.contains(&metric) {
        Some(Goal::Minimize)
    } else {
        None
    }
}

/// CEL: `goal` is given beside a metric whose direction isn't known.
pub(crate) const GOAL_RULE: &str = "has(self.goal) || self.metric in ['accuracy', 'precision', 'recall', 'f1', 'auc', 'r2', 'logloss', 'brier', 'mae', 'mse', 'rmse', 'mape']";
/// What [`GOAL_RULE`] says.
pub(crate) const GOAL_MESSAGE: &str = "goal (Maximize or Minimize) is required for a metric whose direction is not known; known are accuracy, precision, recall, f1, auc, r2, logloss, brier, mae, mse, rmse and mape";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_names_every_known_metric() {
        for metric in MAXIMIZED.iter().chain(&MINIMIZED) {
            assert!(GOAL_RULE.contains(&format!("'{metric}'")), "{metric}");
            assert!(GOAL_MESSAGE.contains(metric), "{metric}");
        }
    }

    #[test]
    fn improvement_is_positive_when_better() {
        assert!(Goal::Minimize.improvement(9.0, 10.0) > 0.0);
        assert!(Goal::Maximize.improvement(0.9, 0.8) > 0.0);
    }
}
