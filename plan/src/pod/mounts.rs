//! Paths in a container: what we mount there must meet nothing else.

use k8s_openapi::api::core::v1::VolumeMount;

use crate::SpecError;

/// Folders that are the agent's in every container that it is put into.
const OURS: [&str; 2] = ["/millwright", "/etc/millwright"];

/// A path that the spec asks us to mount something at.
pub struct Wanted<'a> {
    /// The field that says so.
    pub field: String,
    /// The path.
    pub path: &'a str,
}

/// Refuses paths that two mounts of a container would share, and those that are the agent's.
/// `field` is the path of the container's `volumeMounts`.
///
/// # Errors
/// Names the field of the first path that can't be.
pub fn check(theirs: &[VolumeMount], field: &str, wanted: &[Wanted<'_>]) -> Result<(), SpecError> {
    let wanted = wanted.iter().map(|one| (one.field.clone(), one.path));
    let mounts = theirs.iter().enumerate().map(|(index, mount)| {
        let field = format!("{field}[{index}].mountPath");
        (field, mount.mount_path.as_str())
    });
    let mut seen: Vec<(String, String)> = vec![];
    for (field, said) in wanted.chain(mounts) {
        let path = normal(said);
        if let Some(ours) = OURS
            .iter()
            .find(|ours| covers(&path, ours) || covers(ours, &path))
        {
            let why = format!(
                "{said:?} can't be used, because {ours} is Millwright's own: choose another path"
            );
            return Err(SpecError::new(field, why));
        }
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == path) {
            let why = format!("{said:?} is the path of {other}, too: choose another");
            return Err(SpecError::new(field, why));
        }
        seen.push((field, path));
    }
    Ok(())
}

/// The path without what makes no difference.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether `inner` is `outer` or below it.
fn covers(outer: &str, inner: &str) -> bool {
    let rest = inner.strip_prefix(outer.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_clash_are_named() {
        for (paths, mounts, place) in [
            (vec!["/mnt/a", "/mnt/b"], vec!["/tmp", "/mnt"], None),
            (vec!["/mnt/a", "/mnt//a/"], vec![], Some("spec.paths[1]")),
            (
                vec!["/mnt/a"],
                vec!["/tmp", "/mnt/x/../a"],
                Some("mounts[1].mountPath"),
            ),
            (vec!["/"], vec![], Some("spec.paths[0]")),
            (vec!["/etc"], vec![], Some("spec.paths[0]")),
            (vec!["/etc/millwright/x"], vec![], Some("spec.paths[0]")),
            (vec!["/etc/millwrights"], vec![], None),
            (vec![], vec!["/millwright/bin"], Some("mounts[0].mountPath")),
            (vec![], vec!["/tmp", "/tmp"], Some("mounts[1].mountPath")),
        ] {
            let wanted: Vec<_> = paths
                .iter()
                .enumerate()
                .map(|(index, path)| Wanted {
                    field: format!("spec.paths[{index}]"),
                    path,
                })
                .collect();
            let mounts: Vec<_> = mounts
                .iter()
                .map(|path| VolumeMount {
                    mount_path: (*path).into(),
                    ..VolumeMount::default()
                })
                .collect();
            let found = check(&mounts, "mounts", &wanted)
                .err()
                .map(|error| error.field);
            assert_eq!(found.as_deref(), place, "{paths:?}");
        }
    }
}
