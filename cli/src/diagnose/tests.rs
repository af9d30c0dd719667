//! Diagnoses of the objects of a namespace.

use jiff::tz::TimeZone;
use k8s_openapi::api::core::v1::Event;
use serde_json::json;

use super::{Case, render};
use crate::{
    testdata::{self, LOOP, TROUBLE},
    text::Line,
};

fn diagnosis(yaml: &str, reference: &str, events: Result<Vec<Event>, String>) -> String {
    let reference = reference.parse().unwrap();
    let object = testdata::object(yaml, &reference);
    let lines = render::lines(&Case {
        reference: &reference,
        namespace: "flights",
        object: &object,
        events,
        now: testdata::now(),
        zone: TimeZone::UTC,
    });
    let text: Vec<_> = lines.iter().map(Line::plain).collect();
    text.join("\n")
}

fn event(at: &str, kind: &str, count: i32, message: &str) -> Event {
    serde_json::from_value(json!({
        "metadata": {"name": "e", "namespace": "flights"},
        "involvedObject": {},
        "type": kind,
        "reason": "AttemptFailed",
        "message": message,
        "count": count,
        "lastTimestamp": at,
    }))
    .unwrap()
}

#[test]
fn a_failed_run() {
    let events = vec![
        event("2026-11-23T13:20:59Z", "Warning", 1, "attempt 4 failed"),
        event(
            "2026-11-23T13:12:00Z",
            "Warning",
            3,
            "an attempt failed; the next starts in 20s",
        ),
    ];
    insta::assert_snapshot!(diagnosis(TROUBLE, "tj/sales-monday", Ok(events)));
}

#[test]
fn a_refused_version() {
    insta::assert_snapshot!(diagnosis(TROUBLE, "md/sales", Ok(vec![])));
}

#[test]
fn a_version_that_was_never_evaluated() {
    let compared = "reason: GateFailed, message: \"auc";
    assert!(TROUBLE.contains(compared));
    let missing = TROUBLE.replace(compared, "reason: EvaluationMissing, message: \"no");
    let text = diagnosis(&missing, "md/sales", Ok(vec![]));
    assert!(
        text.contains("EvaluationMissing: ")
            && text.contains("give the TrainingJob spec.evaluation"),
        "{text}"
    );
    assert!(
        !text.contains("has the values that were compared"),
        "{text}"
    );
}

#[test]
fn rejected_data() {
    let no_events = Err("you may not list events in this namespace".into());
    insta::assert_snapshot!(diagnosis(TROUBLE, "ds/sales", no_events));
}

#[test]
fn a_policy_whose_spec_is_not_seen_yet() {
    insta::assert_snapshot!(diagnosis(TROUBLE, "rp/lost", Ok(vec![])));
}

#[test]
fn a_policy_that_is_well() {
    insta::assert_snapshot!(diagnosis(LOOP, "rp/flights-delay", Ok(vec![])));
}

#[test]
fn a_policy_that_never_fires() {
    let cools_down = "reason: CoolingDown";
    assert!(LOOP.contains(cools_down));
    let text = diagnosis(
        &LOOP.replace(cools_down, "reason: TriggerUnusable"),
        "rp/flights-delay",
        Ok(vec![]),
    );
    assert!(
        text.contains("TriggerUnusable: A trigger has nothing"),
        "{text}"
    );
}

#[test]
fn every_object_can_be_diagnosed() {
    for yaml in [LOOP, TROUBLE] {
        for (kind, object) in testdata::read(yaml) {
            let name = object.metadata.name.clone().unwrap();
            let text = diagnosis(yaml, &format!("{kind}/{name}"), Ok(vec![]));
            assert!(
                text.starts_with(&format!("{kind} {name} in namespace flights: ")),
                "{text}"
            );
        }
    }
}
