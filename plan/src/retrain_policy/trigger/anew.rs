//! When evaluations that were made before say nothing any more: the trigger was changed.

use std::collections::BTreeSet;

use millwright_crds::retrain_policy::{Trigger, TriggerStatus};

use crate::{names, retrain_policy::figure};

/// What a trigger measures, as a hash; the limit apart.
pub(super) fn measures(trigger: &Trigger) -> String {
    let of_quality = trigger.quality.as_ref().map(|quality| quality.metric);
    let of_drift = trigger.drift.as_ref().map(|drift| {
        let columns: BTreeSet<&str> = drift.columns.iter().map(String::as_str).collect();
        (drift.method, columns, drift.share)
    });
    names::hash8(&format!("{of_quality:?} {of_drift:?}"))
}

/// Evaluations of something else say nothing. A status from before this was written down is believed.
pub(super) fn measure_anew(status: &mut TriggerStatus, measures: String) {
    let before = status.measures.replace(measures);
    if before.is_some() && before != status.measures {
        status.value = None;
        status.recent.clear();
        status.columns.clear();
    }
}

/// With another limit the evaluations before say nothing.
pub(super) fn judge_anew(status: &mut TriggerStatus, limit: f64) {
    match status.threshold {
        Some(old) if figure::same(old, limit) => {}
        Some(_) => {
            status.recent.clear();
            status.threshold = Some(limit);
        }
        None => status.threshold = Some(limit),
    }
}
