//! What a role finds around it: paths, environment variables and the place for its last word.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use millwright_crds::wire::{self, TERMINATION_MESSAGE_LIMIT, Versioned, contract};

use crate::{failure::Failure, store::Store};

/// Kubernetes' default `terminationMessagePath`.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The paths of a container. They are below `/`, except in tests, which can't own `/mnt`.
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Paths below a root.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where an absolute path of the contract or of a task is.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Writes the termination message.
    ///
    /// # Errors
    /// When it can't be written, or is longer than Kubernetes keeps.
    pub fn leave_message(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > TERMINATION_MESSAGE_LIMIT {
            return Err(io::Error::other(format!(
                "the message has {} bytes, Kubernetes keeps {TERMINATION_MESSAGE_LIMIT}",
                bytes.len()
            )));
        }
        // In place: the kubelet mounts this very file.
        fs::write(self.path(TERMINATION_LOG), bytes)
    }

    /// Writes a result as termination message.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn leave_result<T: Versioned>(&self, result: &T) -> Result<(), Failure> {
        wire::write(result)
            .map_err(io::Error::other)
            .and_then(|bytes| self.leave_message(&bytes))
            .map_err(|error| {
                Failure::unavailable(format!("{TERMINATION_LOG} can't be written: {error}"))
            })
    }
}

/// The task of this role.
///
/// # Errors
/// When `MILLWRIGHT_TASK` is absent or of another release.
pub(crate) fn task<T: Versioned>() -> Result<T, Failure> {
    let text = variable(contract::ENV_TASK)?;
    wire::read(text.as_bytes())
        .map_err(|error| Failure::usage(format!("{}: {error}", contract::ENV_TASK)))
}

/// The artifact store of this pod.
///
/// # Errors
/// When `MILLWRIGHT_STORE` is absent or names no store, or its Secret can't be used.
pub(crate) fn store() -> Result<Store, Failure> {
    let secret = env::var(contract::ENV_STORE_SECRET).ok();
    Store::open(&variable(contract::ENV_STORE)?, secret)
}

/// The namespace of this pod.
///
/// # Errors
/// When `MILLWRIGHT_NAMESPACE` is absent.
pub(crate) fn namespace() -> Result<String, Failure> {
    variable(contract::ENV_NAMESPACE)
}

fn variable(name: &str) -> Result<String, Failure> {
    env::var(name).map_err(|_| {
        Failure::usage(format!(
            "environment variable {name} is missing or not UTF-8: the operator sets it, so this \
             pod was not made by it"
        ))
    })
}

/// Writes a file so that it is there whole or not at all.
///
/// # Errors
/// When the folder can't be written.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".millwright-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
