//! N of the last M evaluations.

use jiff::Timestamp;
use millwright_crds::retrain_policy::{Evaluate, Evaluation, TriggerState};

use crate::time;

/// Drops evaluations that don't count any more: those beyond the last M, and those of traffic
/// from before the end of the last run. That run has answered them, whatever came of it.
pub(super) fn bound(recent: &mut Vec<Evaluation>, of: u32, run_ended: Option<Timestamp>) {
    if let Some(ended) = run_ended {
        recent.retain(|one| time::parse(&one.through).is_some_and(|through| through > ended));
    }
    recent.truncate(usize::try_from(of).unwrap_or(usize::MAX));
}

/// How a trigger with these evaluations, newest first, stands.
pub(super) fn state(recent: &[Evaluation], rule: &Evaluate) -> TriggerState {
    let of = usize::try_from(rule.of).unwrap_or(usize::MAX);
    let breaches = recent.iter().take(of).filter(|one| one.breach).count();
    match recent.first() {
        None => TriggerState::Unknown,
        _ if breaches >= usize::try_from(rule.breaches.max(1)).unwrap_or(usize::MAX) => {
            TriggerState::Breached
        }
        Some(last) if last.breach => TriggerState::Pending,
        Some(_) => TriggerState::Clear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrain_policy::fixtures::at;

    fn evaluations(breaches: &str) -> Vec<Evaluation> {
        breaches
            .chars()
            .zip(1..)
            .map(|(letter, age)| Evaluation {
                breach: letter == 'x',
                value: 1.0,
                samples: 1,
                through: time::format(at(1_000 - age)),
            })
            .collect()
    }

    #[test]
    fn n_of_m() {
        use TriggerState::{Breached, Clear, Pending, Unknown};
        let rule = |breaches, of| Evaluate {
            breaches,
            of,
            ..Evaluate::default()
        };
        // Newest first.
        for (recent, breaches, of, expected) in [
            ("", 1, 1, Unknown),
            (".", 1, 1, Clear),
            ("x", 1, 1, Breached),
            ("x", 2, 3, Pending),
            (".x", 2, 3, Clear),
            ("x.", 2, 3, Pending),
            ("x.x", 2, 3, Breached),
            (".xx", 2, 3, Breached),
            ("..xx", 2, 3, Clear),
            ("x..x", 2, 3, Pending),
            ("xxx", 3, 5, Breached),
        ] {
            assert_eq!(
                state(&evaluations(recent), &rule(breaches, of)),
                expected,
                "{recent} {breaches} of {of}"
            );
        }
    }

    #[test]
    fn a_run_answers_what_was_before_its_end() {
        let mut recent = evaluations("xxx");
        bound(&mut recent, 5, Some(at(998)));
        assert_eq!(recent.len(), 1);
        bound(&mut recent, 5, Some(at(999)));
        assert_eq!(recent, []);
        let mut recent = evaluations("xxx");
        bound(&mut recent, 2, None);
        assert_eq!(recent.len(), 2);
    }
}
