//! The kinds, and the many names people have for them.

use std::{fmt, str::FromStr};

use kube::core::ApiResource;
use millwright_crds::{Dataset, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob};

/// A kind of Millwright's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Dataset,
    TrainingJob,
    Model,
    ModelVersion,
    ModelDeployment,
    RetrainPolicy,
}

impl Kind {
    /// All kinds, in the order of the loop.
    pub const ALL: [Self; 6] = [
        Self::Dataset,
        Self::TrainingJob,
        Self::Model,
        Self::ModelVersion,
        Self::ModelDeployment,
        Self::RetrainPolicy,
    ];

    /// Group, version, kind and plural.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::Dataset => ApiResource::erase::<Dataset>(&()),
            Self::TrainingJob => ApiResource::erase::<TrainingJob>(&()),
            Self::Model => ApiResource::erase::<Model>(&()),
            Self::ModelVersion => ApiResource::erase::<ModelVersion>(&()),
            Self::ModelDeployment => ApiResource::erase::<ModelDeployment>(&()),
            Self::RetrainPolicy => ApiResource::erase::<RetrainPolicy>(&()),
        }
    }

    /// The short name that `kubectl` knows too.
    pub fn short(self) -> &'static str {
        match self {
            Self::Dataset => "mwds",
            Self::TrainingJob => "mwtj",
            Self::Model => "mwm",
            Self::ModelVersion => "mwmv",
            Self::ModelDeployment => "mwmd",
            Self::RetrainPolicy => "mwrp",
        }
    }

    /// Whether it runs to an end.
    pub fn ends(self) -> bool {
        self == Self::TrainingJob
    }

    /// Reads a kind, plural, short name, or a short name without `mw`: in this plugin nothing else
    /// can be meant.
    fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let word = word
            .split_once('.')
            .map_or(word.as_str(), |(first, group)| {
                if group == millwright_crds::GROUP || group.ends_with(".millwright.dev") {
                    first
                } else {
                    ""
                }
            });
        Self::ALL.into_iter().find(|kind| {
            let resource = kind.resource();
            word == resource.kind.to_ascii_lowercase()
                || word == resource.plural
                || word == kind.short()
                || Some(word) == kind.short().strip_prefix("mw")
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource().kind)
    }
}

/// An object of the namespace: `KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub kind: Kind,
    pub name: String,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text
            .split_once('/')
            .filter(|(kind, name)| !kind.is_empty() && !name.is_empty() && !name.contains('/'))
            .ok_or("write KIND/NAME, as in tj/flights-delay-first")?;
        let kind = Kind::parse(kind).ok_or_else(|| {
            let known: Vec<_> = Kind::ALL
                .iter()
                .map(|kind| format!("{} ({})", kind.resource().kind.to_lowercase(), kind.short()))
                .collect();
            format!(
                "there is no kind \"{kind}\"; there are: {}",
                known.join(", ")
            )
        })?;
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_kind_is_understood() {
        for word in [
            "RetrainPolicy",
            "retrainpolicies",
            "retrainpolicy.millwright.dev",
            "retrainpolicies.v1alpha1.millwright.dev",
            "mwrp",
            "rp",
        ] {
            let reference: Reference = format!("{word}/a").parse().unwrap();
            assert_eq!(reference.kind, Kind::RetrainPolicy, "{word}");
        }
    }

    #[test]
    fn short_names_are_those_of_the_crds() {
        for crd in millwright_crds::generate::crds() {
            let kind = Kind::parse(&crd.spec.names.kind).unwrap();
            assert_eq!(crd.spec.names.short_names, Some(vec![kind.short().into()]));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let no_name = "flights".parse::<Reference>().unwrap_err();
        assert!(no_name.contains("KIND/NAME"), "{no_name}");
        for word in ["pod/x", "datasets.example.org/x"] {
            let unknown = word.parse::<Reference>().unwrap_err();
            assert!(unknown.contains("trainingjob (mwtj)"), "{unknown}");
        }
    }
}
