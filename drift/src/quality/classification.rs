//! How often predicted classes were right.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Classes that are counted by name; pairs with further ones go to [`Classification::skipped`].
const MAX_CLASSES: usize = 1000;

/// Predicted classes against labels, with any number of classes up to 1,000: accuracy, and
/// precision, recall and F1 per class or as an average.
///
/// ```
/// use drift::quality::Classification;
/// let mut quality = Classification::default();
/// quality.observe("spam", "spam"); // label, prediction
/// quality.observe("ham", "spam");
/// assert_eq!(quality.accuracy(), Some(0.5));
/// assert_eq!(quality.class("spam").precision(), Some(0.5));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Classification {
    classes: BTreeMap<String, ClassMetrics>,
    #[serde(default)]
    skipped: u64,
}

/// Counts of one class, taken as the positive one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassMetrics {
    /// Predicted and right.
    pub true_positives: u64,
    /// Predicted and wrong.
    pub false_positives: u64,
    /// Not predicted though it was the label.
    pub false_negatives: u64,
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl ClassMetrics {
    /// Share in 0..=1 of the predictions of this class that were right; `None` if never
    /// predicted.
    pub fn precision(&self) -> Option<f64> {
        ratio(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// Share in 0..=1 of the labels of this class that were predicted; `None` if it never was the
    /// label.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positives, self.support())
    }

    /// Harmonic mean of precision and recall, 2·TP / (2·TP + FP + FN), in 0..=1; `None` if the
    /// class occurs neither as label nor as prediction.
    pub fn f1(&self) -> Option<f64> {
        ratio(
            2 * self.true_positives,
            self.true_positives + self.false_positives + self.support(),
        )
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.true_positives = self.true_positives.saturating_add(other.true_positives);
        self.false_positives = self.false_positives.saturating_add(other.false_positives);
        self.false_negatives = self.false_negatives.saturating_add(other.false_negatives);
    }

    /// How often the class was the label.
    pub fn support(&self) -> u64 {
        self.true_positives + self.false_negatives
    }
}

impl Classification {
    /// Adds one label and the class predicted for it.
    pub fn observe(&mut self, label: &str, prediction: &str) {
        for name in [label, prediction] {
            if !self.classes.contains_key(name) {
                if self.classes.len() >= MAX_CLASSES {
                    self.skipped += 1;
                    return;
                }
                self.classes
                    .insert(name.to_owned(), ClassMetrics::default());
            }
        }
        if label == prediction {
            self.add(label, |class| class.true_positives += 1);
        } else {
            self.add(label, |class| class.false_negatives += 1);
            self.add(prediction, |class| class.false_positives += 1);
        }
    }

    fn add(&mut self, name: &str, change: impl FnOnce(&mut ClassMetrics)) {
        if let Some(class) = self.classes.get_mut(name) {
            change(class);
        }
    }

    /// Adds another accumulator's pairs. Classes are kept whatever their number: the bound is on
    /// what one accumulator observes.
    pub fn merge(&mut self, other: &Self) {
        for (name, theirs) in &other.classes {
            self.classes.entry(name.clone()).or_default().add(theirs);
        }
        self.skipped = self.skipped.saturating_add(other.skipped);
    }

    /// Number of pairs that count.
    pub fn count(&self) -> u64 {
        self.classes.values().map(ClassMetrics::support).sum()
    }

    /// Number of pairs left out because their class came after the first 1,000.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Share in 0..=1 of right predictions; `None` without pairs. Misleads when one class is rare:
    /// always answering the frequent one scores high.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(
            self.classes
                .values()
                .map(|class| class.true_positives)
                .sum(),
            self.count(),
        )
    }

    /// The counts of one class; all zero if it never occurred.
    pub fn class(&self, name: &str) -> ClassMetrics {
        self.classes.get(name).copied().unwrap_or_default()
    }

    /// The classes seen, in order of their names.
    pub fn classes(&self) -> impl ExactSizeIterator<Item = (&str, &ClassMetrics)> {
        self.classes
            .iter()
            .map(|(name, class)| (name.as_str(), class))
    }

    /// Unweighted mean of the classes' precision, 0 for a class never predicted (scikit-learn's
    /// `average="macro", zero_division=0`); `None` without pairs.
    pub fn macro_precision(&self) -> Option<f64> {
        self.macro_mean(ClassMetrics::precision)
    }

    /// Unweighted mean of the classes' recall, 0 for a class that never was the label; `None`
    /// without pairs.
    pub fn macro_recall(&self) -> Option<f64> {
        self.macro_mean(ClassMetrics::recall)
    }

    /// Unweighted mean of the classes' F1; `None` without pairs.
    pub fn macro_f1(&self) -> Option<f64> {
        self.macro_mean(ClassMetrics::f1)
    }

    fn macro_mean(&self, metric: impl Fn(&ClassMetrics) -> Option<f64>) -> Option<f64> {
        let sum: f64 = self
            .classes
            .values()
            .map(|class| metric(class).unwrap_or(0.0))
            .sum();
        (!self.classes.is_empty()).then(|| sum / self.classes.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definitions_and_merges() {
        let pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("c", "a"), ("a", "a")];
        let mut whole = Classification::default();
        let mut halves = [Classification::default(), Classification::default()];
        for (index, (label, prediction)) in pairs.iter().enumerate() {
            whole.observe(label, prediction);
            halves[index % 2].observe(label, prediction);
        }
        let [mut first, second] = halves;
        first.merge(&second);
        assert_eq!(first, whole);
        assert_eq!(whole.accuracy(), Some(0.6));
        assert_eq!(whole.class("a").precision(), Some(2.0 / 3.0));
        assert_eq!(whole.class("a").recall(), Some(2.0 / 3.0));
        assert_eq!(whole.class("c").f1(), Some(0.0));
        assert_eq!(whole.class("d").f1(), None);
    }
}
