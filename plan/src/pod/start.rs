//! Why the kubelet does not start a container, with what to do about it.

/// What the kubelet says, and how to make a Secret or ConfigMap that isn't there.
pub fn explain(message: &str) -> String {
    let missing = ["secret", "configmap"]
        .into_iter()
        .any(|kind| message.starts_with(kind) && message.ends_with("not found"));
    if missing {
        format!("{message} in this namespace: create it, and the container starts by itself")
    } else {
        message.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_can_be_made() {
        assert_eq!(
            explain("secret \"store\" not found"),
            "secret \"store\" not found in this namespace: create it, and the container starts by \
             itself"
        );
        let other = "couldn't find key a in Secret team/store";
        assert_eq!(explain(other), other);
    }
}
