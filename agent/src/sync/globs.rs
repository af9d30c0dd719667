//! Which files of a source are read.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use millwright_crds::dataset::Source;

use crate::failure::Failure;

/// `source.include` and `source.exclude`.
pub(super) struct Globs {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Globs {
    /// Reads the patterns. `*` and `?` stay within a folder, `**` doesn't.
    ///
    /// # Errors
    /// Names the pattern that is none.
    pub fn of(source: &Source) -> Result<Self, Failure> {
        Ok(Self {
            include: (!source.include.is_empty())
                .then(|| set("source.include", &source.include))
                .transpose()?,
            exclude: set("source.exclude", &source.exclude)?,
        })
    }

    /// Whether the file at a relative path is read.
    pub fn admit(&self, path: &str) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(path)) && self.spare(path)
    }

    /// Whether the file at a relative path is not excluded.
    pub fn spare(&self, path: &str) -> bool {
        !self.exclude.is_match(path)
    }
}

fn set(field: &str, patterns: &[String]) -> Result<GlobSet, Failure> {
    let wrong = |error: globset::Error| {
        Failure::usage(format!(
            "{field} has a pattern that can't be read: {error}; allowed are ?, *, **, [a-z] and \
             {{a,b}}"
        ))
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(
            GlobBuilder::new(pattern)
                .literal_separator(true)
                .build()
                .map_err(wrong)?,
        );
    }
    set.build().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn include_then_exclude() {
        let globs = Globs::of(&Source {
            uri: "pvc://data/".into(),
            include: vec!["*.csv".into(), "2013/**/*.csv".into()],
            exclude: vec!["old*".into()],
            credentials: None,
        })
        .unwrap();
        for (path, admitted) in [
            ("a.csv", true),
            ("old.csv", false),
            ("b/a.csv", false),
            ("2013/01/a.csv", true),
            ("2013/a.csv", true),
            ("a.txt", false),
        ] {
            assert_eq!(globs.admit(path), admitted, "{path}");
        }
    }
}
