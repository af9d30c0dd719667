//! Windows of traffic.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use drift::{
    profile::LiveBuilder,
    quality::{Classification, Regression},
};
use millwright_crds::{
    model_deployment::Task,
    wire::serving::{Quality, Window},
};

use super::{config::References, lock};

/// Start of the window that a time belongs to: a multiple of the length since the Unix epoch, so
/// that the windows of all replicas are the same.
pub(super) fn window_of(time: u64, length: u64) -> u64 {
    time - time % length
}

/// The last windows that had traffic.
pub(super) struct Windows {
    retain: usize,
    task: Task,
    references: Arc<References>,
    open: BTreeMap<u64, Open>,
}

/// One window while it is counted.
pub(super) struct Open {
    pub rows: u64,
    pub inputs: Option<LiveBuilder>,
    pub predictions: Option<LiveBuilder>,
    pub quality: Quality,
}

impl Windows {
    /// Keeps the last `retain` windows.
    pub fn new(retain: usize, task: Task, references: Arc<References>) -> Self {
        Self {
            retain: retain.max(1),
            task,
            references,
            open: BTreeMap::new(),
        }
    }

    /// The window that starts at `start`, made when it is new; `None` when it is older than all
    /// that are kept.
    pub fn open(&mut self, start: u64) -> Option<&mut Open> {
        if !self.open.contains_key(&start) {
            self.open.insert(start, self.empty());
            trim(&mut self.open, self.retain);
        }
        self.open.get_mut(&start)
    }

    fn empty(&self) -> Open {
        Open {
            rows: 0,
            inputs: self.references.inputs.as_ref().map(LiveBuilder::new),
            predictions: self.references.predictions.as_ref().map(LiveBuilder::new),
            quality: match self.task {
                Task::Regression => Quality::Regression(Regression::default()),
                Task::Classification => Quality::Classification(Classification::default()),
            },
        }
    }

    /// A window that is kept.
    pub fn get_mut(&mut self, start: u64) -> Option<&mut Open> {
        self.open.get_mut(&start)
    }

    /// Start of the oldest window that is kept.
    pub fn oldest(&self) -> Option<u64> {
        self.open.keys().next().copied()
    }

    /// The start and the quality of the last window that ended by `now` and has labels.
    pub fn last_quality(&self, now: u64, length: u64) -> Option<(u64, &Quality)> {
        self.open
            .iter()
            .rev()
            .filter(|(start, _)| *start + length <= now)
            .map(|(start, window)| (*start, &window.quality))
            .find(|(_, quality)| labels(quality) > 0)
    }

    /// The windows as they are told to the operator, oldest first. `dropped` has the requests
    /// that were dropped, `pending` tells the rows of a window that wait.
    pub fn snapshot(
        &self,
        dropped: &BTreeMap<u64, u64>,
        pending: impl Fn(u64) -> usize,
    ) -> Vec<Window> {
        let mut windows: BTreeMap<u64, Window> = self
            .open
            .iter()
            .map(|(&start, open)| (start, open.tell(start, pending(start))))
            .collect();
        for (&start, &count) in dropped {
            windows
                .entry(start)
                .or_insert_with(|| self.empty().tell(start, 0))
                .dropped = count;
        }
        trim(&mut windows, self.retain);
        windows.into_values().collect()
    }
}

impl Open {
    fn tell(&self, start: u64, pending: usize) -> Window {
        Window {
            start,
            rows: self.rows,
            dropped: 0,
            inputs: self.inputs.as_ref().map(LiveBuilder::snapshot),
            predictions: self.predictions.as_ref().map(LiveBuilder::snapshot),
            pending: pending as u64,
            quality: self.quality.clone(),
        }
    }
}

/// Rows with a label.
pub(super) fn labels(quality: &Quality) -> u64 {
    match quality {
        Quality::Regression(quality) => quality.count(),
        Quality::Classification(quality) => quality.count(),
    }
}

/// Leaves the last `retain` entries.
fn trim<T>(windows: &mut BTreeMap<u64, T>, retain: usize) {
    while windows.len() > retain {
        windows.pop_first();
    }
}

/// Dropped requests per window. Apart from the windows, so that counting one never waits for the
/// profiler.
pub(super) struct Drops {
    retain: usize,
    counts: Mutex<BTreeMap<u64, u64>>,
}

impl Drops {
    /// Counts for the last `retain` windows.
    pub fn new(retain: usize) -> Self {
        Self {
            retain: retain.max(1),
            counts: Mutex::default(),
        }
    }

    /// Counts a request of the window that starts at `start`.
    pub fn add(&self, start: u64) {
        let mut counts = lock(&self.counts);
        *counts.entry(start).or_default() += 1;
        trim(&mut counts, self.retain);
    }

    /// The counts by window.
    pub fn counts(&self) -> BTreeMap<u64, u64> {
        lock(&self.counts).clone()
    }
}
