//! Whether a run is started now.

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::{
    ANNOTATION_RETRAIN, RetrainPolicy, TrainingJob,
    retrain_policy::{PolicyMode, TriggerMode, TriggerState, TriggerStatus},
};

use super::build::Cause;
use crate::time;

/// The trigger of a run that a person asked for.
pub(super) const MANUAL: &str = "manual";
/// Most characters of a request in status.
const ANSWERED: usize = 256;

/// What follows from the triggers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// A run is started.
    Fire(Cause),
    /// A run is under way: another is not started beside it.
    Running(String),
    /// A trigger is breached, and a run can be started from this time on.
    CoolingDown {
        /// Name of the trigger.
        trigger: String,
        /// End of the cooldown.
        until: Timestamp,
    },
    /// A trigger is breached, and `spec.mode` is Observe.
    Observing(String),
    /// Nothing is breached that acts.
    Quiet,
}

/// What a person asks for that was not answered yet: the value of the annotation. What was
/// answered is in status, and on the run that followed.
pub(super) fn asked(
    policy: &RetrainPolicy,
    answered: Option<&str>,
    runs: &[TrainingJob],
) -> Option<String> {
    let value = policy.annotations().get(ANNOTATION_RETRAIN)?;
    let request: String = value.chars().take(ANSWERED).collect();
    let on = |run: &TrainingJob| run.annotations().get(ANNOTATION_RETRAIN) == Some(&request);
    (answered != Some(request.as_str()) && !runs.iter().any(on)).then_some(request)
}

/// What follows. A person's word counts whatever the mode and the cooldown are, but never starts
/// a second run beside one under way.
pub(super) fn decide(
    policy: &RetrainPolicy,
    triggers: &[TriggerStatus],
    active: Option<&TrainingJob>,
    run_ended: Option<Timestamp>,
    asked: Option<String>,
    now: Timestamp,
) -> Decision {
    if let Some(run) = active {
        return Decision::Running(run.name_any());
    }
    if let Some(request) = asked {
        return Decision::Fire(Cause {
            trigger: MANUAL.into(),
            request: Some(request),
        });
    }
    let acts = |status: &&TriggerStatus| {
        policy
            .spec
            .triggers
            .iter()
            .any(|trigger| trigger.name == status.name && trigger.mode == TriggerMode::Act)
    };
    let Some(trigger) = triggers
        .iter()
        .filter(acts)
        .find(|status| status.state == TriggerState::Breached)
        .map(|status| status.name.clone())
    else {
        return Decision::Quiet;
    };
    if policy.spec.mode == PolicyMode::Observe {
        return Decision::Observing(trigger);
    }
    let until = run_ended.map(|ended| time::after(ended, policy.spec.cooldown.as_std()));
    match until.filter(|until| *until > now) {
        Some(until) => Decision::CoolingDown { trigger, until },
        None => Decision::Fire(Cause {
            trigger,
            request: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrain_policy::fixtures::{at, policy, run, stands};

    fn triggers(quality: TriggerState, inputs: TriggerState) -> Vec<TriggerStatus> {
        vec![stands("quality", quality), stands("inputs", inputs)]
    }

    #[test]
    fn only_a_breached_trigger_that_acts_fires() {
        use TriggerState::{Breached, Clear, Pending, Unknown};
        // In the fixture `quality` acts and `inputs` is observed.
        for (quality, inputs, fires) in [
            (Breached, Clear, true),
            (Breached, Breached, true),
            (Clear, Breached, false),
            (Pending, Breached, false),
            (Unknown, Unknown, false),
        ] {
            let triggers = triggers(quality, inputs);
            let decision = decide(&policy(), &triggers, None, None, None, at(0));
            assert_eq!(matches!(decision, Decision::Fire(_)), fires, "{quality:?}");
        }
    }

    #[test]
    fn observe_never_fires() {
        let mut policy = policy();
        policy.spec.mode = PolicyMode::Observe;
        let triggers = triggers(TriggerState::Breached, TriggerState::Clear);
        assert_eq!(
            decide(&policy, &triggers, None, None, None, at(0)),
            Decision::Observing("quality".into())
        );
    }

    #[test]
    fn the_cooldown_counts_from_the_end_of_the_last_run() {
        let triggers = triggers(TriggerState::Breached, TriggerState::Clear);
        // The fixture's cooldown is 60 s.
        for (now, fires) in [(100, false), (159, false), (160, true)] {
            let decision = decide(&policy(), &triggers, None, Some(at(100)), None, at(now));
            assert_eq!(matches!(decision, Decision::Fire(_)), fires, "{now}");
            if let Decision::CoolingDown { until, .. } = decision {
                assert_eq!(until, at(160));
            }
        }
    }

    #[test]
    fn there_is_one_run_at_a_time() {
        let triggers = triggers(TriggerState::Breached, TriggerState::Clear);
        let active = run(1, 0);
        for asked in [None, Some("x".to_owned())] {
            assert_eq!(
                decide(&policy(), &triggers, Some(&active), None, asked, at(999)),
                Decision::Running("p-1".into())
            );
        }
    }

    #[test]
    fn a_persons_word_is_answered_once() {
        let mut policy = policy();
        policy.spec.mode = PolicyMode::Observe;
        assert_eq!(asked(&policy, None, &[]), None);
        let annotations = policy.metadata.annotations.get_or_insert_default();
        annotations.insert(ANNOTATION_RETRAIN.into(), "7/now".into());
        let request = asked(&policy, None, &[]);
        assert_eq!(request.as_deref(), Some("7/now"));
        assert_eq!(asked(&policy, Some("7/now"), &[]), None);
        let mut answer = run(1, 0);
        let annotations = answer.metadata.annotations.get_or_insert_default();
        annotations.insert(ANNOTATION_RETRAIN.into(), "7/now".into());
        assert_eq!(asked(&policy, None, &[answer]), None);
        assert_eq!(
            decide(&policy, &[], None, Some(at(99)), request.clone(), at(100)),
            Decision::Fire(Cause {
                trigger: MANUAL.into(),
                request,
            })
        );
    }
}
