//! How a trigger stands: its evaluations of the traffic that was not evaluated yet.

mod anew;
mod drift;
mod quality;

use ::drift::profile::Profile;
use jiff::Timestamp;
use millwright_crds::{
    model_version::ModelVersion,
    retrain_policy::{ColumnDrift, Evaluate, Evaluation, Trigger, TriggerState, TriggerStatus},
};

use super::{breach, figure, window::Span};
use crate::time;
use anew::{judge_anew, measure_anew, measures};

/// Most characters of a message.
const MESSAGE: usize = 512;

/// What triggers look at.
#[derive(Clone, Debug)]
pub(super) struct Traffic<'a> {
    /// Windows of all replicas, oldest first.
    pub windows: &'a [Span],
    /// Whether a gateway has told anything: without one it isn't known what the model came with.
    pub heard: bool,
    /// What the training data looked like.
    pub reference: Option<&'a Profile>,
    /// The version that the stage serves.
    pub version: Option<&'a ModelVersion>,
    /// Seconds after its end that a window waits for labels.
    pub horizon: u64,
    /// What to say when that is less than was asked for.
    pub cut: Option<&'a str>,
    /// When the last run ended.
    pub run_ended: Option<Timestamp>,
    /// Why nothing may be evaluated now although there are windows.
    pub hold: Option<&'a str>,
}

/// What a measurement of a span gives.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// Too little to say anything, and why.
    Nothing(String),
    /// An evaluation.
    Value {
        /// What was measured.
        value: f64,
        /// Whether it is worse than allowed.
        breach: bool,
        /// Labels or rows.
        samples: u64,
        /// The worst columns.
        columns: Vec<ColumnDrift>,
    },
}

/// How a trigger stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    /// What its status says.
    pub status: TriggerStatus,
    /// Whether it, or a part of it, can't be evaluated until a person acts: the message says why.
    pub unusable: bool,
}

/// How a trigger stands after the traffic that was not evaluated yet.
///
/// Consecutive windows that no more traffic (for quality: no more labels) comes to are merged,
/// oldest first, until there is enough for one evaluation. A window that isn't there yet holds
/// back those after it, so that none is passed over.
pub(super) fn look(
    trigger: &Trigger,
    before: Option<&TriggerStatus>,
    traffic: &Traffic<'_>,
    rule: &Evaluate,
    now: Timestamp,
) -> Look {
    let mut status = before.cloned().unwrap_or_else(|| TriggerStatus {
        name: trigger.name.clone(),
        state: TriggerState::Unknown,
        value: None,
        threshold: None,
        measures: None,
        evaluations: 0,
        through: None,
        recent: vec![],
        columns: vec![],
        message: None,
    });
    measure_anew(&mut status, measures(trigger));
    let mut problem = None;
    let mut waits = None;
    if let Some(trigger) = &trigger.quality {
        match quality::limit(trigger, traffic.version) {
            Ok(limit) => {
                judge_anew(&mut status, limit);
                let settled = |span: &Span| span.settled(now, traffic.horizon);
                let measure = |span: &Span| quality::measure(trigger, limit, span);
                waits = evaluate(&mut status, traffic, settled, measure);
            }
            Err(why) => {
                status.threshold = None;
                problem = Some(why);
            }
        }
    } else if let Some(trigger) = &trigger.drift {
        judge_anew(&mut status, figure::round(trigger.threshold));
        if traffic.heard {
            problem = drift::problem(trigger, traffic.reference);
        } else {
            let silence = "no gateway of the stage has answered yet";
            waits = Some(traffic.hold.unwrap_or(silence).to_owned());
        }
        if let Some(reference) = traffic.reference {
            let closed = |span: &Span| span.closed(now);
            let measure = |span: &Span| drift::measure(trigger, reference, span);
            waits = evaluate(&mut status, traffic, closed, measure);
        }
    } else {
        problem = Some("it has neither quality nor drift".into());
    }
    breach::bound(&mut status.recent, rule.of, traffic.run_ended);
    status.state = if status.threshold.is_some() {
        breach::state(&status.recent, rule)
    } else {
        TriggerState::Unknown
    };
    let unknown = status.state == TriggerState::Unknown;
    let unusable = problem.is_some();
    let cut = traffic.cut.filter(|_| trigger.quality.is_some());
    status.message = problem
        .or_else(|| waits.filter(|_| unknown))
        .or_else(|| cut.map(ToOwned::to_owned))
        .map(|message| message.chars().take(MESSAGE).collect());
    Look { status, unusable }
}

/// Evaluates what is ready; returns what the next evaluation waits for.
fn evaluate(
    status: &mut TriggerStatus,
    traffic: &Traffic<'_>,
    ready: impl Fn(&Span) -> bool,
    measure: impl Fn(&Span) -> Outcome,
) -> Option<String> {
    if let Some(hold) = traffic.hold {
        return Some(hold.into());
    }
    let evaluated = status.through.as_deref().and_then(time::parse);
    let mut waits = "no traffic yet".to_owned();
    let mut group: Option<Span> = None;
    for window in traffic.windows {
        let Some(end) = end_of(window).filter(|end| evaluated.is_none_or(|done| *end > done))
        else {
            continue;
        };
        if !ready(window) {
            if group.is_none() {
                waits = "the window isn't over, or waits for labels".into();
            }
            break;
        }
        match &mut group {
            Some(group) => group.add(window),
            None => group = Some(window.clone()),
        }
        match group.as_ref().map(&measure) {
            Some(Outcome::Value {
                value,
                breach,
                samples,
                columns,
            }) => {
                let through = time::format(end);
                status.value = Some(value);
                status.columns = columns;
                status.evaluations = status.evaluations.saturating_add(1);
                status.through = Some(through.clone());
                status.recent.insert(
                    0,
                    Evaluation {
                        breach,
                        value,
                        samples,
                        through,
                    },
                );
                group = None;
                waits = "no traffic since the last evaluation".into();
            }
            Some(Outcome::Nothing(why)) => waits = why,
            None => {}
        }
    }
    Some(waits)
}

/// End of a span as a point in time; `None` beyond what a calendar has.
fn end_of(span: &Span) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(span.end).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrain_policy::fixtures::{
        at, drift_trigger, measured, profile, quality_trigger, version, window,
    };
    use crate::retrain_policy::window::merged;
    use millwright_crds::wire::serving::Window;

    /// Gateways have answered, and have seen nothing.
    fn no_traffic() -> Traffic<'static> {
        Traffic {
            windows: &[],
            heard: true,
            reference: None,
            version: None,
            horizon: 1,
            cut: None,
            run_ended: None,
            hold: None,
        }
    }

    /// Quality after these windows of 10 s, with at least 4 labels and limit 13.
    fn quality(before: Option<&TriggerStatus>, windows: Vec<Window>, now: i64) -> TriggerStatus {
        let version = version(1);
        let windows = merged(&[profile("a", windows)], &measured());
        let traffic = Traffic {
            windows: &windows,
            version: Some(&version),
            horizon: 100,
            ..no_traffic()
        };
        let rule = Evaluate {
            breaches: 2,
            of: 3,
            ..Evaluate::default()
        };
        look(&quality_trigger(), before, &traffic, &rule, at(now)).status
    }

    #[test]
    fn windows_are_merged_until_there_is_enough() {
        let few = quality(None, vec![window(10, 3, 0, 20.0)], 1_000);
        assert_eq!((few.state, few.evaluations), (TriggerState::Unknown, 0));
        assert!(
            few.message
                .as_ref()
                .unwrap()
                .contains("fewer than 4 labels")
        );
        assert_eq!(few.through, None);

        let both = vec![window(10, 3, 0, 20.0), window(40, 3, 0, 10.0)];
        let enough = quality(Some(&few), both, 1_000);
        assert_eq!(enough.value, Some(15.0));
        assert_eq!(enough.recent[0].samples, 6);
        assert_eq!(enough.through.as_deref(), Some("1970-01-01T00:00:50Z"));
        assert_eq!(enough.state, TriggerState::Pending);
        assert_eq!(enough.message, None);
    }

    #[test]
    fn a_window_is_evaluated_once_and_missing_data_changes_nothing() {
        let windows = vec![window(10, 4, 0, 20.0), window(20, 4, 0, 20.0)];
        let breached = quality(None, windows.clone(), 1_000);
        assert_eq!(breached.evaluations, 2);
        assert_eq!(breached.state, TriggerState::Breached);
        assert_eq!(quality(Some(&breached), windows.clone(), 2_000), breached);
        assert_eq!(quality(Some(&breached), vec![], 2_000), breached);
        let mut more = windows;
        more.push(window(30, 3, 0, 1.0));
        assert_eq!(quality(Some(&breached), more, 2_000), breached);
    }

    #[test]
    fn a_window_that_waits_for_labels_holds_back_those_after_it() {
        let windows = || vec![window(10, 4, 1, 20.0), window(20, 4, 0, 20.0)];
        assert_eq!(quality(None, windows(), 50).evaluations, 0);
        assert_eq!(quality(None, windows(), 119).evaluations, 0);
        assert_eq!(quality(None, windows(), 120).evaluations, 2);
    }

    #[test]
    fn another_limit_makes_what_was_judged_worthless() {
        let breached = quality(
            None,
            vec![window(10, 4, 0, 20.0), window(20, 4, 0, 20.0)],
            1_000,
        );
        let mut other = breached.clone();
        other.threshold = Some(12.0);
        let anew = quality(Some(&other), vec![], 1_000);
        assert_eq!((anew.threshold, anew.recent.len()), (Some(13.0), 0));
        assert_eq!(anew.state, TriggerState::Unknown);
        // One that differs in the last bit is the same.
        other.threshold = Some(13.0_f64.next_up());
        assert_eq!(quality(Some(&other), vec![], 1_000).recent.len(), 2);
    }

    #[test]
    fn another_metric_makes_what_was_judged_worthless() {
        let windows = || vec![window(10, 4, 0, 20.0), window(20, 4, 0, 20.0)];
        let breached = quality(None, windows(), 1_000);
        assert_eq!(breached.state, TriggerState::Breached);
        let mut of_another = breached.clone();
        of_another.measures = Some("another".into());
        let anew = quality(Some(&of_another), windows(), 1_000);
        assert_eq!((anew.state, anew.recent.len()), (TriggerState::Unknown, 0));
        // As a version before this one left it.
        of_another.measures = None;
        assert_eq!(quality(Some(&of_another), windows(), 1_000), breached);

        let mut trigger = drift_trigger();
        let all = measures(&trigger);
        trigger.drift.as_mut().unwrap().columns = vec!["b".into(), "a".into()];
        let two = measures(&trigger);
        assert_ne!(all, two);
        trigger.drift.as_mut().unwrap().columns = vec!["a".into(), "b".into()];
        trigger.drift.as_mut().unwrap().threshold = 9.0;
        assert_eq!(measures(&trigger), two);
    }

    #[test]
    fn a_ratio_of_nothing_is_unknown() {
        let traffic = no_traffic();
        let before = quality(None, vec![window(10, 4, 0, 20.0)], 1_000);
        let rule = Evaluate::default();
        let Look { status, unusable } =
            look(&quality_trigger(), Some(&before), &traffic, &rule, at(9));
        assert!(unusable);
        assert_eq!(status.state, TriggerState::Unknown);
        assert!(status.message.unwrap().contains("limit.value"));
    }

    #[test]
    fn drift_needs_a_reference() {
        let traffic = no_traffic();
        let rule = Evaluate::default();
        let Look { status, unusable } = look(&drift_trigger(), None, &traffic, &rule, at(9));
        assert!(unusable);
        assert_eq!(status.state, TriggerState::Unknown);
        assert!(status.message.unwrap().contains("without a profile"));
    }

    /// Pods that are not up yet say nothing of the model.
    #[test]
    fn what_nobody_has_told_is_not_missing() {
        let traffic = Traffic {
            heard: false,
            ..no_traffic()
        };
        let Look { status, unusable } = look(
            &drift_trigger(),
            None,
            &traffic,
            &Evaluate::default(),
            at(9),
        );
        assert!(!unusable);
        assert!(status.message.unwrap().contains("has answered"));
    }

    #[test]
    fn nothing_is_evaluated_while_a_gateway_is_silent() {
        let windows = merged(&[profile("a", vec![window(10, 9, 0, 20.0)])], &measured());
        let version = version(1);
        let traffic = Traffic {
            windows: &windows,
            version: Some(&version),
            hold: Some("one gateway does not answer"),
            ..no_traffic()
        };
        let rule = Evaluate::default();
        let Look { status, unusable } = look(&quality_trigger(), None, &traffic, &rule, at(1_000));
        assert!(!unusable);
        assert_eq!(status.evaluations, 0);
        assert_eq!(status.message.as_deref(), traffic.hold);
    }
}
