//! The serialized form.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `MWDRIFT` and a zero byte |
//! | 4 | format version, little endian |
//! | 8 | length of the payload, little endian |
//! | … | payload: the profile as JSON, UTF-8 |
//! | 4 | CRC-32 (ISO-HDLC) of everything before, little endian |
//!
//! Within one format version fields are only added: readers ignore what they do not know and
//! take a default for what is missing. A change that old readers would misread raises the
//! version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ColumnProfile, Profile};
use crate::{Error, Result};

/// Version of the serialized form that this crate writes, and the highest that it reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"MWDRIFT\0";
const HEADER: usize = 8 + 4 + 8;
const CHECKSUM: usize = 4;

/// The JSON form.
#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    version: u32,
    columns: BTreeMap<String, ColumnProfile>,
}

impl From<Profile> for Document {
    fn from(profile: Profile) -> Self {
        Self {
            version: FORMAT_VERSION,
            columns: profile.columns,
        }
    }
}

impl TryFrom<Document> for Profile {
    type Error = Error;

    fn try_from(document: Document) -> Result<Self> {
        check_version(document.version)?;
        for (name, column) in &document.columns {
            if let ColumnProfile::Numeric(column) = column {
                column.check(name)?;
            }
        }
        Ok(Self {
            columns: document.columns,
        })
    }
}

fn check_version(version: u32) -> Result<()> {
    if (1..=FORMAT_VERSION).contains(&version) {
        return Ok(());
    }
    Err(Error::Format(format!(
        "it has format version {version}, this program reads 1 to {FORMAT_VERSION}; use a newer one"
    )))
}

fn take<'a, const N: usize>(bytes: &'a [u8], what: &str) -> Result<(&'a [u8; N], &'a [u8])> {
    bytes
        .split_first_chunk()
        .ok_or_else(|| Error::Format(format!("it ends within the {what}")))
}

impl Profile {
    /// The profile as bytes with version and checksum.
    ///
    /// # Errors
    /// [`Error::Format`] if the profile cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let payload = serde_json::to_vec(self).map_err(|error| Error::Format(error.to_string()))?;
        let mut bytes = Vec::with_capacity(HEADER + payload.len() + CHECKSUM);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) of this or another version of the crate wrote.
    ///
    /// # Errors
    /// [`Error::Format`] says what is wrong: not a profile, a newer format, cut off, altered.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (magic, rest) = take::<8>(bytes, "magic number")?;
        if magic != MAGIC {
            return Err(Error::Format(
                "it does not begin with MWDRIFT; is it a profile?".into(),
            ));
        }
        let (version, rest) = take::<4>(rest, "version")?;
        check_version(u32::from_le_bytes(*version))?;
        let (length, rest) = take::<8>(rest, "length")?;
        let length = u64::from_le_bytes(*length);
        let expected = length.checked_add(CHECKSUM as u64);
        if expected != Some(rest.len() as u64) {
            return Err(Error::Format(format!(
                "it announces {length} bytes and a checksum, {} follow",
                rest.len()
            )));
        }
        let (payload, checksum) = rest.split_at(rest.len() - CHECKSUM);
        let (checksum, _) = take::<4>(checksum, "checksum")?;
        if crc32fast::hash(&bytes[..bytes.len() - CHECKSUM]) != u32::from_le_bytes(*checksum) {
            return Err(Error::Format(
                "its checksum is wrong: it was altered or damaged".into(),
            ));
        }
        serde_json::from_slice(payload).map_err(|error| Error::Format(error.to_string()))
    }
}
