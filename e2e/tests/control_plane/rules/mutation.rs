//! Manifests that break one rule.

use anyhow::{Context as _, Result, bail};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{
    cel,
    place::{Place, find},
    schema::{Check, Rule, Step},
};

/// A manifest that the API server must refuse.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The manifest.
    pub object: Value,
    /// The place that the refusal must name.
    pub place: String,
    /// Words that tell this rule's refusal from another's.
    pub words: String,
}

/// Breaks a rule in each way that there is a case for; `None` when the rule holds nowhere in this
/// manifest.
///
/// # Errors
/// When nothing that breaks it is known.
pub fn broken(rule: &Rule, valid: &Value) -> Result<Option<Vec<Broken>>> {
    let required = match &rule.check {
        Check::Required(name) => Some(name.as_str()),
        _ => None,
    };
    let fits = |value: &Value| required.is_none_or(|name| value.get(name).is_some());
    let Some(place) = find(valid, &rule.path, fits) else {
        return Ok(None);
    };
    if let Check::Cel(cel) = &rule.check {
        let below = cel.field.as_ref();
        let named = below.map_or_else(|| place.clone(), |field| place.field(field));
        // A rule of the whole object has no field of its own: its message names it.
        let named = if named.text.is_empty() {
            "metadata.name".into()
        } else {
            named.text
        };
        let patches = cel::patches(&cel.message)
            .with_context(|| format!("no case breaks \"{}\": write one in cel.rs", cel.message))?;
        let manifests = patches.iter().map(|patch| Broken {
            object: changed(valid, &place, |value| json_patch::merge(value, patch)),
            place: named.clone(),
            words: cel.message.clone(),
        });
        return Ok(Some(manifests.collect()));
    }
    let here = valid.pointer(&place.pointer).unwrap_or(&Value::Null);
    let (value, named, words) = bad_value(&rule.check, here, &place)?;
    Ok(Some(vec![Broken {
        object: changed(valid, &place, |old| *old = value.clone()),
        place: named,
        words,
    }]))
}

fn changed(valid: &Value, place: &Place, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = valid.clone();
    if let Some(value) = object.pointer_mut(&place.pointer) {
        change(value);
    }
    object
}

/// A value that breaks a check, the place that the refusal names, and words of it.
fn bad_value(check: &Check, here: &Value, place: &Place) -> Result<(Value, String, String)> {
    let at = place.text.clone();
    Ok(match check {
        Check::Required(name) => {
            let mut fields = here.as_object().cloned().unwrap_or_default();
            fields.remove(name);
            (fields.into(), place.field(name).text, "Required".into())
        }
        Check::Enum => (json!("Nonsense"), at, "Unsupported value".into()),
        Check::Pattern(pattern) => {
            let bad = mismatch(pattern, here.as_str().unwrap_or_default())?;
            (bad.into(), at, format!("should match '{pattern}'"))
        }
        Check::DateTime => (json!("yesterday"), at, "date-time".into()),
        Check::MinLength(least) => {
            let words = format!("should be at least {least} chars long");
            ("a".repeat(least.saturating_sub(1)).into(), at, words)
        }
        Check::MaxLength(most) => {
            let words = format!("may not be more than {most} ");
            ("a".repeat(most + 1).into(), at, words)
        }
        Check::Minimum(least) => {
            let words = "should be greater than or equal to".into();
            (number(*least, -1, here), at, words)
        }
        Check::Maximum(most) => {
            let words = "should be less than or equal to".into();
            (number(*most, 1, here), at, words)
        }
        Check::MinItems(least) => {
            let few = here.as_array().into_iter().flatten().take(least - 1);
            let words = format!("should have at least {least} items");
            (few.cloned().collect(), at, words)
        }
        Check::MaxItems(most) => {
            let many = std::iter::repeat_n(first(here)?, most + 1);
            (
                many.collect(),
                at,
                format!("must have at most {most} items"),
            )
        }
        Check::MaxProperties(most) => {
            let value = here.as_object().and_then(|map| map.values().next());
            let value = value.context("the valid map has no entry")?;
            let many: Map<_, _> = (0..=*most)
                .map(|number| (format!("entry{number}"), value.clone()))
                .collect();
            (many.into(), at, format!("must have at most {most} items"))
        }
        Check::UniqueKeys => {
            let twice = std::iter::repeat_n(first(here)?, 2);
            (twice.collect(), at, "Duplicate value".into())
        }
        Check::Cel(_) => bail!("rules in CEL have cases of their own"),
    })
}

fn first(list: &Value) -> Result<Value> {
    let item = list.as_array().and_then(|items| items.first());
    item.cloned().context("the valid list has no element")
}

/// A number on the other side of a bound, of the same type as the valid one.
fn number(bound: f64, step: i32, valid: &Value) -> Value {
    if valid.is_f64() {
        json!(bound + f64::from(step))
    } else {
        // Whole: a bound of 2^53 and one more are the same `f64`.
        json!(bound as i64 + i64::from(step))
    }
}

/// A text that a pattern refuses, as long as a valid one if possible.
fn mismatch(pattern: &str, valid: &str) -> Result<String> {
    let pattern = Regex::new(pattern)?;
    let length = valid.chars().count().max(1);
    ["!", "é", " ", "A"]
        .iter()
        .map(|candidate| candidate.repeat(length))
        .find(|candidate| !pattern.is_match(candidate))
        .with_context(|| format!("every candidate matches {pattern}"))
}

/// Whether a rule is about status.
pub fn is_status(rule: &Rule) -> bool {
    rule.path.first() == Some(&Step::Field("status".into()))
}
