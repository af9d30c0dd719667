//! Conditions, as kstatus reads them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use millwright_crds::common::{Condition, ConditionType};

use crate::Reason;

/// How an object stands, from which all its conditions follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Does its job now.
    Ready,
    /// Does its job now, and something newer is on its way.
    ReadyAndReconciling,
    /// Work is under way.
    Reconciling,
    /// Waits for another object: neither ready nor at work.
    Waiting,
    /// Does its job now, and the spec says that nothing new is started.
    ReadyAndSuspended,
    /// Stands still because the spec says so.
    Suspended,
    /// Nothing will change without a person.
    Stalled,
    /// A run ended well.
    Complete,
    /// A run ended badly.
    Failed,
}

/// The conditions of an object that stands like this. `lastTransitionTime` moves only when a
/// status flips.
pub fn set(
    before: &[Condition],
    verdict: &Verdict,
    reason: Reason,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    use ConditionType::{Complete, Failed, Ready, Reconciling, Stalled, Suspended};
    let wanted: &[(ConditionType, bool)] = match verdict {
        Verdict::Ready => &[(Ready, true)],
        Verdict::ReadyAndReconciling => &[(Ready, true), (Reconciling, true)],
        Verdict::Reconciling => &[(Ready, false), (Reconciling, true)],
        Verdict::Waiting => &[(Ready, false)],
        Verdict::ReadyAndSuspended => &[(Ready, true), (Suspended, true)],
        Verdict::Suspended => &[(Suspended, true)],
        Verdict::Stalled => &[(Ready, false), (Stalled, true)],
        Verdict::Complete => &[(Ready, true), (Complete, true)],
        Verdict::Failed => &[(Ready, false), (Stalled, true), (Failed, true)],
    };
    let message: String = message.chars().take(1_024).collect();
    wanted
        .iter()
        .map(|(kind, status)| {
            let status = if *status { "True" } else { "False" };
            let since = before
                .iter()
                .find(|old| old.type_ == kind.as_str() && old.status == status)
                .map_or_else(
                    || Time(crate::time::whole(now)),
                    |old| old.last_transition_time.clone(),
                );
            Condition {
                type_: kind.as_str().into(),
                status: status.into(),
                reason: reason.as_str().into(),
                message: message.clone(),
                observed_generation: Some(generation),
                last_transition_time: since,
            }
        })
        .collect()
}

/// The condition that says how an object stands and why: Ready, or Suspended where there is none.
pub fn stands(conditions: &[Condition]) -> Option<&Condition> {
    let find = |kind: ConditionType| conditions.iter().find(|c| c.type_ == kind.as_str());
    find(ConditionType::Ready).or_else(|| find(ConditionType::Suspended))
}

/// Whether a condition is true.
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    conditions
        .iter()
        .any(|c| c.type_ == kind.as_str() && c.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn transition_time_moves_only_when_status_flips() {
        let first = set(&[], &Verdict::Reconciling, Reason::Running, "a", 1, at(1));
        let same = set(
            &first,
            &Verdict::Reconciling,
            Reason::Running,
            "b",
            2,
            at(2),
        );
        assert_eq!(same[0].last_transition_time, Time(at(1)));
        let flipped = set(&same, &Verdict::Complete, Reason::Succeeded, "c", 2, at(3));
        assert_eq!(flipped[0].last_transition_time, Time(at(3)));
    }

    #[test]
    fn reconciling_and_stalled_are_never_both_present() {
        for verdict in [
            Verdict::Ready,
            Verdict::ReadyAndReconciling,
            Verdict::Reconciling,
            Verdict::Waiting,
            Verdict::ReadyAndSuspended,
            Verdict::Suspended,
            Verdict::Stalled,
            Verdict::Complete,
            Verdict::Failed,
        ] {
            let list = set(&[], &verdict, Reason::Running, "", 1, at(1));
            let has = |kind| is_true(&list, kind);
            assert!(!(has(ConditionType::Reconciling) && has(ConditionType::Stalled)));
            assert!(stands(&list).is_some(), "{verdict:?}");
        }
    }
}
