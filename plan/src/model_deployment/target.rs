//! Which version a deployment wants.

use millwright_crds::{ModelVersion, model_deployment::CurrentStageVersion};

use super::Observed;
use crate::Reason;

/// A version: its number and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Number.
    pub number: u32,
    /// Digest of its files.
    pub digest: String,
}

impl Version {
    /// The version that a record of the registry is about.
    pub fn of(record: &ModelVersion) -> Self {
        Self {
            number: record.spec.version,
            digest: record.spec.artifact.digest.clone(),
        }
    }

    /// The version that a stage serves.
    pub fn serving(current: &CurrentStageVersion) -> Self {
        Self {
            number: current.version,
            digest: current.digest.clone(),
        }
    }

    /// Its record in the registry. A record of the same number that was made anew with other files
    /// is another version.
    pub fn record<'a>(&self, versions: &'a [ModelVersion]) -> Option<&'a ModelVersion> {
        versions.iter().find(|record| Self::of(record) == *self)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}", self.number)
    }
}

/// Why there is no version to want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// One word.
    pub reason: Reason,
    /// What is missing and what to do, in words.
    pub message: String,
}

/// The version that the first stage should serve. Deleting the record of a version that serves
/// changes nothing: it goes on serving by its digest, and `Latest` never goes back by itself.
pub(super) fn target(
    seen: &Observed,
    first: Option<&CurrentStageVersion>,
) -> Result<Version, Missing> {
    let selector = &seen.object.spec.model;
    let serving = first.map(Version::serving);
    if let Some(number) = selector.version {
        return seen
            .versions
            .iter()
            .map(Version::of)
            .find(|version| version.number == number)
            .or_else(|| serving.filter(|version| version.number == number))
            .ok_or_else(|| Missing {
                reason: Reason::ModelVersionMissing,
                message: format!(
                    "ModelVersion {0}-v{number} does not exist: waiting for it, or set \
                     spec.model.version to one that does (kubectl get mwmv)",
                    selector.name
                ),
            });
    }
    // Of two with the same number the last counts: the record, if it was made anew.
    serving
        .into_iter()
        .chain(seen.versions.iter().map(Version::of))
        .max_by_key(|version| version.number)
        .ok_or_else(|| Missing {
            reason: Reason::NoVersion,
            message: format!(
                "{0} has no version yet: train one, with a TrainingJob whose spec.model is {0}",
                selector.name
            ),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_deployment::fixtures;

    fn wanted(seen: &Observed, first: Option<u32>) -> Result<u32, Reason> {
        let current = first.map(|number| CurrentStageVersion {
            version: number,
            digest: fixtures::digest(number),
            since: String::new(),
            revision: String::new(),
        });
        target(seen, current.as_ref())
            .map(|version| version.number)
            .map_err(|missing| missing.reason)
    }

    #[test]
    fn latest_is_the_highest_and_never_goes_back() {
        for (versions, serving, expected) in [
            (&[][..], None, Err(Reason::NoVersion)),
            (&[1, 3, 2], None, Ok(3)),
            (&[1, 3, 2], Some(2), Ok(3)),
            (&[1], Some(2), Ok(2)),
            (&[], Some(2), Ok(2)),
        ] {
            let mut seen = fixtures::observed();
            seen.versions = versions.iter().map(|n| fixtures::version(*n)).collect();
            assert_eq!(wanted(&seen, serving), expected, "{versions:?} {serving:?}");
        }
    }

    #[test]
    fn a_pinned_version_must_exist_unless_it_serves() {
        for (versions, serving, expected) in [
            (&[1, 3][..], None, Ok(1)),
            (&[3], None, Err(Reason::ModelVersionMissing)),
            (&[3], Some(1), Ok(1)),
            (&[3], Some(2), Err(Reason::ModelVersionMissing)),
        ] {
            let mut seen = fixtures::observed();
            seen.object.spec.model.track = None;
            seen.object.spec.model.version = Some(1);
            seen.versions = versions.iter().map(|n| fixtures::version(*n)).collect();
            assert_eq!(wanted(&seen, serving), expected, "{versions:?} {serving:?}");
        }
    }

    #[test]
    fn a_record_made_anew_is_another_version() {
        let mut seen = fixtures::observed();
        seen.versions = vec![fixtures::version(2)];
        seen.versions[0].spec.artifact.digest = fixtures::digest(9);
        let current = CurrentStageVersion {
            version: 2,
            digest: fixtures::digest(2),
            since: String::new(),
            revision: String::new(),
        };
        assert_eq!(
            target(&seen, Some(&current)).unwrap().digest,
            fixtures::digest(9)
        );
    }
}
