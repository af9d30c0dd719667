//! `metrics.json` and `metrics.jsonl`, as trainers and evaluators write them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use serde_json::{Map, Value};

/// Most bytes of `metrics.json`.
const LIMIT: u64 = 1 << 20;
/// Bytes at the end of `metrics.jsonl` that are looked at.
const TAIL: u64 = 1 << 16;
/// Most bytes of a metric's name.
const NAME: usize = 63;

/// The numbers of a file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Metrics {
    /// Finite numbers by name.
    pub values: BTreeMap<String, f64>,
    /// Names of what is there but is no metric, with why, in words.
    pub left_out: BTreeMap<String, String>,
}

impl Metrics {
    /// The value of the objective.
    ///
    /// # Errors
    /// A sentence, without the file's name, when it is absent or not finite.
    pub fn objective(&self, metric: &str) -> Result<f64, String> {
        if let Some(value) = self.values.get(metric) {
            return Ok(*value);
        }
        Err(match self.left_out.get(metric) {
            Some(why) => format!("has \"{metric}\", the metric of the objective, but it is {why}"),
            None if self.values.is_empty() => {
                format!("has no \"{metric}\", the metric of the objective, nor any other")
            }
            None => format!(
                "has no \"{metric}\", the metric of the objective; it has {}",
                self.values
                    .keys()
                    .take(10)
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        })
    }

    /// At most `limit` metrics: the objective, then the others in the order of their names. What is
    /// left out is logged.
    pub fn most(self, limit: usize, objective: Option<&str>) -> BTreeMap<String, f64> {
        for (name, why) in &self.left_out {
            tracing::warn!("metric \"{name}\" is left out: it is {why}");
        }
        if self.values.len() > limit {
            tracing::warn!(
                "{} metrics were written, {limit} are kept",
                self.values.len()
            );
        }
        self.first(limit, objective)
    }

    /// As [`Self::most`], without a word about the others.
    pub fn first(mut self, limit: usize, objective: Option<&str>) -> BTreeMap<String, f64> {
        let first = objective.and_then(|name| self.values.remove_entry(name));
        let rest = limit.saturating_sub(usize::from(first.is_some()));
        first
            .into_iter()
            .chain(self.values.into_iter().take(rest))
            .collect()
    }

    fn add(&mut self, object: Map<String, Value>) {
        for (name, value) in object {
            let why = match &value {
                _ if name.len() > NAME => format!("a name of more than {NAME} bytes"),
                Value::Number(number) => match number.as_f64() {
                    Some(number) if number.is_finite() => {
                        self.left_out.remove(&name);
                        self.values.insert(name, number);
                        continue;
                    }
                    _ => "not a number that a double holds".to_owned(),
                },
                Value::Null => "null, NaN or infinite".to_owned(),
                Value::Object(_) | Value::Array(_) => {
                    "nested; write one number under each name".to_owned()
                }
                Value::String(_) => "text".to_owned(),
                Value::Bool(_) => "a truth value".to_owned(),
            };
            self.values.remove(&name);
            self.left_out.insert(name.chars().take(NAME).collect(), why);
        }
    }
}

/// Reads `metrics.json`: one object of numbers. `None` when there is no such file.
///
/// # Errors
/// A sentence, without the file's name, when it is no such object.
pub(crate) fn read(file: &Path) -> Result<Option<Metrics>, String> {
    let mut text = String::new();
    match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.and_then(|file| file.take(LIMIT).read_to_string(&mut text)),
    }
    .map_err(|error| format!("can't be read: {error}"))?;
    let object = object(&text).map_err(|error| {
        format!("is not a JSON object of numbers like {{\"mae\": 9.1}}: {error}")
    })?;
    let mut metrics = Metrics::default();
    metrics.add(object);
    Ok(Some(metrics))
}

/// The last metrics of `metrics.jsonl`, one object a line, each name's last value; and `percent`
/// apart, from 0 to 100. Lines that are none are passed over: the last may be half written.
pub(crate) fn latest(file: &Path) -> io::Result<(Metrics, Option<u32>)> {
    let mut file = File::open(file)?;
    let skipped = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut metrics = Metrics::default();
    // The first line of a tail may be half of one.
    for line in text.lines().skip(usize::from(skipped > 0)) {
        if let Ok(object) = object(line) {
            metrics.add(object);
        }
    }
    let percent = metrics.values.remove("percent");
    Ok((
        metrics,
        percent.map(|percent| percent.clamp(0.0, 100.0) as u32),
    ))
}

fn object(text: &str) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_nan(text)))
}

/// JSON with `null` in place of the `NaN`, `Infinity` and `-Infinity` that Python's json module
/// writes and no other reads.
pub(crate) fn without_nan(text: &str) -> String {
    replace_nan(text, |_| "null".into())
}

/// As [`without_nan`], but with numbers in their place, and everything where it was.
pub(crate) fn zeros_for_nan(text: &str) -> String {
    replace_nan(text, |token| format!("{:<1$}", 0, token.len()))
}

fn replace_nan(text: &str, with: impl Fn(&str) -> String) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            let end = string_end(rest);
            clean.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if let Some(token) = ["NaN", "-Infinity", "Infinity"]
            .into_iter()
            .find(|token| rest.starts_with(token))
        {
            clean.push_str(&with(token));
            rest = &rest[token.len()..];
        } else {
            clean.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    clean
}

/// Where the string that the text begins with ends, its quotes included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Option<Metrics>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("metrics.json");
        std::fs::write(&file, text).unwrap();
        read(&file)
    }

    #[test]
    fn numbers_are_kept_all_else_is_named() {
        let metrics = written(
            r#"{"mae": 9.5, "n": 3, "r2": NaN, "low": -Infinity, "say \"NaN": 1, "t": "x", "c": {"a": 1}}"#,
        )
        .unwrap()
        .unwrap();
        let names: Vec<_> = metrics.values.keys().map(String::as_str).collect();
        assert_eq!(names, ["mae", "n", "say \"NaN"]);
        assert!(metrics.left_out["r2"].contains("NaN"));
        assert!(metrics.left_out["low"].contains("infinite"));
        assert!(metrics.left_out["c"].contains("nested"));
        assert_eq!(metrics.objective("mae"), Ok(9.5));
        assert!(metrics.objective("r2").unwrap_err().contains("NaN"));
        let error = metrics.objective("auc").unwrap_err();
        assert!(
            error.contains("\"auc\"") && error.contains("mae"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in ["", "[1]", "{\"a\": ", "mae=1"] {
            assert!(written(text).unwrap_err().contains("JSON object"), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none")), Ok(None));
    }

    #[test]
    fn the_objective_stays() {
        let metrics = Metrics {
            values: (0..50).map(|i| (format!("m{i:02}"), 1.0)).collect(),
            ..Metrics::default()
        };
        let kept = metrics.most(30, Some("m49"));
        assert_eq!(kept.len(), 30);
        assert!(kept.contains_key("m49") && kept.contains_key("m28"));
    }

    #[test]
    fn progress_is_each_last_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("metrics.jsonl");
        let mut text = "{\"loss\": 9, \"percent\": 1}\n".repeat(5_000);
        text.push_str("{\"loss\": 2, \"percent\": 150}\n{\"auc\": 0.5}\n{\"loss\": 1");
        std::fs::write(&file, text).unwrap();
        let (metrics, percent) = latest(&file).unwrap();
        assert_eq!(metrics.values["loss"], 2.0);
        assert_eq!(metrics.values["auc"], 0.5);
        assert_eq!(percent, Some(100));
    }
}
