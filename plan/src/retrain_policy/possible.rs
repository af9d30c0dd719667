//! What a policy asks of the deployment that it watches, and can't get as the two specs are.

use millwright_crds::{
    ModelDeployment, RetrainPolicy,
    model_deployment::{Protocol, Task},
    retrain_policy::QualityMetric,
};

use crate::SpecError;

/// Most windows that a gateway can be told to keep: `monitoring.retain` in the CRD.
const MOST_WINDOWS: u64 = 100;
/// Windows beside those that are waited for: the one with traffic now, and one for the time that a
/// look takes.
const SPARE_WINDOWS: u64 = 2;

/// Whether the triggers can ever be evaluated.
///
/// # Errors
/// Names the field that stands in the way.
pub(super) fn check(policy: &RetrainPolicy, deployment: &ModelDeployment) -> Result<(), SpecError> {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    if deployment.spec.server.protocol == Protocol::Http {
        return Err(SpecError::new(
            "spec.deployment.name",
            format!(
                "ModelDeployment {name} has spec.server.protocol Http, of which neither inputs nor \
                 predictions are known: watch one with OpenInference"
            ),
        ));
    }
    metrics(policy, name, deployment.spec.monitoring.task)?;
    windows(policy, deployment, name)
}

fn metrics(policy: &RetrainPolicy, deployment: &str, task: Task) -> Result<(), SpecError> {
    for (index, trigger) in policy.spec.triggers.iter().enumerate() {
        let Some(quality) = &trigger.quality else {
            continue;
        };
        let (measured, other) = match task {
            Task::Regression => ("mae, mse, rmse or r2", Task::Classification),
            Task::Classification => ("accuracy", Task::Regression),
        };
        if (quality.metric == QualityMetric::Accuracy) != (task == Task::Classification) {
            return Err(SpecError::new(
                format!("spec.triggers[{index}].quality.metric"),
                format!(
                    "{} is not measured of a {task:?}, which spec.monitoring.task of \
                     ModelDeployment {deployment} says: choose {measured}, or set the task to \
                     {other:?}",
                    quality.metric.as_str()
                ),
            ));
        }
    }
    Ok(())
}

/// A window must still be there when it is looked at: after its labels have had their time.
fn windows(
    policy: &RetrainPolicy,
    deployment: &ModelDeployment,
    name: &str,
) -> Result<(), SpecError> {
    let monitoring = &deployment.spec.monitoring;
    let interval = policy.spec.evaluate.interval;
    let (mut time, mut parts) = (
        interval.as_secs(),
        format!("evaluate.interval ({interval})"),
    );
    if policy.spec.triggers.iter().any(|one| one.quality.is_some()) {
        let horizon = monitoring.feedback.horizon;
        time = time.saturating_add(horizon.as_secs());
        parts = format!("monitoring.feedback.horizon ({horizon}) and its own {parts}");
    }
    let needed = time.div_ceil(monitoring.window.as_secs().max(1)) + SPARE_WINDOWS;
    if u64::from(monitoring.retain) >= needed {
        return Ok(());
    }
    let (kept, window) = (monitoring.retain, monitoring.window);
    let mend = if needed <= MOST_WINDOWS {
        format!("set monitoring.retain to {needed} or more")
    } else {
        format!(
            "set monitoring.retain, which may be {MOST_WINDOWS}, and a longer monitoring.window"
        )
    };
    Err(SpecError::new(
        "spec.deployment.name",
        format!(
            "gateways of ModelDeployment {name} keep {kept} windows of {window}, and {parts} need \
             {needed}: a window would be gone before it is evaluated; {mend}"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::retrain_policy::fixtures;

    /// What is said of a policy with these triggers and this interval, and of a deployment with this
    /// change.
    fn said(triggers: Value, interval: &str, change: Value) -> String {
        let mut policy = fixtures::policy();
        policy.spec.triggers = serde_json::from_value(triggers).unwrap();
        policy.spec.evaluate.interval = interval.parse().unwrap();
        let mut spec = json!({
            "model": {"name": "m", "track": "Latest"},
            "server": {"template": {}},
            "stages": [{"name": "production"}],
        });
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let deployment = ModelDeployment::new("md", serde_json::from_value(spec).unwrap());
        let said = check(&policy, &deployment);
        said.map_or_else(|error| error.to_string(), |()| String::new())
    }

    fn quality(metric: &str) -> Value {
        json!([{"name": "q", "quality": {"metric": metric, "limit": {"value": 1.0}}}])
    }

    fn drift() -> Value {
        json!([{"name": "d", "drift": {}}])
    }

    #[test]
    fn the_defaults_fit_each_other() {
        assert_eq!(said(quality("mae"), "5m", json!({})), "");
        assert_eq!(said(drift(), "5m", json!({})), "");
    }

    #[test]
    fn a_metric_needs_its_task() {
        let classes = || json!({"monitoring": {"task": "Classification"}});
        let mae = said(quality("mae"), "5m", classes());
        assert!(
            mae.starts_with(
                "spec.triggers[0].quality.metric: mae is not measured of a Classification"
            ) && mae.contains("choose accuracy"),
            "{mae}"
        );
        assert_eq!(said(quality("accuracy"), "5m", classes()), "");
        let accuracy = said(quality("accuracy"), "5m", json!({}));
        assert!(accuracy.contains("choose mae"), "{accuracy}");
        assert_eq!(said(drift(), "5m", classes()), "");
    }

    #[test]
    fn nothing_is_known_of_plain_http() {
        let http = json!({"server": {"template": {}, "protocol": "Http"}});
        assert!(said(drift(), "5m", http).contains("OpenInference"));
    }

    #[test]
    fn windows_last_until_they_are_evaluated() {
        let monitoring = |window: &str, retain: u32, horizon: &str| {
            json!({"monitoring": {
                "window": window, "retain": retain, "feedback": {"horizon": horizon},
            }})
        };
        for (window, retain, horizon, interval, needed) in [
            ("5m", 15, "1h", "5m", None),
            ("5m", 14, "1h", "5m", Some("15 or more")),
            ("5s", 63, "5m", "5s", None),
            ("5s", 60, "5m", "5s", Some("63 or more")),
            ("1h", 27, "1d", "1h", None),
            ("5m", 100, "1d", "5m", Some("a longer monitoring.window")),
        ] {
            let said = said(
                quality("mae"),
                interval,
                monitoring(window, retain, horizon),
            );
            match needed {
                None => assert_eq!(said, ""),
                Some(needed) => assert!(said.ends_with(needed), "{said}"),
            }
        }
        // Inputs need no labels.
        assert_eq!(said(drift(), "5m", monitoring("5m", 3, "1h")), "");
        assert!(said(drift(), "10m", monitoring("5m", 3, "1h")).contains("4 or more"));
    }
}
