//! Reads tensors of the Open Inference Protocol v2 (REST, JSON) as columns.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// An inference request, as far as it is read.
#[derive(Deserialize)]
pub(super) struct InferRequest<'a> {
    #[serde(borrow)]
    pub inputs: Vec<Tensor<'a>>,
}

/// An inference response, as far as it is read.
#[derive(Deserialize)]
pub(super) struct InferResponse<'a> {
    #[serde(borrow)]
    pub outputs: Vec<Tensor<'a>>,
}

/// One tensor. Its data may be flat or nested.
#[derive(Deserialize)]
pub(super) struct Tensor<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    shape: Vec<u64>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
}

/// Values of a tensor that is a column, in row order.
#[derive(Debug, PartialEq)]
pub(super) enum Column<'a> {
    /// Numbers; NaN is a missing value (JSON has no NaN of its own).
    Numbers(Vec<f64>),
    /// Truth values as 1 and 0; NaN is a missing value.
    Booleans(Vec<f64>),
    /// Texts.
    Texts(Vec<Option<Cow<'a, str>>>),
    /// So many missing values and nothing else.
    Missing(usize),
}

/// Why a tensor is not a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Its shape is neither `[n]` nor `[n, 1]`.
    Shape,
    /// Its datatype is not of the protocol.
    Datatype,
    /// Its values are of another type than it says, or not as many as its shape says.
    Data,
    /// Its values are not in the JSON: the binary extension.
    Binary,
}

impl Unreadable {
    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Datatype => "datatype",
            Self::Data => "data",
            Self::Binary => "binary",
        }
    }
}

impl<'a> Tensor<'a> {
    /// Number of rows: the first dimension.
    pub fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// The tensor as a column.
    pub fn into_column(self) -> Result<Column<'a>, Unreadable> {
        let (&[rows] | &[rows, 1]) = self.shape.as_slice() else {
            return Err(Unreadable::Shape);
        };
        let data = self.data.ok_or(Unreadable::Binary)?;
        let column = match (&*self.datatype, data.values) {
            (_, Values::Unknown) => Column::Missing(data.leading_nulls),
            ("BYTES", Values::Texts(texts)) => Column::Texts(texts),
            ("BOOL", Values::Numbers(numbers)) => Column::Booleans(numbers),
            (datatype, Values::Numbers(numbers)) if is_numeric(datatype) => {
                Column::Numbers(numbers)
            }
            (datatype, _) if datatype == "BYTES" || datatype == "BOOL" || is_numeric(datatype) => {
                return Err(Unreadable::Data);
            }
            _ => return Err(Unreadable::Datatype),
        };
        if u64::try_from(column.len()) == Ok(rows) {
            Ok(column)
        } else {
            Err(Unreadable::Data)
        }
    }
}

impl Column<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) | Self::Booleans(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Missing(rows) => *rows,
        }
    }
}

fn is_numeric(datatype: &str) -> bool {
    matches!(
        datatype,
        "FP64"
            | "FP32"
            | "FP16"
            | "BF16"
            | "INT64"
            | "INT32"
            | "INT16"
            | "INT8"
            | "UINT64"
            | "UINT32"
            | "UINT16"
            | "UINT8"
    )
}

/// Values of a tensor, flattened in row-major order. Reading never fails on the values' types:
/// one odd tensor must not hide the others.
#[derive(Default)]
struct Data<'a> {
    leading_nulls: usize,
    values: Values<'a>,
}

#[derive(Default)]
enum Values<'a> {
    /// Nothing but nulls so far.
    #[default]
    Unknown,
    Numbers(Vec<f64>),
    Texts(Vec<Option<Cow<'a, str>>>),
    /// Numbers and texts, or objects.
    Mixed,
}

impl<'a> Data<'a> {
    fn null(&mut self) {
        match &mut self.values {
            Values::Unknown => self.leading_nulls += 1,
            Values::Numbers(numbers) => numbers.push(f64::NAN),
            Values::Texts(texts) => texts.push(None),
            Values::Mixed => {}
        }
    }

    fn number(&mut self, number: f64) {
        match &mut self.values {
            Values::Unknown => {
                let mut numbers = vec![f64::NAN; self.leading_nulls];
                numbers.push(number);
                self.values = Values::Numbers(numbers);
            }
            Values::Numbers(numbers) => numbers.push(number),
            Values::Texts(_) | Values::Mixed => self.values = Values::Mixed,
        }
    }

    fn text(&mut self, text: Cow<'a, str>) {
        match &mut self.values {
            Values::Unknown => {
                let mut texts = vec![None; self.leading_nulls];
                texts.push(Some(text));
                self.values = Values::Texts(texts);
            }
            Values::Texts(texts) => texts.push(Some(text)),
            Values::Numbers(_) | Values::Mixed => self.values = Values::Mixed,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut data = Data::default();
        deserializer.deserialize_any(Flatten(&mut data))?;
        Ok(data)
    }
}

/// Adds a value, or every value of an array of any depth.
struct Flatten<'r, 'a>(&'r mut Data<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Flatten<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Flatten<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor's values")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.null();
        Ok(())
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.number(f64::from(u8::from(value)));
        Ok(())
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.number(value as f64);
        Ok(())
    }
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.number(value as f64);
        Ok(())
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.number(value);
        Ok(())
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.0.text(Cow::Borrowed(value));
        Ok(())
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.text(Cow::Owned(value.to_owned()));
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Flatten(self.0))?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.0.values = Values::Mixed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(json: &str) -> Result<Column<'_>, Unreadable> {
        serde_json::from_str::<Tensor<'_>>(json)
            .unwrap()
            .into_column()
    }

    #[test]
    fn numbers_texts_and_nulls() {
        assert_eq!(
            column(r#"{"name":"a","datatype":"INT64","shape":[2],"data":[1,2]}"#),
            Ok(Column::Numbers(vec![1.0, 2.0]))
        );
        let Ok(Column::Numbers(values)) =
            column(r#"{"data":[[null],[1.5],[null]],"shape":[3,1],"datatype":"FP64","name":"a"}"#)
        else {
            panic!("not numbers");
        };
        assert!(values[0].is_nan() && values[1] == 1.5 && values[2].is_nan());
        assert_eq!(
            column(r#"{"name":"a","datatype":"BYTES","shape":[3],"data":[null,"x","\u00e9"]}"#),
            Ok(Column::Texts(vec![
                None,
                Some("x".into()),
                Some("é".into())
            ]))
        );
        assert_eq!(
            column(r#"{"name":"a","datatype":"BOOL","shape":[2],"data":[true,0]}"#),
            Ok(Column::Booleans(vec![1.0, 0.0]))
        );
        assert_eq!(
            column(r#"{"name":"a","datatype":"BYTES","shape":[2],"data":[null,null]}"#),
            Ok(Column::Missing(2))
        );
    }

    #[test]
    fn unreadable_tensors_say_why() {
        let cases = [
            (
                r#"{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]}"#,
                Unreadable::Shape,
            ),
            (
                r#"{"name":"a","datatype":"FP32","shape":[3],"data":[1,2]}"#,
                Unreadable::Data,
            ),
            (
                r#"{"name":"a","datatype":"FP32","shape":[2],"data":[1,"x"]}"#,
                Unreadable::Data,
            ),
            (
                r#"{"name":"a","datatype":"FP32","shape":[1],"data":[{"b":1}]}"#,
                Unreadable::Data,
            ),
            (
                r#"{"name":"a","datatype":"DATE","shape":[1],"data":[1]}"#,
                Unreadable::Datatype,
            ),
            (
                r#"{"name":"a","datatype":"FP32","shape":[1]}"#,
                Unreadable::Binary,
            ),
        ];
        for (json, reason) in cases {
            assert_eq!(column(json), Err(reason), "{json}");
        }
    }
}
