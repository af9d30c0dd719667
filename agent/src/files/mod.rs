//! Sets of files on disk.

mod hash;
mod permission;
mod walk;

pub(crate) use hash::{Fingerprint, HashingReader, hash};
pub(crate) use permission::let_others_read;
pub(crate) use walk::{LocalFile, file_name, walk};
