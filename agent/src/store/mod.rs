//! The artifact store: blobs by their SHA-256, manifests by theirs, and documents by key.
//!
//! Everything appears whole or not at all. On a volume a file is written under a temporary name,
//! flushed to disk and renamed, so a crash leaves at most a temporary file that nobody reads; an
//! object store shows an object when all of it is there. Blobs and manifests never change; writing
//! one twice, also from two pods at once, ends in the same bytes.

mod blob;
mod document;
mod error;
mod manifest;
mod retry;

use std::{path::PathBuf, sync::Arc};

use object_store::{ObjectStore, local::LocalFileSystem, path::Path as Key};

pub(crate) use error::{Problem, StoreError};
pub(crate) use retry::{Patience, with_retry};

use crate::{
    failure::Failure,
    remote::{Remote, Use},
};

/// The store of one installation.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    place: Place,
}

/// Where a store is.
#[derive(Clone, Debug)]
enum Place {
    /// A folder, the one that a claim is mounted at.
    Folder(Arc<LocalFileSystem>),
    /// A bucket.
    Remote(Remote),
}

impl Store {
    /// Opens the store at a `file:///…` URL, the folder that a claim is mounted at, or at the URL
    /// of an object store, whose credentials are in the named Secret.
    ///
    /// # Errors
    /// When the URL is none, its folder can't be made, or its Secret can't be used.
    pub fn open(url: &str, secret: Option<String>) -> Result<Self, Failure> {
        if Remote::is(url) {
            let remote = Remote::open(url, Use::store(secret))?;
            return Ok(Self {
                objects: remote.objects.clone(),
                place: Place::Remote(remote),
            });
        }
        let folder = url
            .strip_prefix("file://")
            .filter(|path| path.starts_with('/'))
            .map(PathBuf::from)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "MILLWRIGHT_STORE is \"{url}\"; allowed are file:///FOLDER, s3://, gs:// and \
                     az://"
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
        let objects = Arc::new(objects.with_fsync(true));
        Ok(Self {
            objects: objects.clone(),
            place: Place::Folder(objects),
        })
    }

    fn key(&self, key: &str) -> Result<Key, StoreError> {
        let parsed =
            Key::parse(key).map_err(|error| StoreError::new(Problem::Refused, key, error))?;
        Ok(match &self.place {
            Place::Folder(_) => parsed,
            Place::Remote(remote) => remote.prefix.parts().chain(parsed.parts()).collect(),
        })
    }

    /// Words that say which store it is, for messages that end with them.
    fn whereabouts(&self) -> String {
        match &self.place {
            Place::Folder(_) => String::new(),
            Place::Remote(remote) => format!(" (artifact store {})", remote.name()),
        }
    }

    /// What the store said of a key.
    fn failed(&self, key: &str, error: object_store::Error) -> StoreError {
        match &self.place {
            Place::Folder(_) => StoreError::of(key, error),
            Place::Remote(remote) => {
                let (problem, detail) = remote.explain(&error);
                StoreError::remote(problem, key, detail)
            }
        }
    }
}
