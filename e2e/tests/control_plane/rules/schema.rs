//! The rules that a CRD's schema makes.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// One thing that a schema refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Kind of the CRD.
    pub kind: String,
    /// Where in an object it holds.
    pub path: Vec<Step>,
    /// What must be true there.
    pub check: Check,
}

/// A step down into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A field.
    Field(String),
    /// Any element of a list.
    Item,
    /// Any value of a map.
    Value,
}

/// What must be true at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// The object there has this field.
    Required(String),
    /// It is one of a few values.
    Enum,
    /// A text matches this.
    Pattern(String),
    /// A text is a point in time.
    DateTime,
    /// Fewest characters.
    MinLength(usize),
    /// Most characters.
    MaxLength(usize),
    /// Smallest number.
    Minimum(f64),
    /// Largest number.
    Maximum(f64),
    /// Fewest elements.
    MinItems(usize),
    /// Most elements.
    MaxItems(usize),
    /// Most entries of a map.
    MaxProperties(usize),
    /// No two elements have the same keys.
    UniqueKeys,
    /// A rule in CEL.
    Cel(Cel),
}

/// A rule in CEL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cel {
    /// The expression.
    pub rule: String,
    /// What the API server says when it doesn't hold.
    pub message: String,
    /// Field below the place that the message is about, without the dot.
    pub field: Option<String>,
}

impl Cel {
    /// Whether it compares an object with what it was before.
    pub fn is_transition(&self) -> bool {
        self.rule.contains("oldSelf")
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        for step in &self.path {
            match step {
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item => f.write_str("[]")?,
                Step::Value => f.write_str("{}")?,
            }
        }
        match &self.check {
            Check::Cel(cel) => write!(f, ": \"{}\"", cel.message),
            check => write!(f, ": {check:?}"),
        }
    }
}

/// Every rule of a CRD.
///
/// # Errors
/// When its schema has a keyword that this function doesn't know: it may be a rule.
pub fn rules(crd: &Value) -> Result<Vec<Rule>> {
    let kind = crd["spec"]["names"]["kind"].as_str();
    let kind = kind.context("the document is no CRD")?.to_owned();
    let schema = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema")
        .with_context(|| format!("the CRD of {kind} has no schema"))?;
    let mut walk = Walk {
        kind,
        path: vec![],
        rules: vec![],
    };
    walk.schema(schema)?;
    Ok(walk.rules)
}

struct Walk {
    kind: String,
    path: Vec<Step>,
    rules: Vec<Rule>,
}

impl Walk {
    fn rule(&mut self, check: Check) {
        self.rules.push(Rule {
            kind: self.kind.clone(),
            path: self.path.clone(),
            check,
        });
    }

    fn below(&mut self, step: Step, schema: &Value) -> Result<()> {
        self.path.push(step);
        self.schema(schema)?;
        self.path.pop();
        Ok(())
    }

    fn schema(&mut self, schema: &Value) -> Result<()> {
        let keywords = schema.as_object().context("a schema is no object")?;
        for (keyword, value) in keywords {
            self.keyword(keyword, value)
                .with_context(|| format!("{} {:?}: {keyword}", self.kind, self.path))?;
        }
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, value: &Value) -> Result<()> {
        match keyword {
            "properties" => {
                for (name, inner) in value.as_object().context("no object")? {
                    self.below(Step::Field(name.clone()), inner)?;
                }
            }
            "items" => self.below(Step::Item, value)?,
            "additionalProperties" if value.is_object() => self.below(Step::Value, value)?,
            "required" => {
                for name in value.as_array().context("no list")? {
                    self.rule(Check::Required(text(name)?));
                }
            }
            "enum" => self.rule(Check::Enum),
            "pattern" => self.rule(Check::Pattern(text(value)?)),
            "minLength" => self.rule(Check::MinLength(count(value)?)),
            "maxLength" => self.rule(Check::MaxLength(count(value)?)),
            "minimum" => self.rule(Check::Minimum(value.as_f64().context("no number")?)),
            "maximum" => self.rule(Check::Maximum(value.as_f64().context("no number")?)),
            "minItems" => self.rule(Check::MinItems(count(value)?)),
            "maxItems" => self.rule(Check::MaxItems(count(value)?)),
            "maxProperties" => self.rule(Check::MaxProperties(count(value)?)),
            "x-kubernetes-list-type" if value == "map" => self.rule(Check::UniqueKeys),
            "x-kubernetes-validations" => {
                for rule in value.as_array().context("no list")? {
                    let field = rule["fieldPath"].as_str();
                    self.rule(Check::Cel(Cel {
                        rule: text(&rule["rule"])?,
                        message: text(&rule["message"])?,
                        field: field.map(|path| path.trim_start_matches('.').into()),
                    }));
                }
            }
            "format" if value == "date-time" => self.rule(Check::DateTime),
            // The API server checks no more of these than the type says.
            "format" if ["int32", "int64", "double"].iter().any(|f| value == f) => {}
            "type"
            | "description"
            | "title"
            | "default"
            | "x-kubernetes-list-map-keys"
            | "x-kubernetes-preserve-unknown-fields" => {}
            _ => bail!("not known to these tests: say there what it refuses"),
        }
        Ok(())
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("no text")?.to_owned())
}

fn count(value: &Value) -> Result<usize> {
    Ok(value.as_u64().context("no count")?.try_into()?)
}
