//! Dataset: data with versions.

mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{common::Duration, schema};

pub use status::{
    Column, ColumnType, CurrentVersion, DatasetPhase, DatasetStatus, DatasetVersion,
    FailedExpectation, LastSync, VersionState,
};

/// Data with versions: where it comes from, what must be true of it, and how long versions stay.
/// A sync reads the source, checks it, and publishes what it found as a version that later runs
/// can name. The same bytes never make two versions.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "millwright.dev",
    version = "v1alpha1",
    kind = "Dataset",
    namespaced,
    status = "DatasetStatus",
    derive = "PartialEq",
    shortname = "mwds",
    category = "millwright",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.current.version"),
    printcolumn(name = "Rows", type_ = "integer", json_path = ".status.current.rows"),
    printcolumn(name = "Bytes", type_ = "integer", json_path = ".status.current.bytes", priority = 1),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.source.uri", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[0].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(schema::NAME_RULE).message(schema::NAME_MESSAGE),
    doc = "Data with versions: a source that is read, checked and kept under a content digest."
)]
#[serde(rename_all = "camelCase")]
pub struct DatasetSpec {
    /// Where the data comes from.
    pub source: Source,
    /// How the files are read.
    pub format: Format,
    /// When the source is read again. Absent: when the spec changes, and whenever the annotation
    /// `millwright.dev/refresh` gets a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// What of a version is kept. `Copy` keeps its bytes in the artifact store, so that a version
    /// can be read again even when the source has changed.
    #[serde(default)]
    pub snapshot: Snapshot,
    /// What must be true of a version. One that fails is Rejected and never becomes current.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub expectations: Vec<Expectation>,
    /// How many versions stay listed and fetchable.
    #[serde(default)]
    pub retain: Retain,
    /// Stops new syncs while true; a running sync ends.
    #[serde(default)]
    pub suspend: bool,
}

/// Where data comes from.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.uri.startsWith('http') || self.uri.matches('^https?://.*[^/]$') || (has(self.include) && size(self.include) > 0)")
    .message("source.include must name the files to read when source.uri is an http(s) folder (it ends with /), because HTTP has no listing").field_path(".include"))]
#[x_kube(validation = Rule::new("!self.uri.startsWith('http') || !has(self.include) || self.include.all(i, !i.contains('*') && !i.contains('?') && !i.contains('['))")
    .message("source.include must hold file names without wildcards when source.uri is http(s), because HTTP has no listing").field_path(".include"))]
#[x_kube(validation = Rule::new("!self.uri.matches('^(s3|gs|az)://[^/]+/.*[^/]$') || ((!has(self.include) || size(self.include) == 0) && (!has(self.exclude) || size(self.exclude) == 0))")
    .message("source.uri must end with / when source.include or source.exclude is given for s3, gs or az: without it, it is one file").field_path(".uri"))]
#[x_kube(validation = Rule::new("!has(self.credentials) || self.uri.matches('^(s3|gs|az)://')")
    .message("source.credentials may only be given when source.uri is s3://, gs:// or az://").field_path(".credentials"))]
pub struct Source {
    /// `pvc://CLAIM/FOLDER/` in the same namespace; `s3://BUCKET/FOLDER/`, `gs://BUCKET/FOLDER/` or
    /// `az://CONTAINER/FOLDER/`, or one file there (without `/` at the end); or an `http://` or
    /// `https://` address of one file, or of a folder (ending with `/`) whose files `include`
    /// names.
    #[schemars(
        length(min = 6, max = 1024),
        regex(pattern = "^(pvc|https?|s3|gs|az)://[^/\\s?#]+(/[^\\s]*)?$")
    )]
    pub uri: String,
    /// Glob patterns of the files to read, relative to `uri`, e.g. `*.csv` or `2013/**/*.parquet`.
    /// Absent: all files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub include: Vec<String>,
    /// Glob patterns of files to leave out, applied after `include`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub exclude: Vec<String>,
    /// How an `s3://`, `gs://` or `az://` source is reached. Absent: by the pods' own identity in
    /// their cloud; never with the credentials of the artifact store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SourceCredentials>,
}

/// How a source is reached.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SourceCredentials {
    /// Secret in the same namespace. Its keys are the usual variables: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL` and so on.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub secret_name: String,
}

/// How files are read.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.csv) || self.type == 'Csv'")
    .message("format.csv may only be given when format.type is Csv").field_path(".csv"))]
pub struct Format {
    /// `Csv` or `Parquet`.
    #[serde(rename = "type")]
    pub kind: FormatType,
    /// Options of CSV files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvFormat>,
}

/// File formats.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatType {
    /// Text, one row per line.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Options of CSV files.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CsvFormat {
    /// The one ASCII character between fields.
    #[serde(default = "comma")]
    #[schemars(length(min = 1, max = 1), regex(pattern = "^[ -~\t]$"))]
    pub delimiter: String,
    /// Whether the first line of each file holds the column names. Without it columns are named
    /// `column_1`, `column_2`, ….
    #[serde(default = "yes")]
    pub header: bool,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: comma(),
            header: true,
        }
    }
}

/// When a source is read again.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// Time from the end of one sync to the start of the next; at least 10 s.
    #[x_kube(validation = Rule::new("!self.matches('^[0-9]s$')")
        .message("refresh.interval must be at least 10s"))]
    pub interval: Duration,
}

/// What of a version is kept.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Snapshot {
    /// The bytes are kept in the artifact store.
    #[default]
    Copy,
}

/// One thing that must be true of a version.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Expectation {
    /// Name, unique in the Dataset; a rejected version names it.
    #[schemars(schema_with = "schema::part_name")]
    pub name: String,
    /// Bounds on the number of rows.
    pub rows: RowBounds,
}

/// Bounds on the number of rows, both included.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.min) || has(self.max)").message("rows needs min, max or both"))]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || self.min <= self.max")
    .message("rows.min must not be larger than rows.max").field_path(".min"))]
pub struct RowBounds {
    /// Fewest rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_992_i64))]
    pub min: Option<u64>,
    /// Most rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_992_i64))]
    pub max: Option<u64>,
}

/// How many versions stay.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Retain {
    /// Versions kept, the current one included. Older ones leave `status.versions`; their data
    /// stays in the artifact store.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    pub versions: u32,
}

impl Default for Retain {
    fn default() -> Self {
        Self { versions: ten() }
    }
}

fn comma() -> String {
    ",".into()
}

fn yes() -> bool {
    true
}

fn ten() -> u32 {
    10
}
