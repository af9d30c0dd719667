//! Lists the files of a folder, whatever users put into it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalFile {
    /// Path relative to the set, with `/`.
    pub path: String,
    /// Where its bytes are.
    pub file: PathBuf,
}

/// The files below a folder whose relative paths are `wanted`, sorted by path. A link to a file is
/// followed when the file is in the folder too; any other link, and whatever is neither file nor
/// folder, is refused: its bytes could be anything, and change.
///
/// # Errors
/// A sentence that names the file or folder, and what to do.
pub(crate) fn walk(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<LocalFile>, String> {
    let root = folder
        .canonicalize()
        .map_err(|error| unreadable(&folder.display().to_string(), &error))?;
    let mut files = Vec::new();
    let mut folders = vec![(root.clone(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let named = if prefix.is_empty() { "." } else { &prefix };
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(named, &error))? {
            let entry = entry.map_err(|error| unreadable(named, &error))?;
            let path = format!("{prefix}{}", file_name(&entry.file_name())?);
            let kind = entry
                .file_type()
                .map_err(|error| unreadable(&path, &error))?;
            if kind.is_dir() {
                // Every ext4 volume has this folder of root's at its top.
                if path != "lost+found" {
                    folders.push((entry.path(), format!("{path}/")));
                }
            } else if wanted(&path) {
                let file = if kind.is_file() {
                    entry.path()
                } else if kind.is_symlink() {
                    follow(&root, &entry.path(), &path)?
                } else {
                    return Err(format!(
                        "{path} is neither a file nor a folder (a socket, pipe or device): remove \
                         it or leave it out"
                    ));
                };
                files.push(LocalFile { path, file });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The name of a file as text.
///
/// # Errors
/// When it is not UTF-8.
pub(crate) fn file_name(name: &std::ffi::OsStr) -> Result<&str, String> {
    name.to_str().ok_or_else(|| {
        format!(
            "the name of file {} is not UTF-8: rename it",
            name.display()
        )
    })
}

fn follow(root: &Path, link: &Path, path: &str) -> Result<PathBuf, String> {
    let target = link
        .canonicalize()
        .map_err(|error| format!("{path} is a link that leads nowhere ({error}): remove it"))?;
    if target.starts_with(root) && target.is_file() {
        Ok(target)
    } else {
        Err(format!(
            "{path} is a link to {}: only links to files of the same folder are followed; put a \
             copy there instead",
            target.display()
        ))
    }
}

fn unreadable(path: &str, error: &io::Error) -> String {
    format!("{path} can't be read: {error}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/c")).unwrap();
        fs::create_dir(folder.path().join("lost+found")).unwrap();
        for file in ["z.csv", "b/c/a.csv", "b.csv", "lost+found/x"] {
            fs::write(folder.path().join(file), file).unwrap();
        }
        folder
    }

    fn paths(folder: &Path) -> Result<Vec<String>, String> {
        walk(folder, &|_| true).map(|files| files.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn sorted_by_path() {
        let folder = folder();
        assert_eq!(
            paths(folder.path()).unwrap(),
            ["b.csv", "b/c/a.csv", "z.csv"]
        );
    }

    #[test]
    fn links_inside_are_followed_others_refused() {
        let folder = folder();
        symlink("../b.csv", folder.path().join("b/link.csv")).unwrap();
        assert!(
            paths(folder.path())
                .unwrap()
                .contains(&"b/link.csv".to_owned())
        );
        for (target, says) in [
            ("/etc/passwd", "/etc/passwd"),
            ("nowhere", "leads nowhere"),
            ("b", "only links to files"),
        ] {
            let link = folder.path().join("bad");
            symlink(target, &link).unwrap();
            let error = paths(folder.path()).unwrap_err();
            assert!(error.contains("bad") && error.contains(says), "{error}");
            assert!(walk(folder.path(), &|path| path != "bad").is_ok());
            fs::remove_file(link).unwrap();
        }
    }

    #[test]
    fn special_files_are_refused() {
        let folder = folder();
        let _socket = UnixListener::bind(folder.path().join("s")).unwrap();
        assert!(paths(folder.path()).unwrap_err().contains("socket"));
    }
}
