//! Finds the `id` of an inference request, and gives it one.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::metrics::zeros_for_nan;

/// Longest id that is kept for feedback, in bytes.
pub(super) const MAX_ID_BYTES: usize = 256;

/// The `id` of a request, wherever it stands in the object. Reading it also checks that the body
/// is one JSON object.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// Tells `"id": null` from no id.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A request's id, and what must be sent so that the server knows it too.
#[derive(Debug, PartialEq)]
pub(super) struct Identified {
    /// The id, as the client gave it or made here.
    pub id: String,
    /// Pieces of the body to send, in order.
    pub body: Vec<Bytes>,
}

/// The id of a request's body, or the body with an id in it when it has none, `null` or an empty
/// one. `None` when the body is no JSON object, its `id` is no text, or the system gives no random
/// bits: it must be sent as it is.
pub(super) fn identify(body: &Bytes) -> Option<Identified> {
    // A derived struct also reads an array of its fields.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    if let Ok(head) = serde_json::from_slice(body) {
        return with_head(body, head, body);
    }
    // Python's json module writes and reads NaN.
    let read = zeros_for_nan(str::from_utf8(body).ok()?);
    with_head(body, serde_json::from_str(&read).ok()?, read.as_bytes())
}

/// Of a body, and what was read of it from a text of the same length.
fn with_head(body: &Bytes, head: Head<'_>, read: &[u8]) -> Option<Identified> {
    let Some(raw) = head.id else {
        let id = random()?;
        return Some(Identified {
            body: insert(body, &id)?,
            id,
        });
    };
    let given: Option<String> = serde_json::from_str(raw.get()).ok()?;
    if let Some(id) = given.filter(|id| !id.is_empty()) {
        return Some(Identified {
            id,
            body: vec![body.clone()],
        });
    }
    let id = random()?;
    // The raw value borrows from what was read, so its address says where it stands.
    let start = raw.get().as_ptr().addr() - read.as_ptr().addr();
    Some(Identified {
        body: vec![
            body.slice(..start),
            Bytes::from(format!(r#""{id}""#)),
            body.slice(start + raw.get().len()..),
        ],
        id,
    })
}

/// 128 random bits in hexadecimal.
fn random() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// Puts `"id":"…"` right behind the opening brace, without copying the rest.
fn insert(body: &Bytes, id: &str) -> Option<Vec<Bytes>> {
    let brace = body.iter().position(|byte| !byte.is_ascii_whitespace())?;
    // A JSON array also reads as a struct.
    if body[brace] != b'{' {
        return None;
    }
    let rest = body.slice(brace + 1..);
    let next = rest.iter().find(|byte| !byte.is_ascii_whitespace())?;
    let comma = if *next == b'}' { "" } else { "," };
    Some(vec![Bytes::from(format!(r#"{{"id":"{id}"{comma}"#)), rest])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sent(body: &'static str) -> Option<(String, Value)> {
        let identified = identify(&Bytes::from_static(body.as_bytes()))?;
        let sent: Value = serde_json::from_slice(&identified.body.concat()).unwrap();
        Some((identified.id, sent))
    }

    #[test]
    fn a_given_id_stays() {
        for body in [
            r#"{"id":"a\"b","inputs":[]}"#,
            r#"{"inputs":[],"id":"a\"b"}"#,
        ] {
            let (id, sent) = sent(body).unwrap();
            assert_eq!((id.as_str(), &sent["id"]), ("a\"b", &json!("a\"b")));
        }
    }

    #[test]
    fn a_missing_id_is_made() {
        for body in [
            " { \"inputs\":[{\"id\":1}]}",
            "{}",
            "{ }",
            r#"{"inputs":[{"id":1}],"id": null }"#,
            r#"{"id":"","inputs":[{"id":1}]}"#,
        ] {
            let (id, sent) = sent(body).unwrap();
            assert_eq!(id.len(), 32, "{body}");
            assert_eq!(sent["id"], json!(id), "{body}");
            assert_eq!(sent["inputs"].is_array(), body.contains("inputs"));
        }
    }

    #[test]
    fn what_is_no_request_is_left_alone() {
        for body in ["", "[]", "[null]", "{", r#"{"id":1}"#, "nonsense"] {
            assert_eq!(sent(body), None, "{body}");
        }
    }
}
