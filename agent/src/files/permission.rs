//! Lets the sidecar read what user code wrote.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

/// Adds read permission for everybody, to a file or to a folder and all below it: a library that
/// writes through a temporary file leaves it readable for its own user only, and the sidecar is
/// another. Links are left alone. A file that isn't ours stays as it is: the sidecar names it if it
/// can't read it.
pub(crate) fn let_others_read(path: &Path) {
    match open_up(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("{} can't be made readable: {error}", path.display());
        }
        _ => {}
    }
}

fn open_up(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let needed = if metadata.is_dir() { 0o555 } else { 0o444 };
    if mode & needed != needed {
        fs::set_permissions(path, fs::Permissions::from_mode(mode | needed))?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let_others_read(&entry?.path());
        }
    }
    Ok(())
}
