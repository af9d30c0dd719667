//! Manifests: what a set of files is.

use serde::{Deserialize, Serialize};

use super::versioned;

/// A set of files, sorted by path. Its canonical JSON (this struct, no white space) is what is
/// hashed: the same bytes at the same paths have the same digest on any store.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Version of the document.
    pub v: u32,
    /// Files, sorted by path.
    pub files: Vec<FileEntry>,
}

/// One file of a manifest.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FileEntry {
    /// Path relative to the set, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// A manifest of these files, sorted.
    pub fn new(mut files: Vec<FileEntry>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { v: 1, files }
    }

    /// Bytes over all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

versioned!(Manifest, "the manifest", 1);
