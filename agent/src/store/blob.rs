//! Bytes of files, under their SHA-256.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use millwright_crds::wire::{contract::key, manifest::FileEntry};
use object_store::{
    GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutPayload,
    path::Path as Key,
    retry::{RetryContext, RetryPolicy},
};
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{Place, Problem, Store, StoreError};

/// Bytes that are read and written at once: the smallest part that object stores take.
const PART: u64 = 5 << 20;
/// Most parts of an upload that object stores take.
const PARTS: u64 = 10_000;
/// Longest time that a part is sent again in.
const AGAIN: Duration = Duration::from_secs(30);
/// Longest time for giving up an upload.
const ABORT: Duration = Duration::from_secs(5);
/// Bytes that a broken download must have brought to be gone on with at once.
const PROGRESS: u64 = 1 << 20;

impl Store {
    /// Puts a file under its digest; tells whether it had to be written. The bytes are hashed again
    /// on their way, so what ends up under a digest is what the digest says.
    ///
    /// # Errors
    /// [`Problem::Changed`] when the file is not what `entry` says any more, [`Problem::File`] when
    /// it can't be read; else what the store says.
    pub async fn put_blob(&self, file: &Path, entry: &FileEntry) -> Result<bool, StoreError> {
        let key = key::blob(&entry.sha256);
        let location = self.key(&key)?;
        let known = match self.objects.head(&location).await {
            Ok(known) => Some(known.size),
            Err(error) => match self.failed(&key, error) {
                error if error.problem == Problem::Absent => None,
                error if error.problem == Problem::Denied => {
                    return Err(self.reason(&key, &location).await.unwrap_or(error));
                }
                error => return Err(error),
            },
        };
        if known == Some(entry.size) {
            return Ok(false);
        }
        let mut source = Source::open(file, &key, entry).await?;
        if matches!(self.place, Place::Remote(_)) && known.is_none() && entry.size <= PART {
            let bytes = source.part(PART).await?.unwrap_or_default();
            source.verify().await?;
            self.put_new(&key, bytes).await?;
            return Ok(true);
        }
        self.put_in_parts(&key, &location, entry, source).await?;
        Ok(true)
    }

    /// Puts bytes that nobody else can have put otherwise: there already is as good.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        if matches!(self.place, Place::Folder(_)) {
            return self.put(key, bytes).await;
        }
        let put = self
            .objects
            .put_opts(&self.key(key)?, bytes.into(), PutMode::Create.into())
            .await;
        match put.map_err(|error| self.failed(key, error)) {
            Err(error) if error.problem != Problem::Conflict => Err(error),
            _ => Ok(()),
        }
    }

    async fn put_in_parts(
        &self,
        key: &str,
        location: &Key,
        entry: &FileEntry,
        mut source: Source<'_>,
    ) -> Result<(), StoreError> {
        let failed = |error| self.failed(key, error);
        let options = PutMultipartOptions::default().with_retry_policy(Arc::new(PartsAgain));
        let mut upload = self
            .objects
            .put_multipart_opts(location, options)
            .await
            .map_err(failed)?;
        let copied = async {
            let size = PART.max(entry.size.div_ceil(PARTS));
            while let Some(part) = source.part(size).await? {
                upload
                    .put_part(PutPayload::from_bytes(Bytes::from(part)))
                    .await
                    .map_err(failed)?;
            }
            source.verify().await
        }
        .await;
        if let Err(error) = copied {
            match timeout(ABORT, upload.abort()).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => tracing::debug!("the unfinished upload of {key} stays: {why}"),
                Err(_) => tracing::debug!("the unfinished upload of {key} stays"),
            }
            return Err(error);
        }
        upload.complete().await.map(drop).map_err(failed)
    }

    /// Why the store refuses a key: the answer to a question about it has no room for reasons, the
    /// answer to a question for it has.
    async fn reason(&self, key: &str, location: &Key) -> Option<StoreError> {
        let asked = self.objects.get(location).await;
        asked.err().map(|error| self.failed(key, error))
    }

    /// Copies a blob into an open file and verifies it. A connection that breaks after a while is
    /// made anew, and the rest is asked for.
    ///
    /// # Errors
    /// [`Problem::Corrupted`] when the bytes are not those of the digest.
    pub async fn get_blob(&self, entry: &FileEntry, target: &mut File) -> Result<(), StoreError> {
        let key = key::blob(&entry.sha256);
        let mut hasher = Sha256::new();
        let mut done = 0;
        loop {
            let before = done;
            match self
                .receive(&key, entry, target, &mut hasher, &mut done)
                .await
            {
                Ok(()) => break,
                Err(error) if error.problem == Problem::Transient && done - before >= PROGRESS => {
                    tracing::warn!("{error}; going on after {done} bytes");
                }
                Err(error) => return Err(error),
            }
        }
        let found = hex(hasher);
        if found == entry.sha256 {
            return Ok(());
        }
        let message = format!(
            "the bytes of file {} have SHA-256 {found}, its manifest says {}; delete the key and \
             publish or sync again to put it back{}",
            entry.path,
            entry.sha256,
            self.whereabouts()
        );
        Err(StoreError::new(Problem::Corrupted, &key, message))
    }

    /// Receives what is missing.
    async fn receive(
        &self,
        key: &str,
        entry: &FileEntry,
        target: &mut File,
        hasher: &mut Sha256,
        done: &mut u64,
    ) -> Result<(), StoreError> {
        let unwritable = |error: std::io::Error| {
            let message = format!("{} can't be written: {error}", entry.path);
            StoreError::new(Problem::File, key, message)
        };
        let options = GetOptions {
            range: (*done > 0).then_some(GetRange::Offset(*done)),
            ..GetOptions::default()
        };
        let mut stream = self
            .objects
            .get_opts(&self.key(key)?, options)
            .await
            .map_err(|error| self.failed(key, error))?
            .into_stream();
        while let Some(part) = stream.next().await {
            let part = part.map_err(|error| self.failed(key, error))?;
            target.write_all(&part).await.map_err(unwritable)?;
            hasher.update(&part);
            *done += part.len() as u64;
        }
        target.flush().await.map_err(unwritable)
    }
}

/// A file that is read in parts and hashed on the way.
struct Source<'a> {
    file: File,
    hasher: Sha256,
    key: &'a str,
    entry: &'a FileEntry,
}

impl<'a> Source<'a> {
    async fn open(path: &Path, key: &'a str, entry: &'a FileEntry) -> Result<Self, StoreError> {
        let file = File::open(path)
            .await
            .map_err(|error| unreadable(key, entry, &error))?;
        Ok(Self {
            file,
            hasher: Sha256::new(),
            key,
            entry,
        })
    }

    /// The next bytes, `size` of them except at the end.
    async fn part(&mut self, size: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let room = size.min(self.entry.size + 1);
        let mut part = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        let read = (&mut self.file)
            .take(size)
            .read_to_end(&mut part)
            .await
            .map_err(|error| unreadable(self.key, self.entry, &error))?;
        self.hasher.update(&part);
        Ok((read > 0).then_some(part))
    }

    /// That all bytes were read, and are those that were hashed before.
    async fn verify(mut self) -> Result<(), StoreError> {
        let ended = self.part(1).await?.is_none();
        if ended && hex(self.hasher) == self.entry.sha256 {
            return Ok(());
        }
        let message = format!(
            "{} changed while it was being copied; try again when nobody writes to it",
            self.entry.path
        );
        Err(StoreError::new(Problem::Changed, self.key, message))
    }
}

fn unreadable(key: &str, entry: &FileEntry, error: &std::io::Error) -> StoreError {
    let message = format!("{} can't be read: {error}", entry.path);
    StoreError::new(Problem::File, key, message)
}

/// Parts of an upload that fail soon are sent up to three times: a large file isn't begun again for
/// one of them.
#[derive(Debug)]
struct PartsAgain;

#[async_trait]
impl RetryPolicy for PartsAgain {
    async fn retry(&self, context: RetryContext) -> bool {
        if context.attempt >= 3 || context.elapsed >= AGAIN {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(500) * context.attempt as u32).await;
        true
    }
}

/// A finished hash in hexadecimal.
pub(super) fn hex(hasher: Sha256) -> String {
    format!("{:x}", hasher.finalize())
}
