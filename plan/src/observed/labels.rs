use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use millwright_crds::{LABEL_ATTEMPT, LABEL_ROLE, LABEL_STAGE};

use super::LABEL_JOB;
use crate::{
    dataset::LABEL_REQUEST,
    model_deployment::{LABEL_GENERATION, LABEL_JOB_NAME, LABEL_REVISION},
};

/// What planners read. People and platforms put more on objects, and thousands of them are kept.
const READ: [&str; 8] = [
    LABEL_ATTEMPT,
    LABEL_GENERATION,
    LABEL_JOB,
    LABEL_JOB_NAME,
    LABEL_REQUEST,
    LABEL_REVISION,
    LABEL_ROLE,
    LABEL_STAGE,
];

/// The labels of an object that planners read, sorted by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Box<[(&'static str, Box<str>)]>);

impl Labels {
    /// Those of an object.
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        meta.labels.iter().flatten().collect()
    }

    /// A label's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        #[cfg(test)]
        assert!(READ.contains(&key), "label {key} is not kept");
        self.0
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| &**value)
    }

    /// The same with another one.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(name, _)| *name != key);
        others
            .map(|(name, value)| (*name, &**value))
            .chain([(key, value)])
            .collect()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(labels: I) -> Self {
        let kept = labels.into_iter().filter_map(|(key, value)| {
            let name = READ.into_iter().find(|name| *name == key.as_ref())?;
            Some((name, value.as_ref().into()))
        });
        let mut kept: Vec<_> = kept.collect();
        kept.sort_unstable();
        Self(kept.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_read_and_nothing_else() {
        let labels: Labels = [(LABEL_ROLE, "training"), ("app.kubernetes.io/name", "x")]
            .into_iter()
            .collect();
        assert_eq!(labels.get(LABEL_ROLE), Some("training"));
        assert_eq!(labels.get(LABEL_STAGE), None);
        assert_eq!(labels.0.len(), 1);
        let other = labels.with(LABEL_ROLE, "gate").with(LABEL_ATTEMPT, "2");
        assert_eq!(
            (other.get(LABEL_ROLE), other.get(LABEL_ATTEMPT)),
            (Some("gate"), Some("2"))
        );
    }

    #[test]
    #[should_panic(expected = "label other is not kept")]
    fn a_label_that_is_read_has_to_be_kept() {
        Labels::default().get("other");
    }
}
