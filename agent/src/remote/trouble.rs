//! What object stores answer when something is wrong, sorted by what helps.

use std::error::Error as _;

use object_store::{
    Error,
    client::{HttpError, HttpErrorKind},
};

use super::client::chain;

/// Most characters of what a server says that a message repeats.
const WORDS: usize = 160;

/// Codes of S3, Google Cloud Storage and Azure that mean that the credentials are no good, whatever
/// the status of the answer is.
const DENIALS: [&str; 14] = [
    "AccessDenied",
    "AccountProblem",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationHeaderMalformed",
    "AuthorizationPermissionMismatch",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidSecurity",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    // Of versitygw, with status 404.
    "XAdminUserNotFound",
];

/// Codes that mean that there is nothing under a key. Not all that has status 404 means that.
const ABSENCES: [&str; 4] = [
    "BlobNotFound",
    "NoSuchKey",
    "NoSuchVersion",
    "ResourceNotFound",
];

/// Where machines in clouds have their credentials from.
const METADATA: [&str; 3] = [
    "169.254.169.254",
    "metadata.google.internal",
    "169.254.170.2",
];

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is nothing under the key.
    Absent,
    /// The credentials are refused.
    Denied,
    /// There are no credentials.
    NoCredentials,
    /// There is no such bucket.
    NoBucket,
    /// Somebody else wrote between our reading and our writing.
    Conflict,
    /// The server's certificate is not trusted.
    Untrusted,
    /// No connection.
    Unreachable,
    /// No answer in time, or one that comes too slowly.
    Slow,
    /// It can't do this, ever.
    Unsupported,
    /// Something else.
    Other,
}

/// What is wrong, the code that the server gave it, and what it said, or the connection.
pub(super) struct Trouble {
    pub kind: Kind,
    pub code: Option<String>,
    pub words: String,
}

impl Trouble {
    /// Sorts an error.
    pub fn of(error: &Error) -> Self {
        let text = chain(error);
        let code = element(&text, "Code");
        if let Some(http) = transport(error) {
            let words = http.source().map_or_else(|| http.to_string(), chain);
            let kind = match http.kind() {
                _ if METADATA.iter().any(|place| text.contains(place)) => Kind::NoCredentials,
                _ if words.contains("invalid peer certificate") => Kind::Untrusted,
                HttpErrorKind::Connect => Kind::Unreachable,
                HttpErrorKind::Timeout => Kind::Slow,
                _ => Kind::Other,
            };
            return Self {
                kind,
                code,
                words: cut(&words),
            };
        }
        let kind = match (code.as_deref(), error) {
            _ if METADATA.iter().any(|place| text.contains(place)) => Kind::NoCredentials,
            (Some("NoSuchBucket" | "ContainerNotFound"), _) => Kind::NoBucket,
            (Some("NotImplemented"), _) => Kind::Unsupported,
            (Some(code), _) if DENIALS.contains(&code) => Kind::Denied,
            (_, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => Kind::Denied,
            // An answer without a body has no code.
            (None, Error::NotFound { .. }) => Kind::Absent,
            (Some(code), _) if ABSENCES.contains(&code) => Kind::Absent,
            (
                _,
                Error::Precondition { .. }
                | Error::AlreadyExists { .. }
                | Error::NotModified { .. },
            ) => Kind::Conflict,
            (
                _,
                Error::InvalidPath { .. }
                | Error::NotSupported { .. }
                | Error::NotImplemented { .. },
            ) => Kind::Unsupported,
            _ => Kind::Other,
        };
        let said = element(&text, "Message");
        let words = match (&code, said) {
            (Some(code), Some(said)) => format!("{code}: {said}"),
            (Some(code), None) => code.clone(),
            (None, _) if kind == Kind::Denied => "403 without a reason".into(),
            (None, _) => text,
        };
        Self {
            kind,
            code,
            words: cut(&words),
        }
    }
}

/// The failure of the connection among the causes, if it is one.
fn transport(error: &Error) -> Option<&HttpError> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(http) = cause.downcast_ref() {
            return Some(http);
        }
        source = cause.source();
    }
    None
}

/// The text of an element in the XML of an answer.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.trim().to_owned())
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= WORDS {
        return line;
    }
    let mut short: String = line.chars().take(WORDS - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: &str) -> Trouble {
        let text = format!("<Error><Code>{code}</Code><Message>It is\n so.</Message></Error>");
        Trouble::of(&Error::Generic {
            store: "S3",
            source: text.into(),
        })
    }

    #[test]
    fn codes_are_sorted() {
        for (code, kind) in [
            ("NoSuchBucket", Kind::NoBucket),
            ("ContainerNotFound", Kind::NoBucket),
            ("SignatureDoesNotMatch", Kind::Denied),
            ("ExpiredToken", Kind::Denied),
            ("NotImplemented", Kind::Unsupported),
            ("SlowDown", Kind::Other),
        ] {
            let trouble = answer(code);
            assert_eq!(trouble.kind, kind, "{code}");
            assert_eq!(trouble.words, format!("{code}: It is so."));
        }
    }

    #[test]
    fn not_all_that_is_not_found_is_absent() {
        let answer = |source: &str| {
            let path = "a".to_owned();
            Trouble::of(&Error::NotFound {
                path,
                source: source.into(),
            })
            .kind
        };
        assert_eq!(answer(""), Kind::Absent);
        assert_eq!(answer("<Code>NoSuchKey</Code>"), Kind::Absent);
        assert_eq!(answer("<Code>XAdminUserNotFound</Code>"), Kind::Denied);
        assert_eq!(answer("<Code>NoSuchUpload</Code>"), Kind::Other);
    }

    #[test]
    fn words_are_cut() {
        let error = Error::Generic {
            store: "S3",
            source: "x".repeat(1_000).into(),
        };
        assert_eq!(Trouble::of(&error).words.chars().count(), WORDS);
    }
}
