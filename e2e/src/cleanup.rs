//! What must be undone whichever way the tests end.

use std::{collections::BTreeMap, process};

use parking_lot::Mutex;

type Undo = Box<dyn FnOnce() + Send>;

static PENDING: Mutex<BTreeMap<u64, Undo>> = Mutex::new(BTreeMap::new());

/// Something to undo: when this is dropped, or on an interrupt.
pub struct Guard(u64);

impl Guard {
    /// Undoes it in any case.
    pub fn new(undo: impl FnOnce() + Send + 'static) -> Self {
        let mut pending = PENDING.lock();
        let key = pending.last_key_value().map_or(0, |(key, _)| key + 1);
        pending.insert(key, Box::new(undo));
        Self(key)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let undo = PENDING.lock().remove(&self.0);
        if let Some(undo) = undo {
            undo();
        }
    }
}

/// On SIGINT, SIGTERM or SIGHUP undoes everything, the newest first, and ends the process.
pub async fn watch_signals() {
    use tokio::signal::unix::{SignalKind, signal};
    let streams = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ]
    .map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = streams else {
        eprintln!("signals can't be caught: what an interrupt leaves is removed by the next run");
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    eprintln!("interrupted: removing what the tests made");
    loop {
        let newest = PENDING.lock().pop_last();
        let Some((_, undo)) = newest else { break };
        undo();
    }
    process::exit(130);
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[test]
    fn a_panic_undoes_once() {
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        let result = std::panic::catch_unwind(move || {
            let _guard = Guard::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(result.is_err());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
