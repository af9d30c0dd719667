//! What a policy asks of the deployment that it watches, and can't get as the two specs are.

use millwright_crds::{
    ModelDeployment, RetrainPolicy,
    common::Duration,
    model_deployment::{Monitoring, Protocol, Task},
    retrain_policy::QualityMetric,
};

use crate::SpecError;

/// Most windows that a gateway can be told to keep: `monitoring.retain` in the CRD.
const MOST_WINDOWS: u64 = 100;
/// Windows beside those that are waited for: the one with traffic now, and one for the time that a
/// look takes.
const SPARE_WINDOWS: u64 = 2;

/// How long after its end a window waits for labels, in seconds: the horizon, or as long as gateways
/// keep the window if it is looked at each `interval`. What is said of it when that is less.
pub(super) fn horizon(monitoring: &Monitoring, interval: Duration) -> (u64, Option<String>) {
    let (asked, window) = (monitoring.feedback.horizon, monitoring.window);
    let kept = u64::from(monitoring.retain).saturating_sub(SPARE_WINDOWS) * window.as_secs();
    let time = kept.saturating_sub(interval.as_secs());
    if time >= asked.as_secs() {
        return (asked.as_secs(), None);
    }
    let needed = asked.as_secs().saturating_add(interval.as_secs());
    let needed = needed.div_ceil(window.as_secs().max(1)) + SPARE_WINDOWS;
    let mend = if needed <= MOST_WINDOWS {
        format!("set monitoring.retain of the ModelDeployment to {needed} or more")
    } else {
        format!(
            "set monitoring.retain of the ModelDeployment, which may be {MOST_WINDOWS}, and a longer \
             monitoring.window"
        )
    };
    let said = format!(
        "labels that come more than {} after their window do not count, although feedback.horizon \
         is {asked}: gateways keep {} windows of {window} only; {mend}",
        Duration::from_secs(time),
        monitoring.retain
    );
    (time, Some(said))
}

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
    metrics(policy, name, deployment.spec.monitoring.task)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::retrain_policy::fixtures;

    /// What is said of a policy with these triggers, and of a deployment with this change.
    fn said(triggers: Value, change: Value) -> String {
        let mut policy = fixtures::policy();
        policy.spec.triggers = serde_json::from_value(triggers).unwrap();
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
    fn a_metric_needs_its_task() {
        let classes = || json!({"monitoring": {"task": "Classification"}});
        let mae = said(quality("mae"), classes());
        let begin = "spec.triggers[0].quality.metric: mae is not measured of a Classification";
        assert!(
            mae.starts_with(begin) && mae.contains("choose accuracy"),
            "{mae}"
        );
        assert_eq!(said(quality("accuracy"), classes()), "");
        assert_eq!(said(quality("mae"), json!({})), "");
        let accuracy = said(quality("accuracy"), json!({}));
        assert!(accuracy.contains("choose mae"), "{accuracy}");
        assert_eq!(said(drift(), classes()), "");
    }

    #[test]
    fn nothing_is_known_of_plain_http() {
        let http = json!({"server": {"template": {}, "protocol": "Http"}});
        assert!(said(drift(), http).contains("OpenInference"));
    }

    #[test]
    fn labels_have_as_long_as_their_window_is_kept() {
        assert_eq!(
            horizon(&Monitoring::default(), Duration::from_secs(300)),
            (3_600, None)
        );
        for (window, retain, asked, interval, expected, mend) in [
            ("5m", 15, "1h", "5m", 3_600, None),
            ("5m", 12, "1h", "5m", 2_700, Some("to 15 or more")),
            ("5s", 63, "5m", "5s", 300, None),
            ("5s", 60, "5m", "5s", 285, Some("to 63 or more")),
            ("1h", 27, "1d", "1h", 86_400, None),
            (
                "5m",
                100,
                "1d",
                "5m",
                29_100,
                Some("a longer monitoring.window"),
            ),
            ("5m", 16, "1h", "1d", 0, Some("a longer monitoring.window")),
            ("5m", 2, "0s", "5m", 0, None),
        ] {
            let monitoring = serde_json::from_value(json!({
                "window": window, "retain": retain, "feedback": {"horizon": asked},
            }));
            let (time, said) = horizon(&monitoring.unwrap(), interval.parse().unwrap());
            assert_eq!(time, expected, "{window} {retain} {asked} {interval}");
            match (said, mend) {
                (None, None) => {}
                (Some(said), Some(mend)) => assert!(said.ends_with(mend), "{said}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
