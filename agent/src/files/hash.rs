//! Hashes of files, and whether a file is still what was hashed.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use sha2::{Digest, Sha256};

/// What changes when somebody writes to a file or replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of its bytes or attributes.
    changed: (i64, i64),
}

impl Fingerprint {
    /// Of the file at a path.
    ///
    /// # Errors
    /// When it can't be asked for.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Hashes what is read through it.
pub(crate) struct HashingReader<R> {
    inner: R,
    hasher: Sha256,
    size: u64,
}

impl<R: Read> HashingReader<R> {
    /// Around a reader at its start.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            size: 0,
        }
    }

    /// Reads what is left, and returns size in bytes and SHA-256 in hexadecimal of everything.
    ///
    /// # Errors
    /// When reading fails.
    pub fn finish(mut self) -> io::Result<(u64, String)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.size, format!("{:x}", self.hasher.finalize())))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

/// Size in bytes and SHA-256 in hexadecimal of a file.
///
/// # Errors
/// When it can't be read.
pub(crate) fn hash(path: &Path) -> io::Result<(u64, String)> {
    HashingReader::new(io::BufReader::with_capacity(1 << 20, fs::File::open(path)?)).finish()
}
