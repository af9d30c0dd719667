//! Bytes of files, under their SHA-256.

use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use millwright_crds::wire::{contract::key, manifest::FileEntry};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Problem, Store, StoreError};

/// Bytes that are read and written at once: the smallest part that object stores take.
const PART: usize = 5 << 20;

impl Store {
    /// Puts a file under its digest; tells whether it had to be written. The bytes are hashed again
    /// on their way, so what ends up under a digest is what the digest says.
    ///
    /// # Errors
    /// [`Problem::Changed`] when the file is not what `entry` says any more, [`Problem::File`] when
    /// it can't be read; else what the store says.
    pub async fn put_blob(&self, file: &Path, entry: &FileEntry) -> Result<bool, StoreError> {
        let key = key::blob(&entry.sha256);
        let location = Self::key(&key)?;
        match self.objects.head(&location).await {
            Ok(known) if known.size == entry.size => return Ok(false),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(StoreError::of(&key, error)),
        }
        let unreadable = |error: std::io::Error| {
            let message = format!("{} can't be read: {error}", entry.path);
            StoreError::new(Problem::File, &key, message)
        };
        let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let mut upload = self
            .objects
            .put_multipart(&location)
            .await
            .map_err(|error| StoreError::of(&key, error))?;
        let copied = async {
            let mut hasher = Sha256::new();
            loop {
                let mut part = Vec::with_capacity(PART.min(entry.size as usize + 1));
                let read = (&mut source)
                    .take(PART as u64)
                    .read_to_end(&mut part)
                    .await
                    .map_err(unreadable)?;
                if read == 0 {
                    break;
                }
                hasher.update(&part);
                upload
                    .put_part(PutPayload::from_bytes(Bytes::from(part)))
                    .await
                    .map_err(|error| StoreError::of(&key, error))?;
            }
            if hex(hasher) == entry.sha256 {
                Ok(())
            } else {
                let message = format!(
                    "{} changed while it was being copied; try again when nobody writes to it",
                    entry.path
                );
                Err(StoreError::new(Problem::Changed, &key, message))
            }
        }
        .await;
        if let Err(error) = copied {
            if let Err(error) = upload.abort().await {
                tracing::debug!("the unfinished upload of {key} stays: {error}");
            }
            return Err(error);
        }
        upload
            .complete()
            .await
            .map_err(|error| StoreError::of(&key, error))?;
        Ok(true)
    }

    /// Copies a blob into an open file and verifies it. `what` names the file in messages.
    ///
    /// # Errors
    /// [`Problem::Corrupted`] when the bytes are not those of the digest.
    pub async fn get_blob(
        &self,
        entry: &FileEntry,
        target: &mut tokio::fs::File,
    ) -> Result<(), StoreError> {
        let key = key::blob(&entry.sha256);
        let failed = |error| StoreError::of(&key, error);
        let unwritable = |error: std::io::Error| {
            let message = format!("{} can't be written: {error}", entry.path);
            StoreError::new(Problem::File, &key, message)
        };
        let mut stream = self
            .objects
            .get(&Self::key(&key)?)
            .await
            .map_err(failed)?
            .into_stream();
        let mut hasher = Sha256::new();
        while let Some(part) = stream.next().await {
            let part = part.map_err(failed)?;
            hasher.update(&part);
            target.write_all(&part).await.map_err(unwritable)?;
        }
        target.flush().await.map_err(unwritable)?;
        let found = hex(hasher);
        if found == entry.sha256 {
            Ok(())
        } else {
            let message = format!(
                "the bytes of file {} have SHA-256 {found}, its manifest says {}; delete the key \
                 and publish or sync again to put it back",
                entry.path, entry.sha256
            );
            Err(StoreError::new(Problem::Corrupted, &key, message))
        }
    }
}

/// A finished hash in hexadecimal.
pub(super) fn hex(hasher: Sha256) -> String {
    format!("{:x}", hasher.finalize())
}
