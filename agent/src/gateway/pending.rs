//! Predictions that wait for labels.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

/// Predictions of one request, in row order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predictions {
    /// Of a regression; NaN when the server answered null.
    Numbers(Vec<f64>),
    /// Of a classification; `None` when the server answered null.
    Classes(Vec<Option<Arc<str>>>),
}

impl Predictions {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(rows) => rows.len(),
            Self::Classes(rows) => rows.len(),
        }
    }
}

/// Why predictions no longer wait, though no label came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgotten {
    /// Too many rows wait.
    Limit,
    /// The horizon has passed.
    Horizon,
    /// Their window is no longer kept.
    Window,
    /// A later request had the same id.
    Replaced,
    /// The id was too long to be kept.
    Id,
}

impl Forgotten {
    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Horizon => "horizon",
            Self::Window => "window",
            Self::Replaced => "replaced",
            Self::Id => "id",
        }
    }
}

/// What is known of a request.
pub(super) enum Found<'a> {
    /// Never seen, or forgotten.
    Unknown,
    /// Its labels have come.
    Answered,
    /// It waits.
    Waiting(&'a Predictions),
}

/// Requests that wait for labels, oldest first. Bounded by rows; requests that have their labels
/// are remembered, so that a second feedback is told from an unknown id, and are bounded by the
/// same number. A request takes about 200 bytes and its id, a row 8 bytes (16 for classes).
pub(super) struct Pending {
    max_rows: usize,
    rows: usize,
    rows_by_window: BTreeMap<u64, usize>,
    entries: HashMap<Arc<str>, Entry>,
    /// In order of arrival. Entries that were replaced stay here until their turn.
    order: VecDeque<(Arc<str>, u64)>,
    arrivals: u64,
    forgotten: Vec<(Forgotten, usize)>,
}

struct Entry {
    arrival: u64,
    window: u64,
    /// `None` once the labels have come.
    predictions: Option<Predictions>,
}

impl Pending {
    /// Keeps at most `max_rows` rows waiting.
    pub fn new(max_rows: usize) -> Self {
        Self {
            max_rows,
            rows: 0,
            rows_by_window: BTreeMap::new(),
            entries: HashMap::new(),
            order: VecDeque::new(),
            arrivals: 0,
            forgotten: Vec::new(),
        }
    }

    /// Adds the predictions of a request made in the window that starts at `window`.
    pub fn insert(&mut self, key: Arc<str>, window: u64, predictions: Predictions) {
        if let Some(old) = self.entries.remove(&key) {
            self.forget(old, Forgotten::Replaced);
        }
        let rows = predictions.rows();
        self.arrivals += 1;
        self.rows += rows;
        *self.rows_by_window.entry(window).or_default() += rows;
        self.order.push_back((key.clone(), self.arrivals));
        let entry = Entry {
            arrival: self.arrivals,
            window,
            predictions: Some(predictions),
        };
        self.entries.insert(key, entry);
        while self.rows > self.max_rows || self.order.len() > self.max_rows {
            if !self.forget_oldest(Forgotten::Limit) {
                break;
            }
        }
    }

    /// What is known of a request.
    pub fn find(&self, key: &str) -> Found<'_> {
        match self.entries.get(key) {
            None => Found::Unknown,
            Some(entry) => match &entry.predictions {
                None => Found::Answered,
                Some(predictions) => Found::Waiting(predictions),
            },
        }
    }

    /// Takes a request's predictions and the start of their window; the request counts as
    /// answered from now on.
    pub fn answer(&mut self, key: &str) -> Option<(u64, Predictions)> {
        let entry = self.entries.get_mut(key)?;
        let predictions = entry.predictions.take()?;
        let window = entry.window;
        self.settle(window, predictions.rows());
        Some((window, predictions))
    }

    /// Forgets every request of windows that start before `window`: windows of older requests
    /// come first, but for clocks that were set back, whose requests go when their turn comes.
    pub fn forget_before(&mut self, window: u64, reason: Forgotten) {
        while let Some((key, arrival)) = self.order.front() {
            let current = self.entries.get(key).filter(|e| e.arrival == *arrival);
            if current.is_some_and(|entry| entry.window >= window) {
                break;
            }
            self.forget_oldest(reason);
        }
    }

    /// Rows that wait.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows of a window that wait.
    pub fn rows_of(&self, window: u64) -> usize {
        self.rows_by_window.get(&window).copied().unwrap_or(0)
    }

    /// Rows that were forgotten since this was last asked, with the reason.
    pub fn take_forgotten(&mut self) -> Vec<(Forgotten, usize)> {
        std::mem::take(&mut self.forgotten)
    }

    fn forget_oldest(&mut self, reason: Forgotten) -> bool {
        let Some((key, arrival)) = self.order.pop_front() else {
            return false;
        };
        if self.entries.get(&key).is_some_and(|e| e.arrival == arrival)
            && let Some(entry) = self.entries.remove(&key)
        {
            self.forget(entry, reason);
        }
        true
    }

    fn forget(&mut self, entry: Entry, reason: Forgotten) {
        if let Some(predictions) = entry.predictions {
            self.settle(entry.window, predictions.rows());
            self.forgotten.push((reason, predictions.rows()));
        }
    }

    fn settle(&mut self, window: u64, rows: usize) {
        self.rows -= rows;
        if let Some(waiting) = self.rows_by_window.get_mut(&window) {
            *waiting -= rows;
            if *waiting == 0 {
                self.rows_by_window.remove(&window);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: usize) -> Predictions {
        Predictions::Numbers(vec![1.0; rows])
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let mut pending = Pending::new(10);
        pending.insert("a".into(), 0, numbers(4));
        pending.insert("b".into(), 0, numbers(4));
        pending.insert("c".into(), 60, numbers(4));
        assert!(matches!(pending.find("a"), Found::Unknown));
        assert!(matches!(pending.find("b"), Found::Waiting(_)));
        assert_eq!(pending.take_forgotten(), [(Forgotten::Limit, 4)]);
        assert_eq!((pending.rows(), pending.rows_of(0)), (8, 4));
        pending.insert("d".into(), 60, numbers(11));
        assert_eq!(pending.rows(), 0);
    }

    #[test]
    fn an_answer_is_taken_once() {
        let mut pending = Pending::new(10);
        pending.insert("a".into(), 0, numbers(4));
        assert_eq!(pending.answer("a"), Some((0, numbers(4))));
        assert_eq!(pending.answer("a"), None);
        assert!(matches!(pending.find("a"), Found::Answered));
        assert_eq!((pending.rows(), pending.rows_of(0)), (0, 0));
    }

    #[test]
    fn answered_ids_and_repeated_ids_are_bounded() {
        let mut pending = Pending::new(3);
        for _ in 0..100 {
            pending.insert("same".into(), 0, numbers(1));
        }
        assert!(pending.order.len() <= 3);
        assert_eq!(pending.rows(), 1);
        for name in ["a", "b", "c", "d"] {
            pending.insert(name.into(), 0, numbers(1));
            pending.answer(name);
        }
        assert_eq!(pending.entries.len(), 3);
        assert!(matches!(pending.find("a"), Found::Unknown));
    }

    #[test]
    fn windows_that_are_gone_take_their_requests_with_them() {
        let mut pending = Pending::new(10);
        pending.insert("a".into(), 0, numbers(1));
        pending.insert("b".into(), 60, numbers(2));
        pending.insert("a".into(), 60, numbers(1));
        pending.forget_before(60, Forgotten::Horizon);
        assert!(matches!(pending.find("a"), Found::Waiting(_)));
        assert_eq!(pending.take_forgotten(), [(Forgotten::Replaced, 1)]);
        pending.forget_before(61, Forgotten::Horizon);
        assert_eq!(pending.rows(), 0);
    }
}
