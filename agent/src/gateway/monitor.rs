//! What the gateway knows of its traffic: windows, and predictions that wait for labels.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};

use drift::profile::{LiveBuilder, Profile};
use millwright_crds::{
    model_deployment::Task,
    wire::{
        Versioned,
        serving::{GatewayProfile, GatewayTask, Quality},
    },
};
use serde::Deserialize;

use super::{
    config::{Clock, Config, References},
    id::MAX_ID_BYTES,
    label::{Interner, Labels, class_of_number},
    lock,
    metrics::{Dropped, Metrics, WindowQuality},
    pending::{Forgotten, Found, Pending, Predictions},
    tensor::{Column, InferRequest, InferResponse, Tensor},
    windows::{Drops, Windows, labels, window_of},
};
use crate::metrics::without_nan;

/// Name of the output that is the prediction; without one of this name it is the first.
const PREDICTION_OUTPUT: &str = "predict";
/// Name of the column in the reference profile of the predictions.
const PREDICTION_COLUMN: &str = "prediction";

/// What the gateway knows of its traffic.
pub(super) struct Monitor {
    task: GatewayTask,
    pod_uid: String,
    references: Arc<References>,
    clock: Clock,
    metrics: Arc<Metrics>,
    drops: Drops,
    state: Mutex<State>,
}

struct State {
    windows: Windows,
    pending: Pending,
    classes: Interner,
}

/// An inference that was answered with 200.
pub(super) struct Inference<'a> {
    /// The model's name in the request's path.
    pub model: &'a str,
    /// The id of the request.
    pub id: &'a str,
    /// When the response was complete, in seconds since the Unix epoch.
    pub time: u64,
    /// Body of the request.
    pub request: &'a [u8],
    /// Body of the response, not compressed.
    pub response: &'a [u8],
}

/// What came of feedback at this gateway.
#[derive(Debug, PartialEq)]
pub(super) enum Joined {
    /// So many rows have labels now.
    Rows(u64),
    /// No prediction with that id waits here.
    Unknown,
    /// The labels of that id have come before.
    Again,
    /// The labels don't fit; the text says why.
    Invalid(String),
}

impl Monitor {
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        let task = config.task.clone();
        let retain = task.retain as usize;
        let mut references = config.references.clone();
        // The operator asks for them again and again, and looks at counts only.
        let told = [&mut references.inputs, &mut references.predictions];
        told.into_iter()
            .flatten()
            .for_each(Profile::forget_sketches);
        let references = Arc::new(references);
        Self {
            pod_uid: config.pod_uid.clone(),
            references: references.clone(),
            clock: config.clock.clone(),
            metrics,
            drops: Drops::new(retain),
            state: Mutex::new(State {
                windows: Windows::new(retain, task.task, references),
                pending: Pending::new(task.max_pending as usize),
                classes: Interner::default(),
            }),
            task,
        }
    }

    /// The time, in seconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    /// Counts a request whose rows are not in the profiles.
    pub fn dropped(&self, reason: Dropped) {
        self.metrics.dropped(reason);
        self.drops
            .add(window_of(self.now(), self.task.window_seconds));
    }

    /// Adds an inference to its window. Reads before it locks, so that feedback and profiles wait
    /// for the counting only.
    pub fn record(&self, inference: &Inference<'_>) {
        let (mut asked, mut said) = (String::new(), String::new());
        let Some(request) = read::<InferRequest<'_>>(inference.request, &mut asked) else {
            return self.dropped(Dropped::Malformed);
        };
        let Some(response) = read::<InferResponse<'_>>(inference.response, &mut said) else {
            return self.dropped(Dropped::Malformed);
        };
        let Some(output) = prediction(response.outputs) else {
            return self.dropped(Dropped::Malformed);
        };
        let rows = output.rows();
        let predictions = self.column(output).map(|(_, column)| column);
        let inputs: Vec<_> = request
            .inputs
            .into_iter()
            .filter_map(|tensor| self.column(tensor))
            .collect();

        let window = window_of(inference.time, self.task.window_seconds);
        let mut state = lock(&self.state);
        let state = &mut *state;
        let Some(open) = state.windows.open(window) else {
            return self.dropped(Dropped::Window);
        };
        open.rows += rows;
        self.metrics.rows(rows);
        if let Some(builder) = &mut open.inputs {
            for (name, column) in &inputs {
                if !observe(builder, name, column) {
                    self.metrics.skipped("column");
                }
            }
        }
        if let Some(column) = predictions {
            if let Some(builder) = &mut open.predictions
                && !observe(builder, PREDICTION_COLUMN, &column)
            {
                self.metrics.skipped("column");
            }
            self.wait(state, inference, window, column);
        }
        self.forget(state);
    }

    /// A tensor as a column with its name; one that can't be read is counted.
    fn column<'a>(&self, tensor: Tensor<'a>) -> Option<(Cow<'a, str>, Column<'a>)> {
        let name = tensor.name.clone();
        match tensor.into_column() {
            Ok(column) => Some((name, column)),
            Err(reason) => {
                self.metrics.skipped(reason.label());
                None
            }
        }
    }

    /// Lets predictions wait for their labels.
    fn wait(&self, state: &mut State, inference: &Inference<'_>, window: u64, column: Column<'_>) {
        if inference.id.len() > MAX_ID_BYTES {
            return self.metrics.forgotten(Forgotten::Id, column.len());
        }
        let classes = &mut state.classes;
        let predictions = match (self.task.task, column) {
            (Task::Regression, Column::Numbers(rows) | Column::Booleans(rows)) => {
                Predictions::Numbers(rows)
            }
            (Task::Regression, Column::Missing(rows)) => Predictions::Numbers(vec![f64::NAN; rows]),
            (Task::Regression, Column::Texts(_)) => return self.metrics.skipped("task"),
            (Task::Classification, Column::Numbers(rows) | Column::Booleans(rows)) => {
                let class =
                    |row: f64| (!row.is_nan()).then(|| classes.intern(&class_of_number(row)));
                Predictions::Classes(rows.into_iter().map(class).collect())
            }
            (Task::Classification, Column::Texts(rows)) => {
                let class = |row: Option<Cow<'_, str>>| row.map(|name| classes.intern(&name));
                Predictions::Classes(rows.into_iter().map(class).collect())
            }
            (Task::Classification, Column::Missing(rows)) => Predictions::Classes(vec![None; rows]),
        };
        let key = key(inference.model, inference.id);
        state.pending.insert(key.into(), window, predictions);
    }

    /// Forgets what is past its horizon, or belongs to a window that is no longer kept.
    fn forget(&self, state: &mut State) {
        let oldest = self
            .now()
            .saturating_add(1)
            .saturating_sub(self.task.window_seconds)
            .saturating_sub(self.task.horizon_seconds);
        state.pending.forget_before(oldest, Forgotten::Horizon);
        if let Some(kept) = state.windows.oldest() {
            state.pending.forget_before(kept, Forgotten::Window);
        }
        for (reason, rows) in state.pending.take_forgotten() {
            self.metrics.forgotten(reason, rows);
        }
    }

    /// Joins labels with the predictions of a request. All or nothing.
    pub fn join(&self, model: &str, id: &str, labels: &Labels) -> Joined {
        let key = key(model, id);
        let mut state = lock(&self.state);
        self.forget(&mut state);
        match state.pending.find(&key) {
            Found::Unknown => return Joined::Unknown,
            Found::Answered => return Joined::Again,
            Found::Waiting(predictions) if predictions.rows() != labels.rows() => {
                return Joined::Invalid(format!(
                    "labels has {} entries, but request `{id}` had {} rows: send one label per row \
                     in the row order of the request, null where none will come",
                    labels.rows(),
                    predictions.rows()
                ));
            }
            Found::Waiting(_) => {}
        }
        let Some((window, predictions)) = state.pending.answer(&key) else {
            return Joined::Unknown;
        };
        match state.windows.get_mut(window) {
            Some(open) => Joined::Rows(join(&mut open.quality, labels, &predictions)),
            None => Joined::Unknown,
        }
    }

    /// The windows and the references.
    pub fn profile(&self) -> GatewayProfile {
        let mut state = lock(&self.state);
        self.forget(&mut state);
        let windows = state
            .windows
            .snapshot(&self.drops.counts(), |start| state.pending.rows_of(start));
        drop(state);
        GatewayProfile {
            v: GatewayProfile::VERSION,
            pod_uid: self.pod_uid.clone(),
            digest: self.task.digest.clone(),
            window_seconds: self.task.window_seconds,
            windows,
            reference: self.references.inputs.clone(),
            reference_predictions: self.references.predictions.clone(),
        }
    }

    /// Sets the metrics that are read off the state.
    pub fn gauge(&self) {
        let mut state = lock(&self.state);
        self.forget(&mut state);
        let last = state
            .windows
            .last_quality(self.now(), self.task.window_seconds);
        self.metrics.pending(state.pending.rows());
        let last = last.map(|(start, quality)| WindowQuality {
            start,
            labels: labels(quality),
            values: values(quality),
        });
        self.metrics.quality(&last.unwrap_or_default());
    }
}

fn key(model: &str, id: &str) -> String {
    format!("{model}/{id}")
}

/// Reads JSON, also with the NaN that Python's json module writes: as a missing value. `clean` is
/// where such a text is kept.
fn read<'a, T: Deserialize<'a>>(json: &'a [u8], clean: &'a mut String) -> Option<T> {
    serde_json::from_slice(json).ok().or_else(|| {
        *clean = without_nan(str::from_utf8(json).ok()?);
        serde_json::from_str(clean).ok()
    })
}

fn prediction(mut outputs: Vec<Tensor<'_>>) -> Option<Tensor<'_>> {
    let named = outputs
        .iter()
        .position(|output| output.name == PREDICTION_OUTPUT);
    (!outputs.is_empty()).then(|| outputs.swap_remove(named.unwrap_or(0)))
}

/// Counts a column over the reference's bins; `false` when the reference has no such column of
/// that kind.
fn observe(builder: &mut LiveBuilder, name: &str, column: &Column<'_>) -> bool {
    let present =
        |values: &[f64]| -> Vec<f64> { values.iter().copied().filter(|v| !v.is_nan()).collect() };
    let (counted, nulls) = match (builder.kind(name), column) {
        (Some("numeric"), Column::Numbers(values) | Column::Booleans(values)) => {
            let present = present(values);
            let nulls = values.len() - present.len();
            (builder.observe_numeric(name, &present), nulls)
        }
        (Some("categorical"), Column::Texts(values)) => {
            let nulls = values.iter().filter(|value| value.is_none()).count();
            (
                builder.observe_categorical(name, values.iter().flatten()),
                nulls,
            )
        }
        (Some("categorical"), Column::Numbers(values)) => {
            // Clients send a truth as 0 and 1, too.
            let truths = builder.lists(name, "true") || builder.lists(name, "false");
            let truths = truths && !builder.lists(name, "0") && !builder.lists(name, "1");
            let text = |value: f64| match value {
                0.0 if truths => "false".into(),
                1.0 if truths => "true".into(),
                _ => class_of_number(value),
            };
            let texts: Vec<_> = present(values).into_iter().map(text).collect();
            let nulls = values.len() - texts.len();
            (builder.observe_categorical(name, &texts), nulls)
        }
        (Some("categorical"), Column::Booleans(values)) => {
            let present = present(values);
            let texts = present
                .iter()
                .map(|v| if *v == 0.0 { "false" } else { "true" });
            let nulls = values.len() - present.len();
            (builder.observe_categorical(name, texts), nulls)
        }
        (Some(_), Column::Missing(rows)) => (Ok(()), *rows),
        _ => return false,
    };
    counted
        .and_then(|()| builder.observe_nulls(name, nulls as u64))
        .is_ok()
}

/// Adds the rows that have a label to a window's quality; returns their number.
fn join(quality: &mut Quality, labels: &Labels, predictions: &Predictions) -> u64 {
    let mut joined = 0;
    match (quality, labels, predictions) {
        (Quality::Regression(quality), Labels::Numbers(labels), Predictions::Numbers(rows)) => {
            for (label, row) in labels.iter().zip(rows) {
                if let Some(label) = label {
                    quality.observe(*label, *row);
                    joined += 1;
                }
            }
        }
        (Quality::Classification(quality), Labels::Classes(labels), Predictions::Classes(rows)) => {
            for pair in labels.iter().zip(rows) {
                if let (Some(label), Some(row)) = pair {
                    quality.observe(label, row);
                    joined += 1;
                }
            }
        }
        // All three follow the task.
        _ => {}
    }
    joined
}

/// A window's metrics by name.
fn values(quality: &Quality) -> Vec<(&'static str, f64)> {
    let values = match quality {
        Quality::Regression(quality) => vec![
            ("mae", quality.mae()),
            ("mse", quality.mse()),
            ("rmse", quality.rmse()),
            ("bias", quality.bias()),
            ("r2", quality.r2()),
        ],
        Quality::Classification(quality) => vec![
            ("accuracy", quality.accuracy()),
            ("precision", quality.macro_precision()),
            ("recall", quality.macro_recall()),
            ("f1", quality.macro_f1()),
        ],
    };
    let known = values.into_iter().filter_map(|(name, v)| Some((name, v?)));
    known.collect()
}
