//! Mutations of manifests, seeded.

use serde_json::{Value, json};

use super::{contradict, garbage, garbage::Place, random::Random};

/// A manifest that was changed in a few places.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The manifest.
    pub object: Value,
    /// What was changed: words, and the field that has to be named.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// What was done, for people.
    pub what: String,
    /// The field.
    pub field: String,
}

/// Changes a manifest in one to three places.
pub fn mutate(valid: &Value, random: &mut Random) -> Mutant {
    let mut object = valid.clone();
    let mut changes = vec![];
    for _ in 0..=random.below(3) {
        let change = match random.below(8) {
            0..=2 => replace(&mut object, random),
            3 => remove(&mut object, random),
            4 => add(&mut object, random),
            5 => rename(&mut object, random),
            6 => contradiction(&mut object, random),
            _ => pod(&mut object, random),
        };
        changes.extend(change);
    }
    Mutant { object, changes }
}

/// Values that are wrong in most places.
fn values() -> Vec<Value> {
    let mut deep = json!("bottom");
    for _ in 0..40 {
        deep = json!({"a": [deep]});
    }
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(9_007_199_254_740_993_u64),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("\u{202e}\u{2603}\u{1F937}\u{0}"),
        json!("a".repeat(253)),
        json!("z".repeat(20_000)),
        json!("../../etc/passwd"),
        json!("A_b.c"),
        json!("nothing"),
        json!("30d"),
        json!("0s"),
        json!("-1s"),
        json!("99999h"),
        json!("99999999h"),
        json!("1h30"),
        json!("1.5h"),
        json!([]),
        json!([null]),
        json!([[]]),
        json!({}),
        json!({"a": "b"}),
        deep,
    ]
}

fn replace(object: &mut Value, random: &mut Random) -> Option<Change> {
    let pointer = random.pick(&places(object)).clone();
    let value = random.pick(&values()).clone();
    let shown: String = value.to_string().chars().take(40).collect();
    *object.pointer_mut(&pointer)? = value;
    Some(Change {
        what: format!("{pointer} = {shown}"),
        field: field_of(&pointer),
    })
}

fn remove(object: &mut Value, random: &mut Random) -> Option<Change> {
    let pointer = random.pick(&places(object)).clone();
    let (parent, key) = pointer.rsplit_once('/')?;
    match object.pointer_mut(parent)? {
        Value::Object(fields) => drop(fields.remove(key)),
        Value::Array(items) => drop(items.remove(key.parse().ok()?)),
        _ => return None,
    }
    Some(Change {
        what: format!("without {pointer}"),
        field: field_of(&pointer),
    })
}

/// A field that doesn't exist, or an element that exists already.
fn add(object: &mut Value, random: &mut Random) -> Option<Change> {
    let pointer = random.pick(&places(object)).clone();
    let field = match object.pointer_mut(&pointer)? {
        Value::Object(fields) => {
            fields.insert("unheardOf".into(), json!({"a": 1}));
            "unheardOf".into()
        }
        Value::Array(items) => {
            items.extend(items.first().cloned());
            field_of(&pointer)
        }
        _ => return None,
    };
    Some(Change {
        what: format!("more in {pointer}"),
        field,
    })
}

fn rename(object: &mut Value, random: &mut Random) -> Option<Change> {
    let long = "n".repeat(253);
    let names = [
        long.as_str(),
        "",
        "a.b",
        "1st",
        "Upper",
        "under_score",
        "\u{2603}",
        "-a",
    ];
    let name = *random.pick(&names);
    object["metadata"]["name"] = name.into();
    Some(Change {
        what: format!("the name {name:?}"),
        field: "name".into(),
    })
}

fn contradiction(object: &mut Value, random: &mut Random) -> Option<Change> {
    let patches = contradict::patches(object["kind"].as_str()?);
    let (field, patch) = random.pick(&patches);
    json_patch::merge(&mut object["spec"], patch);
    Some(Change {
        what: patch.to_string().chars().take(100).collect(),
        field: (*field).into(),
    })
}

fn pod(object: &mut Value, random: &mut Random) -> Option<Change> {
    let templates: Vec<String> = places(object)
        .into_iter()
        .filter(|pointer| pointer.ends_with("/template"))
        .filter(|pointer| {
            object
                .pointer(&format!("{pointer}/spec/containers"))
                .is_some()
        })
        .collect();
    if templates.is_empty() {
        return replace(object, random);
    }
    let template = random.pick(&templates).clone();
    let patches = garbage::patches();
    let (place, field, value) = random.pick(&patches);
    let below = match place {
        Place::Container => "/spec/containers/0",
        Place::Spec => "/spec",
        Place::Template => "",
    };
    let target = object.pointer_mut(&format!("{template}{below}"))?;
    target
        .as_object_mut()?
        .insert((*field).into(), value.clone());
    let shown: String = value.to_string().chars().take(60).collect();
    Some(Change {
        what: format!("{template}{below}/{field} = {shown}"),
        field: (*field).into(),
    })
}

/// Pointers to everything below `spec`.
fn places(object: &Value) -> Vec<String> {
    let mut found = vec![];
    if let Some(spec) = object.get("spec") {
        walk(spec, "/spec", &mut found);
    }
    if found.is_empty() {
        found.push("/spec".into());
    }
    found
}

fn walk(value: &Value, here: &str, found: &mut Vec<String>) {
    let mut below = |key: &str, inner: &Value| {
        let pointer = format!("{here}/{}", key.replace('~', "~0").replace('/', "~1"));
        // What was made deep on purpose isn't looked into.
        if pointer.matches('/').count() < 16 {
            found.push(pointer.clone());
            walk(inner, &pointer, found);
        }
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| below(key, inner)),
        Value::Array(items) => {
            let items = items.iter().take(4).enumerate();
            items.for_each(|(index, inner)| below(&index.to_string(), inner));
        }
        _ => {}
    }
}

/// The field that a pointer leads to: the last part that is no index.
fn field_of(pointer: &str) -> String {
    let mut parts = pointer.rsplit('/');
    let field = parts.find(|part| part.parse::<usize>().is_err());
    field
        .unwrap_or_default()
        .replace("~1", "/")
        .replace("~0", "~")
}
