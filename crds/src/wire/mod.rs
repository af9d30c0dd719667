//! What pods and operator say to each other, versioned.
//!
//! Both sides compile against these types. A reader accepts a document of its own version and
//! refuses others with a message; the version changes when a reader of the old one would
//! misunderstand.

pub mod attempt;
pub mod contract;
pub mod evaluation;
pub mod manifest;
pub mod serving;
pub mod sync;

use serde::{Serialize, de::DeserializeOwned};

/// A document with a version.
pub trait Versioned: Serialize + DeserializeOwned {
    /// What the document is, for messages.
    const NAME: &'static str;
    /// The version that this program writes and reads.
    const VERSION: u32;
    /// The version that the document carries.
    fn version(&self) -> u32;
}

/// Why a document can't be read.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadError(String);

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

/// Reads a document, and refuses one of another version.
///
/// # Errors
/// When the bytes are not such a document, or of a version that this program doesn't know; the
/// message names the document.
pub fn read<T: Versioned>(bytes: &[u8]) -> Result<T, ReadError> {
    let document: T = serde_json::from_slice(bytes)
        .map_err(|error| ReadError(format!("{} can't be read: {error}", T::NAME)))?;
    if document.version() == T::VERSION {
        Ok(document)
    } else {
        Err(ReadError(format!(
            "{} has version {}, this program reads version {}: use an agent and an operator of \
             the same release",
            T::NAME,
            document.version(),
            T::VERSION
        )))
    }
}

/// The bytes of a document: JSON with keys in a fixed order.
///
/// # Errors
/// When a number is not finite and so has no JSON form.
pub fn write<T: Versioned>(document: &T) -> Result<Vec<u8>, ReadError> {
    serde_json::to_vec(document)
        .map_err(|error| ReadError(format!("{} can't be written: {error}", T::NAME)))
}

/// Implements [`Versioned`] for a struct with a `v` field.
macro_rules! versioned {
    ($type:ty, $name:literal, $version:literal) => {
        impl $crate::wire::Versioned for $type {
            const NAME: &'static str = $name;
            const VERSION: u32 = $version;
            // The field is `v` on the wire; a `version` beside it is one of data.
            #[allow(clippy::misnamed_getters)]
            fn version(&self) -> u32 {
                self.v
            }
        }
    };
}
pub(crate) use versioned;

/// Most bytes of a termination message: Kubernetes cuts at 4,096 without a word.
pub const TERMINATION_MESSAGE_LIMIT: usize = 4_096;
