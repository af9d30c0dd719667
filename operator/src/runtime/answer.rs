//! What the API server says when it refuses, in its own words.

/// The message, without the whole answer behind it.
pub(crate) fn said(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    // The library's word for it says nothing to people.
    let error: &(dyn std::error::Error + 'static) = match error {
        kube::Error::Service(cause) => cause.as_ref(),
        other => other,
    };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Whether nothing can be made any more because the namespace is being deleted.
pub(crate) fn namespace_ends(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403
        && causes
            .into_iter()
            .any(|cause| cause.reason == "NamespaceTerminating")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(status: serde_json::Value) -> kube::Error {
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn only_the_message_is_said() {
        let quota = refusal(json!({
            "status": "Failure", "code": 403, "reason": "Forbidden",
            "message": "pods \"a\" is forbidden: exceeded quota: small",
        }));
        assert_eq!(
            said(&quota),
            "pods \"a\" is forbidden: exceeded quota: small"
        );
        assert!(!namespace_ends(&quota));
    }

    #[test]
    fn the_end_of_a_namespace_is_known_by_its_cause() {
        let ends = refusal(json!({
            "status": "Failure", "code": 403, "reason": "Forbidden", "message": "forbidden",
            "details": {"causes": [{
                "reason": "NamespaceTerminating", "message": "", "field": "metadata.namespace",
            }]},
        }));
        assert!(namespace_ends(&ends));
    }
}
