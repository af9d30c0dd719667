//! How an object store is reached, as the environment says.

use std::{collections::BTreeMap, env, str::FromStr};

use millwright_crds::common::Duration;

use super::client::Terms;

/// Certificates to trust besides the usual ones, as PEM.
const CA_CERTIFICATES: &str = "CA_CERTIFICATES";
/// The read timeout, e.g. `5m` for a slow line.
const READ_TIMEOUT: &str = "READ_TIMEOUT";

/// The variables of one object store, by names without what they begin with.
pub(super) struct Options {
    provider: &'static str,
    values: BTreeMap<String, String>,
}

impl Options {
    /// The variables of a provider, e.g. `AWS_…`; those that begin with `ours` before that win.
    pub fn of(provider: &'static str, ours: &str) -> Self {
        let all = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::from(provider, ours, all)
    }

    fn from(
        provider: &'static str,
        ours: &str,
        all: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let (mut values, mut given) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in all {
            // A Secret that was written with an editor ends with a line break.
            let value = value.trim().to_owned();
            if let Some(name) = name.strip_prefix(ours) {
                given.insert(name.to_owned(), value);
            } else if name.starts_with(provider) {
                values.insert(name, value);
            }
        }
        values.extend(given);
        Self { provider, values }
    }

    /// Those that the provider's client knows.
    pub fn parsed<K: FromStr>(&self) -> impl Iterator<Item = (K, &str)> {
        self.values
            .iter()
            .filter(|(name, _)| name.starts_with(self.provider))
            .filter_map(|(name, value)| {
                let key = name.to_ascii_lowercase().parse().ok()?;
                Some((key, value.as_str()))
            })
    }

    /// The address of the server, if it isn't the cloud's own.
    pub fn endpoint(&self, name: &str) -> Option<&str> {
        let shorter = name.trim_end_matches("_URL");
        let longer = format!("{name}_S3");
        [longer.as_str(), name, shorter]
            .into_iter()
            .find_map(|name| self.values.get(name))
            .map(String::as_str)
    }

    /// Whether addresses without TLS are allowed.
    pub fn allows_http(&self) -> bool {
        let name = format!("{}ALLOW_HTTP", self.provider);
        self.values
            .get(&name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// What the HTTP client is to be like.
    ///
    /// # Errors
    /// Names the variable that can't be used.
    pub fn terms(&self) -> Result<Terms, String> {
        let mut terms = Terms {
            authorities: self.values.get(CA_CERTIFICATES).cloned(),
            ..Terms::default()
        };
        if let Some(value) = self.values.get(READ_TIMEOUT) {
            let read = value
                .parse::<Duration>()
                .map_err(|error| format!("{READ_TIMEOUT}: {error}"))?;
            if read.is_zero() {
                return Err(format!("{READ_TIMEOUT} must be at least 1s"));
            }
            terms.read = read.as_std();
        }
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3ConfigKey;

    use super::*;

    fn options(all: &[(&str, &str)]) -> Options {
        let all = all
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Options::from("AWS_", "STORE_", all)
    }

    #[test]
    fn ours_win_and_others_are_left_alone() {
        let options = options(&[
            ("AWS_REGION", "of the pod"),
            ("AWS_ROLE_ARN", "role"),
            ("STORE_AWS_REGION", "ours\n"),
            ("SOURCE_AWS_REGION", "of the source"),
            ("STORE_GOOGLE_BUCKET", "of another provider"),
        ]);
        let parsed: Vec<(AmazonS3ConfigKey, &str)> = options.parsed().collect();
        assert_eq!(
            parsed,
            [
                (AmazonS3ConfigKey::Region, "ours"),
                (AmazonS3ConfigKey::RoleArn, "role")
            ]
        );
    }

    #[test]
    fn the_endpoint_has_three_names() {
        for name in ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let variable = format!("STORE_{name}");
            let options = options(&[(variable.as_str(), "http://s3")]);
            assert_eq!(
                options.endpoint("AWS_ENDPOINT_URL"),
                Some("http://s3"),
                "{name}"
            );
        }
    }

    #[test]
    fn times_are_read_and_refused_by_name() {
        let read = |value| options(&[("STORE_READ_TIMEOUT", value)]).terms();
        assert_eq!(read("5m").unwrap().read.as_secs(), 300);
        for value in ["0s", "5 minutes"] {
            assert!(read(value).unwrap_err().contains("READ_TIMEOUT"), "{value}");
        }
    }
}
