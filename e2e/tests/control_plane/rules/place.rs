//! Places in an object.

use serde_json::Value;

use super::schema::Step;

/// A place in one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// JSON pointer.
    pub pointer: String,
    /// As the API server writes it, e.g. `spec.stages[0].name`.
    pub text: String,
}

impl Place {
    fn below(&self, key: &str, text: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        let dot = if self.text.is_empty() || text.starts_with('[') {
            ""
        } else {
            "."
        };
        Self {
            pointer: format!("{}/{escaped}", self.pointer),
            text: format!("{}{dot}{text}", self.text),
        }
    }

    /// A field below.
    pub fn field(&self, name: &str) -> Self {
        self.below(name, name)
    }
}

/// The first place in `object` that a path leads to and that `fits`.
pub fn find(object: &Value, path: &[Step], fits: impl Fn(&Value) -> bool) -> Option<Place> {
    let root = Place {
        pointer: String::new(),
        text: String::new(),
    };
    search(object, path, &root, &fits)
}

fn search(
    value: &Value,
    path: &[Step],
    here: &Place,
    fits: &impl Fn(&Value) -> bool,
) -> Option<Place> {
    let Some((step, rest)) = path.split_first() else {
        return fits(value).then(|| here.clone());
    };
    match step {
        Step::Field(name) => search(value.get(name)?, rest, &here.field(name), fits),
        Step::Item => value
            .as_array()?
            .iter()
            .enumerate()
            .find_map(|(index, item)| {
                let place = here.below(&index.to_string(), &format!("[{index}]"));
                search(item, rest, &place, fits)
            }),
        Step::Value => value
            .as_object()?
            .iter()
            .find_map(|(key, inner)| search(inner, rest, &here.field(key), fits)),
    }
}
