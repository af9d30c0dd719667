//! p-values for many columns at once.

use serde::{Deserialize, Serialize};

/// What is done about testing many columns: at α = 0.05 one in twenty columns without drift has
/// p ≤ 0.05.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Correction {
    /// Nothing.
    None,
    /// p·k: at most α is the chance of any false alarm. The strictest.
    Bonferroni,
    /// Holm's step-down (1979): same promise as Bonferroni, never less power. Default.
    #[default]
    Holm,
    /// Benjamini and Hochberg (1995): at most α is the expected share of false alarms among the
    /// alarms. For many columns, where a few false alarms do no harm.
    BenjaminiHochberg,
}

impl Correction {
    /// Adjusted p-values in the order given, each to be compared with α; NaN counts as 1.
    ///
    /// ```
    /// use drift::verdict::Correction;
    /// let adjusted = Correction::Holm.adjust(&[0.01, 0.04, 0.03]);
    /// assert_eq!(adjusted, [0.03, 0.06, 0.06]);
    /// ```
    pub fn adjust(self, p_values: &[f64]) -> Vec<f64> {
        let p = |index: usize| {
            if p_values[index].is_nan() {
                1.0
            } else {
                p_values[index]
            }
        };
        let count = p_values.len();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| p(*a).total_cmp(&p(*b)));
        let mut adjusted = vec![0.0; count];
        let mut bound: f64 = 0.0;
        match self {
            Self::None => (0..count).for_each(|i| adjusted[i] = p(i)),
            Self::Bonferroni => {
                (0..count).for_each(|i| adjusted[i] = (p(i) * count as f64).min(1.0));
            }
            Self::Holm => {
                for (rank, index) in order.iter().enumerate() {
                    bound = bound.max(p(*index) * (count - rank) as f64).min(1.0);
                    adjusted[*index] = bound;
                }
            }
            Self::BenjaminiHochberg => {
                bound = 1.0;
                for (rank, index) in order.iter().enumerate().rev() {
                    bound = bound.min(p(*index) * (count as f64 / (rank + 1) as f64));
                    adjusted[*index] = bound;
                }
            }
        }
        adjusted
    }
}
