use std::collections::BTreeMap;

use millwright_crds::{model_deployment::GateState, model_version::Champion};

use super::*;
use crate::model_deployment::{fixtures, gate::test::Tests};

fn gate(metric: &str, limit: Option<f64>, min_improvement: Option<f64>) -> EvaluationGate {
    EvaluationGate {
        metric: metric.into(),
        goal: None,
        limit,
        min_improvement,
    }
}

fn current(number: u32) -> CurrentStageVersion {
    CurrentStageVersion {
        version: number,
        digest: fixtures::digest(number),
        since: String::new(),
        revision: "r".into(),
    }
}

/// v2 with this error, compared with this champion; v1 was scored on other data.
fn judged(
    gate: &EvaluationGate,
    mae: f64,
    champion: Option<(u32, f64)>,
    serving: Option<u32>,
) -> Judgement {
    judged_when_pinned(None, gate, mae, champion, serving)
}

fn judged_when_pinned(
    pinned: Option<u32>,
    gate: &EvaluationGate,
    mae: f64,
    champion: Option<(u32, f64)>,
    serving: Option<u32>,
) -> Judgement {
    let mut versions = vec![
        fixtures::evaluated(1, 9.0, None),
        fixtures::evaluated(2, mae, champion),
        fixtures::evaluated(3, 8.0, None),
    ];
    if let Some(evaluation) = &mut versions[0].spec.evaluation {
        evaluation.digest = fixtures::digest(77);
    }
    let serving = serving.map(current);
    let seen = fixtures::observed();
    judge(
        gate,
        &Case {
            versions: &versions,
            candidate: &Version {
                number: 2,
                digest: fixtures::digest(2),
            },
            current: serving.as_ref(),
            tests: Tests::none(&seen),
            pinned,
        },
    )
}

#[test]
fn limits_and_improvements() {
    use GateState::{Failed, Passed};
    let better = |least| gate("mae", None, Some(least));
    let limit = |worst| gate("mae", Some(worst), None);
    for (gate, mae, champion, serving, state, words) in [
        (
            limit(12.0),
            12.0,
            None,
            None,
            Passed,
            "mae 12 on flights v6 (sha256:555555555555…) is within the limit 12",
        ),
        (
            limit(12.0),
            12.1,
            None,
            Some(1),
            Failed,
            "12.1 on flights v6 (sha256:555555555555…) is beyond the limit 12: refused",
        ),
        (better(0.0), 9.0, None, None, Passed, "the stage is empty"),
        (
            better(0.0),
            9.4,
            Some((1, 9.4)),
            Some(1),
            Passed,
            "is at least 0 better than v1's 9.4 on the same data",
        ),
        (
            better(0.0),
            14.9,
            Some((1, 9.4)),
            Some(1),
            Failed,
            "mae 14.9 on flights v6 (sha256:555555555555…) is not at least 0 better than v1's 9.4 on the same data: refused",
        ),
        (
            better(0.5),
            9.0,
            Some((1, 9.4)),
            Some(1),
            Failed,
            "at least 0.5 better",
        ),
        (
            better(0.5),
            8.9,
            Some((1, 9.4)),
            Some(1),
            Passed,
            "at least 0.5 better",
        ),
        (
            better(-1.0),
            10.0,
            Some((1, 9.4)),
            Some(1),
            Passed,
            "at least -1 better",
        ),
        // Another version was promoted since; it was scored on the same data itself.
        (
            better(0.0),
            7.5,
            Some((1, 9.4)),
            Some(3),
            Passed,
            "better than v3's 8 on",
        ),
        (
            better(0.0),
            8.5,
            Some((1, 9.4)),
            Some(3),
            Failed,
            "better than v3's 8 on",
        ),
        // It was scored on other data.
        (
            better(0.0),
            7.5,
            Some((3, 8.0)),
            Some(1),
            Failed,
            "compared with v3, but the stage serves v1 by now: train again",
        ),
        (
            better(0.0),
            7.5,
            None,
            Some(1),
            Failed,
            "spec.evaluation.against: Champion",
        ),
    ] {
        let said = judged(&gate, mae, champion, serving);
        assert_eq!(said.state, state, "{}", said.message);
        assert!(said.message.contains(words), "{}", said.message);
        assert_eq!(said.value, Some(mae));
    }
}

#[test]
fn a_refusal_shows_both_values_even_when_the_limit_refuses() {
    let said = judged(
        &gate("mae", Some(12.0), Some(0.0)),
        14.9,
        Some((1, 9.4)),
        Some(1),
    );
    assert_eq!(said.state, GateState::Failed);
    assert!(
        said.message.contains("14.9") && said.message.contains("9.4"),
        "{}",
        said.message
    );
}

#[test]
fn what_is_missing_is_named() {
    let said = judged(&gate("auc", Some(0.5), None), 9.0, None, None);
    assert_eq!(said.reason, Reason::EvaluationMissing);
    assert!(
        said.message.contains("has no metric auc, it has mae"),
        "{}",
        said.message
    );

    let seen = fixtures::observed();
    let mut bare = fixtures::version(2);
    bare.spec.evaluation = None;
    let mut versions = vec![bare];
    let candidate = Version {
        number: 2,
        digest: fixtures::digest(2),
    };
    let case = |versions: &[millwright_crds::ModelVersion]| {
        judge(
            &gate("mae", Some(12.0), None),
            &Case {
                versions,
                candidate: &candidate,
                current: None,
                tests: Tests::none(&seen),
                pinned: None,
            },
        )
    };
    let said = case(&versions);
    assert_eq!(said.reason, Reason::EvaluationMissing);
    assert!(
        said.message.contains("m-v2 has no evaluation"),
        "{}",
        said.message
    );
    versions.clear();
    assert_eq!(case(&versions).state, GateState::Pending);
}

#[test]
fn more_is_better_where_the_goal_says_so() {
    let mut versions = vec![fixtures::evaluated(2, 0.0, None)];
    if let Some(evaluation) = &mut versions[0].spec.evaluation {
        evaluation.metrics = BTreeMap::from([("auc".into(), 0.8)]);
        evaluation.champion = Some(Champion {
            version: 1,
            metrics: BTreeMap::from([("auc".into(), 0.7)]),
        });
    }
    let (seen, serving) = (fixtures::observed(), current(1));
    let candidate = Version {
        number: 2,
        digest: fixtures::digest(2),
    };
    for (limit, least, state) in [
        (0.8, 0.05, GateState::Passed),
        (0.81, 0.05, GateState::Failed),
        (0.5, 0.2, GateState::Failed),
    ] {
        let case = Case {
            versions: &versions,
            candidate: &candidate,
            current: Some(&serving),
            tests: Tests::none(&seen),
            pinned: None,
        };
        let said = judge(&gate("auc", Some(limit), Some(least)), &case);
        assert_eq!(said.state, state, "{}", said.message);
    }
}

#[test]
fn new_pods_of_the_same_version_pass() {
    let said = judged(&gate("mae", Some(1.0), Some(0.0)), 9.0, None, Some(2));
    assert_eq!(said.state, GateState::Passed, "{}", said.message);
}

#[test]
fn a_person_may_go_back_to_a_version_that_is_no_better() {
    use GateState::{Failed, Passed};
    let better = gate("mae", None, Some(0.0));
    for (pinned, gate, serving, state, words) in [
        (
            Some(2),
            &better,
            Some(3),
            Passed,
            "spec.model.version goes back to it",
        ),
        // The limit counts as ever, and so does the comparison for what is newer.
        (
            Some(2),
            &gate("mae", Some(9.0), Some(0.0)),
            Some(3),
            Failed,
            "beyond the limit 9",
        ),
        (Some(2), &better, Some(1), Failed, "compared with v1"),
        (None, &better, Some(3), Failed, "better than v3's 8"),
    ] {
        let said = judged_when_pinned(pinned, gate, 9.5, None, serving);
        assert_eq!(said.state, state, "{}", said.message);
        assert!(said.message.contains(words), "{}", said.message);
    }
}

#[test]
fn not_a_number_never_passes() {
    let said = judged(&gate("mae", Some(12.0), None), f64::NAN, None, None);
    assert_eq!(said.state, GateState::Failed);
}
