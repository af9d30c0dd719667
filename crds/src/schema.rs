//! Schemas that several fields share.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Names of Millwright's objects: they become names of Services, which begin with a letter.
pub const NAME_PATTERN: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
/// Longest name of an object of ours: a Job adds an attempt, a Service adds a stage.
pub const NAME_LENGTH: u32 = 40;
/// Longest name of a stage, gate, trigger or input.
pub const PART_LENGTH: u32 = 15;
/// The rule on `metadata.name` of every kind.
pub const NAME_RULE: &str =
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40";
/// What the rule on `metadata.name` says.
pub const NAME_MESSAGE: &str = "metadata.name must be at most 40 lower-case letters, digits and \
                                '-', begin with a letter and end with a letter or digit";

/// The name of another object of ours.
pub fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": NAME_LENGTH, "pattern": NAME_PATTERN})
}

/// The name of a part of an object: a stage, a gate, a trigger, an input.
pub fn part_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": PART_LENGTH, "pattern": NAME_PATTERN})
}

/// The name of a metric or column.
pub fn metric_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 63})
}

/// A content digest.
pub fn digest(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 71, "pattern": "^sha256:[0-9a-f]{64}$"})
}

/// String parameters by name.
pub fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 1024},
    })
}

/// Measured values by metric name.
pub fn metrics(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "number"},
    })
}

/// Conditions of an object: a list with one entry per type.
pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let items = generator.subschema_for::<crate::common::Condition>();
    json_schema!({
        "type": "array",
        "maxItems": 8,
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}

/// `status.observedGeneration`: -1 until the first pass has written it, so that a new object
/// never reads as finished.
pub fn observed_generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int64", "default": -1})
}

/// The default of a missing `observedGeneration`.
pub(crate) fn never_observed() -> i64 {
    -1
}
