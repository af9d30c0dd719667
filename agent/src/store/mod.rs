//! The artifact store: blobs by their SHA-256, manifests by theirs, and documents by key.
//!
//! Everything appears whole or not at all. A file is written under a temporary name, flushed to
//! disk and renamed, so a crash leaves at most a temporary file that nobody reads. Blobs and
//! manifests never change; writing one twice, also from two pods at once, ends in the same bytes.

mod blob;
mod document;
mod error;
mod manifest;
mod retry;

use std::{path::PathBuf, sync::Arc};

use object_store::{local::LocalFileSystem, path::Path as Key};

pub(crate) use error::{Problem, StoreError};
pub(crate) use retry::{Patience, with_retry};

use crate::failure::Failure;

/// The store of one installation.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: Arc<LocalFileSystem>,
}

impl Store {
    /// Opens the store at a `file:///…` URL, the folder that a claim is mounted at.
    ///
    /// # Errors
    /// When the URL is none, or its folder can't be made.
    pub fn open(url: &str) -> Result<Self, Failure> {
        let folder = url
            .strip_prefix("file://")
            .filter(|path| path.starts_with('/'))
            .map(PathBuf::from)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "MILLWRIGHT_STORE is \"{url}\"; allowed is file:///FOLDER"
                ))
            })?;
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::unavailable(format!(
                "the artifact store at {} can't be used: {error}; check the volume that is \
                 mounted there",
                folder.display()
            ))
        };
        // A read-only mount can hold the folder already, and is good for reading.
        if !folder.is_dir() {
            std::fs::create_dir_all(&folder).map_err(|error| unusable(&error))?;
        }
        let objects =
            LocalFileSystem::new_with_prefix(&folder).map_err(|error| unusable(&error))?;
        Ok(Self {
            objects: Arc::new(objects.with_fsync(true)),
        })
    }

    fn key(key: &str) -> Result<Key, StoreError> {
        Key::parse(key).map_err(|error| StoreError::new(Problem::Refused, key, error))
    }
}
