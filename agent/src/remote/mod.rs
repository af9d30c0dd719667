//! Object stores: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.
//!
//! How they are reached is in environment variables with the names that the field uses, such as
//! `AWS_ACCESS_KEY_ID`, put into the container from a Secret. Those of the artifact store begin
//! with `STORE_`, those of a source with `SOURCE_`, so that one pod can use two accounts; without
//! any, a cloud's own identity of the pod counts.

pub(crate) mod client;
mod options;
mod service;
mod trouble;

use std::sync::Arc;

use millwright_crds::wire::contract;
use object_store::{
    ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, path::Path as Key,
};

use self::{
    options::Options,
    service::Connector,
    trouble::{Kind, Trouble},
};
use crate::{failure::Failure, store::Problem};

/// Who offers an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Aws,
    Google,
    Azure,
}

impl Provider {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" => Some(Self::Aws),
            "gs" => Some(Self::Google),
            "az" => Some(Self::Azure),
            _ => None,
        }
    }

    /// How names of its variables begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::Aws => "AWS_",
            Self::Google => "GOOGLE_",
            Self::Azure => "AZURE_",
        }
    }

    /// The variables that credentials are in.
    fn credentials(self, code: Option<&str>) -> &'static str {
        match (self, code) {
            (Self::Aws, Some("SignatureDoesNotMatch")) => "AWS_SECRET_ACCESS_KEY",
            (Self::Aws, Some("InvalidAccessKeyId" | "XAdminUserNotFound")) => "AWS_ACCESS_KEY_ID",
            (Self::Aws, Some("AuthorizationHeaderMalformed")) => "AWS_REGION",
            (Self::Aws, _) => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            (Self::Google, _) => "GOOGLE_SERVICE_ACCOUNT_KEY",
            (Self::Azure, _) => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        }
    }

    /// The variable with the address of a server that isn't the cloud's own.
    fn endpoint(self) -> &'static str {
        match self {
            Self::Aws => "AWS_ENDPOINT_URL",
            Self::Google => "GOOGLE_BASE_URL",
            Self::Azure => "AZURE_STORAGE_ENDPOINT",
        }
    }
}

/// What an object store is used for, in words of those who set it up.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// What the store is: "the artifact store", "the source".
    pub what: &'static str,
    /// The setting with its URL.
    pub setting: &'static str,
    /// The setting with the name of its Secret.
    pub secret_setting: &'static str,
    /// The Secret, if one is named.
    pub secret: Option<String>,
    /// What its variables begin with.
    pub variables: &'static str,
}

/// A place in an object store.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    /// All objects of the bucket.
    pub objects: Arc<dyn ObjectStore>,
    /// What all keys begin with; may be empty.
    pub prefix: Key,
    provider: Provider,
    bucket: String,
    /// URL, and the server's address if it isn't the cloud's own.
    name: String,
    purpose: Arc<Use>,
}

impl Remote {
    /// Whether a URL is one of an object store.
    pub fn is(url: &str) -> bool {
        url.split_once("://")
            .is_some_and(|(scheme, _)| Provider::of(scheme).is_some())
    }

    /// The place at `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`. Nothing
    /// is asked of the server yet.
    ///
    /// # Errors
    /// When the URL or a variable can't be used.
    pub fn open(url: &str, purpose: Use) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::usage(format!("{} {url}: {why}", purpose.what));
        let (provider, rest) = url
            .split_once("://")
            .and_then(|(scheme, rest)| Some((Provider::of(scheme)?, rest)))
            .ok_or_else(|| wrong("allowed are s3://, gs:// and az://".into()))?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong(format!(
                "correct {}: it names no bucket",
                purpose.setting
            )));
        }
        let prefix = Key::parse(path.trim_matches('/'))
            .map_err(|error| wrong(format!("correct {}: {error}", purpose.setting)))?;
        let options = Options::of(provider.prefix(), purpose.variables);
        let secret = purpose.secret_words();
        let terms = options
            .terms()
            .map_err(|why| wrong(format!("correct {secret}: {why}")))?;
        let endpoint = options.endpoint(provider.endpoint());
        if endpoint.is_some_and(|address| address.starts_with("http://")) && !options.allows_http()
        {
            return Err(wrong(format!(
                "{} is an address without TLS: add {}ALLOW_HTTP=true to {secret}, or use https://",
                provider.endpoint(),
                provider.prefix()
            )));
        }
        let name = match endpoint {
            Some(address) => format!("{url} at {address}"),
            None => url.to_owned(),
        };
        let objects = build(provider, bucket, &options, Connector(terms))
            .map_err(|error| wrong(format!("correct {secret}: {error}")))?;
        Ok(Self {
            objects,
            prefix,
            provider,
            bucket: bucket.to_owned(),
            name,
            purpose: Arc::new(purpose),
        })
    }

    /// Its URL, and its server's address if that isn't the cloud's own.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong, as a kind and in words that name the place and what to do.
    pub fn explain(&self, error: &object_store::Error) -> (Problem, String) {
        let Trouble { kind, code, words } = Trouble::of(error);
        let Self {
            provider,
            bucket,
            name,
            purpose,
            ..
        } = self;
        let Use { what, setting, .. } = **purpose;
        let secret = purpose.secret_words();
        let keys = provider.credentials(code.as_deref());
        let endpoint = provider.endpoint();
        match kind {
            Kind::Absent => (Problem::Absent, format!("{what} {name} has no such key")),
            Kind::Denied => (
                Problem::Denied,
                format!(
                    "{what} {name} refuses the credentials ({words}): check {keys} in {secret}"
                ),
            ),
            Kind::NoCredentials => (
                Problem::Denied,
                format!("there are no credentials for {what} {name}: put {keys} into {secret}"),
            ),
            Kind::NoBucket => (
                Problem::Denied,
                format!("{what} {name} has no bucket {bucket}: create it, or correct {setting}"),
            ),
            Kind::Conflict => (
                Problem::Conflict,
                format!("{what} {name}: somebody else wrote at the same time"),
            ),
            Kind::Untrusted => (
                Problem::Denied,
                format!(
                    "the certificate of {what} {name} is not trusted ({words}): put the \
                     certificate of who signed it into {secret} as CA_CERTIFICATES"
                ),
            ),
            Kind::Unreachable => (
                Problem::Transient,
                format!(
                    "{what} {name} can't be reached ({words}): check {endpoint} in {secret}, and \
                     that the server runs and network policies let this pod go there"
                ),
            ),
            Kind::Slow => (
                Problem::Transient,
                format!("{what} {name} is too slow ({words}): check the server and the network"),
            ),
            Kind::Unsupported => (
                Problem::Refused,
                format!("{what} {name} can't do what is needed ({words})"),
            ),
            Kind::Other => (
                Problem::Transient,
                format!("{what} {name} failed ({words})"),
            ),
        }
    }
}

impl Use {
    /// The artifact store, as the operator gives it.
    pub fn store(secret: Option<String>) -> Self {
        Self {
            what: "the artifact store",
            setting: "artifacts.url in the chart's values",
            secret_setting: "artifacts.secretName in the chart's values",
            secret,
            variables: contract::STORE_PREFIX,
        }
    }

    /// A Dataset's source.
    pub fn source(secret: Option<String>) -> Self {
        Self {
            what: "the source",
            setting: "source.uri",
            secret_setting: "source.credentials.secretName",
            secret,
            variables: contract::SOURCE_PREFIX,
        }
    }

    /// Where the variables are, or would be.
    fn secret_words(&self) -> String {
        match &self.secret {
            Some(name) => format!("Secret {name} of this namespace"),
            None => format!(
                "a Secret of this namespace, named in {}",
                self.secret_setting
            ),
        }
    }
}

/// A client of a bucket. It never tries again by itself: [`crate::store::with_retry`] does.
fn build(
    provider: Provider,
    bucket: &str,
    options: &Options,
    connector: Connector,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let never = RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    };
    Ok(match provider {
        Provider::Aws => Arc::new(
            options
                .parsed()
                .fold(AmazonS3Builder::new(), |builder, (key, value)| {
                    builder.with_config(key, value)
                })
                .with_bucket_name(bucket)
                .with_retry(never)
                .with_http_connector(connector)
                .build()?,
        ),
        Provider::Google => Arc::new(
            options
                .parsed()
                .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| {
                    builder.with_config(key, value)
                })
                .with_bucket_name(bucket)
                .with_retry(never)
                .with_http_connector(connector)
                .build()?,
        ),
        Provider::Azure => Arc::new(
            options
                .parsed()
                .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| {
                    builder.with_config(key, value)
                })
                .with_container_name(bucket)
                .with_retry(never)
                .with_http_connector(connector)
                .build()?,
        ),
    })
}
