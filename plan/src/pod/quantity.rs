//! Quantities such as `500m` or `2Gi`. The API server refuses a wrong one without saying where it is.

use serde_json::Value;

/// Suffixes of quantities; an exponent may stand in their place.
const SUFFIXES: [&str; 16] = [
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
];

/// Path and text of the first value of `template` that should be a quantity and is none.
pub fn first_wrong(template: &Value, path: &str) -> Option<(String, String)> {
    match template {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| first_wrong(item, &format!("{path}[{index}]"))),
        Value::Object(fields) => fields.iter().find_map(|(key, inner)| {
            let path = format!("{path}.{key}");
            match (key.as_str(), inner) {
                ("requests" | "limits" | "overhead", Value::Object(resources)) => resources
                    .iter()
                    .find_map(|(name, value)| wrong(value, format!("{path}.{name}"))),
                ("sizeLimit" | "divisor", value) => wrong(value, path),
                // Users name these themselves.
                ("labels" | "annotations", _) => None,
                _ => first_wrong(inner, &path),
            }
        }),
        _ => None,
    }
}

fn wrong(value: &Value, path: String) -> Option<(String, String)> {
    let text = value.as_str()?;
    (!is_quantity(text)).then(|| (path, text.to_owned()))
}

/// Whether Kubernetes reads this as a quantity.
fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let digits = number.chars().any(|c| c.is_ascii_digit());
    digits && number.matches('.').count() <= 1 && (SUFFIXES.contains(&suffix) || exponent(suffix))
}

fn exponent(suffix: &str) -> bool {
    let Some(power) = suffix.strip_prefix(['e', 'E']) else {
        return false;
    };
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities() {
        for good in [
            "1", "0.5", ".5", "5.", "-1", "+1", "100m", "2Gi", "1e3", "1E-2", "3E",
        ] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in [
            "", "a", "1 Gi", "1gb", "1.2.3", ".", "Gi", "1e", "1e+", "--1", "1KI", "½",
        ] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }

    #[test]
    fn the_place_is_named() {
        let resources = json!({"requests": {"cpu": "1"}, "limits": {"memory": "lots"}});
        let template = json!({
            "metadata": {"labels": {"limits": "none"}},
            "spec": {"containers": [{"name": "a"}, {"resources": resources}]},
        });
        let found = first_wrong(&template, "spec.template");
        let place = "spec.template.spec.containers[1].resources.limits.memory";
        assert_eq!(found, Some((place.into(), "lots".into())));
    }
}
