//! Stale caches: what was written must be in the stores before the next plan is made.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::index::Key;

/// How long a store may lag behind a write. A watch that is down longer has its own alarm.
const PATIENCE: Duration = Duration::from_secs(15);

/// Something that was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Kind.
    pub(crate) kind: String,
    /// Namespace and name.
    pub(crate) key: Key,
    /// resourceVersion after the write.
    pub(crate) resource_version: u64,
    at: Instant,
}

/// What was written and may not be in the stores yet.
#[derive(Default)]
pub(crate) struct Fresh {
    /// For each owner.
    written: Mutex<HashMap<String, Vec<Written>>>,
    /// The resourceVersion that the last write of an object with several owners was made from.
    spent: Mutex<HashMap<(String, Key), (u64, Instant)>>,
}

impl Fresh {
    /// Remembers a write made for the owner of this UID.
    pub(crate) fn wrote(&self, owner: &str, kind: &str, key: Key, resource_version: u64) {
        let written = Written {
            kind: kind.into(),
            key,
            resource_version,
            at: Instant::now(),
        };
        let mut all = self.written.lock();
        if !all.contains_key(owner) {
            // Owners that were deleted never ask.
            all.retain(|_, list| list.iter().any(|one| one.at.elapsed() < PATIENCE));
        }
        all.entry(owner.into()).or_default().push(written);
    }

    /// Remembers that a write was refused because its object is not as it was at this resourceVersion
    /// any more: until the store has a newer one, trying again would be refused again.
    pub(crate) fn behind(&self, owner: &str, kind: &str, key: Key, resource_version: u64) {
        self.wrote(owner, kind, key, resource_version.saturating_add(1));
    }

    /// Whether a write may be made from this resourceVersion of an object that many write: of those
    /// that were planned from the same one, all but the first would be refused.
    pub(crate) fn spend(&self, kind: &str, key: &Key, resource_version: u64) -> bool {
        let mut spent = self.spent.lock();
        spent.retain(|_, (_, at)| at.elapsed() < PATIENCE);
        let now = (resource_version, Instant::now());
        let last = spent.insert((kind.into(), key.clone()), now);
        last.is_none_or(|(last, _)| last != resource_version)
    }

    /// The write was not made: another may be made from the same resourceVersion.
    pub(crate) fn give_back(&self, kind: &str, key: &Key) {
        self.spent.lock().remove(&(kind.into(), key.clone()));
    }

    /// Whether the stores have all that was written for this owner. `has` says what a store has.
    pub(crate) fn is_current(&self, owner: &str, has: impl Fn(&str, &Key) -> Option<u64>) -> bool {
        let mut all = self.written.lock();
        let Some(waiting) = all.get_mut(owner) else {
            return true;
        };
        waiting.retain(|written| {
            let seen =
                has(&written.kind, &written.key).is_some_and(|v| v >= written.resource_version);
            !seen && written.at.elapsed() < PATIENCE
        });
        let current = waiting.is_empty();
        if current {
            all.remove(owner);
        }
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_store_has_it() {
        let fresh = Fresh::default();
        let key = || ("ns".to_owned(), "job".to_owned());
        fresh.wrote("uid", "Job", key(), 5);
        assert!(!fresh.is_current("uid", |_, _| None));
        assert!(!fresh.is_current("uid", |_, _| Some(4)));
        assert!(fresh.is_current("other", |_, _| None));
        assert!(fresh.is_current("uid", |_, _| Some(5)));
        assert!(fresh.is_current("uid", |_, _| None));
    }

    #[test]
    fn one_write_is_made_from_a_version() {
        let fresh = Fresh::default();
        let key = ("ns".to_owned(), "model".to_owned());
        assert!(fresh.spend("Model", &key, 5));
        assert!(!fresh.spend("Model", &key, 5));
        assert!(fresh.spend("Dataset", &key, 5));
        assert!(fresh.spend("Model", &key, 6));
        fresh.give_back("Model", &key);
        assert!(fresh.spend("Model", &key, 6));
    }
}
