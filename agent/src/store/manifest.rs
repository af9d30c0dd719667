//! Manifests, under the SHA-256 of their canonical JSON.

use millwright_crds::wire::{
    self,
    contract::key,
    manifest::{FileEntry, Manifest},
};
use sha2::{Digest, Sha256};

use super::{Problem, Store, StoreError, blob::hex};

/// The digest of a set of files, `sha256:…`, and the bytes that it is of.
///
/// # Errors
/// Never for a manifest: it holds no number that JSON can't carry.
pub(crate) fn digest(manifest: &Manifest) -> Result<(String, Vec<u8>), StoreError> {
    let bytes = wire::write(manifest)
        .map_err(|error| StoreError::new(Problem::Refused, "manifests", error))?;
    let digest = format!("sha256:{}", hex(Sha256::new_with_prefix(&bytes)));
    Ok((digest, bytes))
}

impl Store {
    /// Puts a manifest under its digest, which it returns. All blobs must be there already: a
    /// manifest in the store is a promise.
    ///
    /// # Errors
    /// What the store says.
    pub async fn put_manifest(&self, manifest: &Manifest) -> Result<String, StoreError> {
        let (digest, bytes) = digest(manifest)?;
        let key = key::manifest(&digest);
        match self.get(&key).await? {
            Some(known) if *known == *bytes => {}
            Some(_) => self.put(&key, bytes).await?,
            None => self.put_new(&key, bytes).await?,
        }
        Ok(digest)
    }

    /// The manifest with a digest, verified.
    ///
    /// # Errors
    /// [`Problem::Absent`], and [`Problem::Corrupted`] when the document is not that of the digest
    /// or names paths outside its folder.
    pub async fn manifest(&self, digest: &str) -> Result<Manifest, StoreError> {
        let key = key::manifest(digest);
        let corrupted = |detail: String| StoreError::new(Problem::Corrupted, &key, detail);
        let bytes = self
            .get(&key)
            .await?
            .ok_or_else(|| StoreError::new(Problem::Absent, &key, "no such manifest"))?;
        let found = hex(Sha256::new_with_prefix(&bytes));
        if found != key::hex(digest) {
            return Err(corrupted(format!("its SHA-256 is {found}")));
        }
        let manifest: Manifest =
            wire::read(&bytes).map_err(|error| corrupted(error.to_string()))?;
        match manifest.files.iter().find(|file| !is_inside(file)) {
            Some(file) => Err(corrupted(format!(
                "path \"{}\" is not below its folder",
                file.path
            ))),
            None => Ok(manifest),
        }
    }
}

/// Whether a file's path stays below the folder that its set is put into.
fn is_inside(file: &FileEntry) -> bool {
    file.path
        .split('/')
        .all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FileEntry {
        FileEntry {
            path: path.into(),
            size: 3,
            sha256: "ab".into(),
        }
    }

    #[test]
    fn the_digest_is_of_the_set_not_of_its_order() {
        let one = digest(&Manifest::new(vec![file("a"), file("b/c")])).unwrap();
        let other = digest(&Manifest::new(vec![file("b/c"), file("a")])).unwrap();
        assert_eq!(one, other);
        assert_eq!(
            String::from_utf8(one.1).unwrap(),
            r#"{"v":1,"files":[{"path":"a","size":3,"sha256":"ab"},{"path":"b/c","size":3,"sha256":"ab"}]}"#
        );
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["a", "a/b.csv", "..a/b"] {
            assert!(is_inside(&file(path)), "{path}");
        }
        for path in ["/a", "a/../b", "..", "a//b", "./a", ""] {
            assert!(!is_inside(&file(path)), "{path}");
        }
    }
}
