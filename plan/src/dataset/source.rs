//! Where a source is, in words of a pod: what is mounted, and where its folder is then.

use millwright_crds::dataset::Source;

use crate::SpecError;

/// Folder that a `pvc://` source's claim is mounted at. The claim's root is mounted, not the
/// source's folder: a folder that doesn't exist is then a clear error of the sync, and not one of
/// the kubelet that nobody reads.
pub(super) const MOUNT: &str = "/millwright/source";

/// A claim, and a folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Name of the PersistentVolumeClaim.
    pub name: String,
    /// Folder in it, without slashes at its ends; may be empty.
    folder: String,
}

impl Claim {
    /// The claim that a `pvc://` source names; `None` for any other source.
    ///
    /// # Errors
    /// When the claim can't have that name, or the folder would lead out of the claim.
    pub fn of(source: &Source) -> Result<Option<Self>, SpecError> {
        let Some(rest) = source.uri.strip_prefix("pvc://") else {
            return Ok(None);
        };
        let error = |message: String| SpecError::new("spec.source.uri", message);
        let (name, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_claim_name(name) {
            return Err(error(format!(
                "\"{name}\" can't be the name of a PersistentVolumeClaim: write pvc://CLAIM/FOLDER/ \
                 with a claim of lower-case letters, digits, '-' and '.'"
            )));
        }
        if folder.split('/').any(|part| part == "..") {
            return Err(error(format!(
                "\"{folder}\" leads out of the claim: write the folder without \"..\""
            )));
        }
        Ok(Some(Self {
            name: name.into(),
            folder: folder.trim_matches('/').into(),
        }))
    }

    /// Where the source's folder is in the container.
    pub fn path(&self) -> String {
        if self.folder.is_empty() {
            MOUNT.into()
        } else {
            format!("{MOUNT}/{}", self.folder)
        }
    }
}

/// Whether this is a DNS subdomain, as names of claims are.
fn is_claim_name(name: &str) -> bool {
    let label = |part: &str| {
        let edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(part.chars().next())
            && edge(part.chars().last())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(uri: &str) -> Result<Option<(String, String)>, String> {
        let source = Source {
            uri: uri.into(),
            include: vec![],
            exclude: vec![],
            credentials: None,
        };
        Claim::of(&source)
            .map(|claim| claim.map(|claim| (claim.name.clone(), claim.path())))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn claims_and_folders() {
        for (uri, name, path) in [
            ("pvc://feed", "feed", "/millwright/source"),
            ("pvc://feed/", "feed", "/millwright/source"),
            ("pvc://feed.v1/a/b/", "feed.v1", "/millwright/source/a/b"),
        ] {
            assert_eq!(claim(uri), Ok(Some((name.into(), path.into()))), "{uri}");
        }
        assert_eq!(claim("https://example.org/a.csv"), Ok(None));
    }

    #[test]
    fn refusals_name_the_field() {
        for (uri, part) in [
            ("pvc://Feed/", "\"Feed\""),
            ("pvc://-a/", "\"-a\""),
            ("pvc://a..b/", "\"a..b\""),
            ("pvc:///x", "\"\""),
            ("pvc://feed/a/../../b", "leads out"),
        ] {
            let error = claim(uri).unwrap_err();
            assert!(
                error.starts_with("spec.source.uri: ") && error.contains(part),
                "{uri}: {error}"
            );
        }
    }
}
