//! What others change of specs that we apply: the API server numbers them.

use std::collections::HashMap;

use millwright_plan::observed::Edited;
use parking_lot::Mutex;

use super::index::Key;

/// The number that each spec had after our last write of it, with the UID of its object.
#[derive(Default)]
pub(crate) struct Edits(Mutex<HashMap<Key, (String, i64)>>);

impl Edits {
    /// Remembers the number of a spec that we have written.
    pub(crate) fn wrote(&self, key: Key, uid: String, generation: i64) {
        self.0.lock().insert(key, (uid, generation));
    }

    /// Whether a spec was changed since our last write of it. Of one that was written before this
    /// process began nothing is known: it is believed, unless it is `shared`, which is to say that
    /// parts of it have another owner. `exists` says what is still there.
    pub(crate) fn is_edited(
        &self,
        key: Key,
        (uid, generation, shared): (&str, i64, bool),
        exists: impl Fn(&Key) -> bool,
    ) -> Edited {
        let mut known = self.0.lock();
        match known.get(&key).filter(|(of, _)| of == uid) {
            Some((_, ours)) if generation > *ours => return Edited::Yes,
            Some(_) => return Edited::No,
            None if shared => return Edited::Perhaps,
            None => {}
        }
        if known.len() == known.capacity() {
            known.retain(|key, _| exists(key));
        }
        known.insert(key, (uid.to_owned(), generation));
        Edited::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_spec_than_ours_is_edited() {
        let edits = Edits::default();
        let key = || ("ns".to_owned(), "d-production".to_owned());
        let is_edited = |uid: &str, generation| {
            edits.is_edited(key(), (uid, generation, false), |_| true) == Edited::Yes
        };
        assert!(!is_edited("a", 3), "nothing is known of it");
        assert!(is_edited("a", 4) && is_edited("a", 4));
        edits.wrote(key(), "a".into(), 5);
        assert!(!is_edited("a", 5));
        assert!(!is_edited("a", 4), "the store lags behind");
        assert!(!is_edited("b", 9), "it was made anew");
        assert!(is_edited("b", 10));
    }

    #[test]
    fn a_spec_with_another_owner_is_not_believed() {
        let edits = Edits::default();
        let key = || ("ns".to_owned(), "d-production".to_owned());
        let is_edited = |uid: &str| edits.is_edited(key(), (uid, 3, true), |_| true);
        assert_eq!(is_edited("a"), Edited::Perhaps);
        assert_eq!(is_edited("a"), Edited::Perhaps, "until it is written");
        edits.wrote(key(), "a".into(), 3);
        assert_eq!(is_edited("a"), Edited::No, "the other's parts are not ours");
        assert_eq!(is_edited("b"), Edited::Perhaps);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let edits = Edits::default();
        for number in 0..1_000 {
            let key = ("ns".to_owned(), number.to_string());
            edits.is_edited(key.clone(), ("a", 1, false), |other| *other == key);
        }
        assert!(edits.0.lock().len() < 50);
    }
}
