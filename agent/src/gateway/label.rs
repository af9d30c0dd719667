//! Labels as clients send them, and classes as they are compared.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use millwright_crds::model_deployment::Task;
use serde_json::Value;

/// Longest name of a class that is told apart from others, in bytes.
const MAX_CLASS_BYTES: usize = 256;
/// Names of classes that share their memory.
const MAX_INTERNED: usize = 10_000;

/// Labels of one request, in row order; `None`: no label will come for the row.
#[derive(Debug, PartialEq)]
pub(super) enum Labels {
    /// Of a regression.
    Numbers(Vec<Option<f64>>),
    /// Of a classification.
    Classes(Vec<Option<String>>),
}

impl Labels {
    /// Reads labels as the task wants them.
    ///
    /// # Errors
    /// The text for the client, with the index of the first label of another type.
    pub fn read(task: Task, labels: &[Value]) -> Result<Self, String> {
        fn each<T>(
            labels: &[Value],
            allowed: &str,
            read: impl Fn(&Value) -> Option<T>,
        ) -> Result<Vec<Option<T>>, String> {
            let rows = labels.iter().enumerate().map(|(index, label)| match label {
                Value::Null => Ok(None),
                label => read(label).map(Some).ok_or_else(|| {
                    format!("labels[{index}] is {}; allowed are {allowed}", kind(label))
                }),
            });
            rows.collect()
        }
        match task {
            Task::Regression => each(labels, "numbers and null", Value::as_f64).map(Self::Numbers),
            Task::Classification => each(labels, "texts, numbers, booleans and null", |label| {
                class_of(label).map(Cow::into_owned)
            })
            .map(Self::Classes),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(rows) => rows.len(),
            Self::Classes(rows) => rows.len(),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn class_of(label: &Value) -> Option<Cow<'_, str>> {
    match label {
        Value::String(text) => Some(clip(text).into()),
        Value::Bool(truth) => Some(class_of_number(f64::from(u8::from(*truth))).into()),
        Value::Number(number) => number.as_f64().map(|number| class_of_number(number).into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The class that a number names: 3 and 3.0 are `3`, and a boolean is `1` or `0`, so that labels
/// and predictions of different types still meet.
pub(super) fn class_of_number(number: f64) -> String {
    // Display prints the shortest text that reads back the same, without a fraction for integers.
    // Adding zero makes a negative zero positive.
    format!("{}", number + 0.0)
}

/// A class's name, cut at 256 bytes.
fn clip(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_CLASS_BYTES)]
}

/// Shares the memory of classes' names: predictions hold few different ones.
#[derive(Default)]
pub(super) struct Interner(HashSet<Arc<str>>);

impl Interner {
    /// The shared name of a class.
    pub fn intern(&mut self, name: &str) -> Arc<str> {
        let name = clip(name);
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        if self.0.len() < MAX_INTERNED {
            self.0.insert(new.clone());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(task: Task, labels: Value) -> Result<Labels, String> {
        Labels::read(task, labels.as_array().unwrap())
    }

    #[test]
    fn labels_of_each_task() {
        assert_eq!(
            read(Task::Regression, json!([1, null, 2.5])),
            Ok(Labels::Numbers(vec![Some(1.0), None, Some(2.5)]))
        );
        let classes = ["spam", "3", "3", "1"].map(|name| Some(name.to_owned()));
        assert_eq!(
            read(Task::Classification, json!(["spam", 3, 3.0, true])),
            Ok(Labels::Classes(classes.to_vec()))
        );
    }

    #[test]
    fn wrong_types_are_named() {
        assert_eq!(
            read(Task::Regression, json!([1, "2"])),
            Err("labels[1] is a text; allowed are numbers and null".into())
        );
        assert!(read(Task::Regression, json!([true])).is_err());
        assert!(read(Task::Classification, json!([[1]])).is_err());
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let mut interner = Interner::default();
        let name = interner.intern(&"é".repeat(200));
        assert_eq!(name.len(), 256);
        assert!(Arc::ptr_eq(&name, &interner.intern(&"é".repeat(300))));
    }
}
